"""What stands around every call: deadlines, health, metrics, one log line, and a client that tries again."""

import asyncio
import time
from collections.abc import AsyncGenerator
from concurrent.futures import CancelledError
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
import structlog
from grpc_health.v1 import health_pb2, health_pb2_grpc

from domain.refusals import Reason, Refused, refuse
from ledger.engine.tickets import Ticket
from ledger.rpc import interceptor
from ledger.rpc.client import SERVICES, connect, reason
from ledger.rpc.settings import RpcSettings
from protos.esep.v1 import account_pb2, transfer_service_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from tests.rpc.world import PATIENCE, Bank, World, new_id, refused, transfer
from tests.waiting import eventually

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


def health(world: World, service: str = "") -> int:
    with grpc.insecure_channel(world.address) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        answer: Any = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE)
        return int(answer.status)


def tells(world: World, service: str, status: int) -> bool:
    """Tell whether health says this of a service."""
    return health(world, service) == status


def test_a_call_that_is_given_up_is_carried_out_all_the_same(bank: Bank) -> None:
    """After the caller's deadline the outcome is asked for by the request id."""
    bank.move(bank.rich, bank.poor, 1)  # Whatever takes its time the first time has taken it.
    bank.world.engine.holding = True
    request = transfer(bank.rich, bank.poor, 10)
    refusal = bank.refused(bank.ledger.transfers.CreateTransfer, request, timeout=3.0)
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    asked = GetOutcomeRequest(request_id=request.request_id)
    assert bank.call(bank.ledger.transfers.GetOutcome, asked).transfer.amount_tyiyn == 10
    bank.world.engine.holding = False
    assert bank.call(bank.ledger.transfers.CreateTransfer, request).receipt.replayed


def test_a_deadline_that_is_past_records_nothing(bank: Bank) -> None:
    """A call without time left is not begun."""
    head = bank.world.log.head(0)
    refusal = bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1), timeout=-1)
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert bank.world.log.head(0) == head


def test_no_call_lasts_for_ever(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call without a deadline, or with a long one, ends at the server's own."""
    bank.world.engine.holding = True
    monkeypatch.setattr(bank.world.edge._gate, "_max_deadline_seconds", 1.5)  # The accounts took what they took.
    for timeout in (None, 60):
        begun = time.monotonic()
        request = transfer(bank.rich, bank.poor, 1)
        refusal = bank.refused(bank.ledger.transfers.CreateTransfer, request, timeout=timeout)
        assert refusal.reason == "DEADLINE_EXCEEDED"
        assert time.monotonic() - begun < 2 * PATIENCE


def test_health_follows_the_engine(bank: Bank) -> None:
    """NOT_SERVING while the engine takes nothing, for the server and for each service."""
    for service in ("", *SERVICES):
        eventually(partial(tells, bank.world, service, SERVING))
    bank.world.engine.closed_for_business = True
    for service in ("", *SERVICES):
        eventually(partial(tells, bank.world, service, NOT_SERVING))


def test_reads_are_answered_while_the_engine_takes_nothing(bank: Bank) -> None:
    """A standby knows what the log holds."""
    bank.world.engine.closed_for_business = True
    answer = bank.call(bank.ledger.accounts.GetAccount, accounts.GetAccountRequest(account_id=bank.rich))
    assert answer.position.position == bank.world.log.head(0)


def test_one_line_and_one_count_per_call(bank: Bank) -> None:
    """Method, caller, code, reason, request id, duration and trace are logged; nothing of the content is."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    request = transfer(bank.poor, bank.rich, 1, reference="SECRET")
    metadata = (*bank.ledger.metadata, ("traceparent", f"00-{trace}-00f067aa0ba902b7-01"))
    with structlog.testing.capture_logs() as lines:
        refused(lambda: bank.ledger.transfers.CreateTransfer(request, metadata=metadata, timeout=PATIENCE))
    (line,) = [line for line in lines if line["event"] == "call"]
    duration = line.pop("duration_ms")
    assert 0 < duration < PATIENCE * 1000
    assert line == {
        "event": "call",
        "log_level": "info",
        "method": "/esep.v1.TransferService/CreateTransfer",
        "caller": bank.caller,
        "code": "FAILED_PRECONDITION",
        "reason": "INSUFFICIENT_FUNDS",
        "request_id": request.request_id,
        "trace_id": trace,
    }
    labels = {"method": "/esep.v1.TransferService/CreateTransfer", "code": "FAILED_PRECONDITION"}
    assert bank.world.registry.get_sample_value("esep_rpc_calls_total", labels) == 1
    assert bank.world.registry.get_sample_value("esep_rpc_refusals_total", {"reason": "INSUFFICIENT_FUNDS"}) == 1


def test_an_uncaught_exception_is_found_by_its_correlation_id(bank: Bank) -> None:
    """The log holds, under the id the caller was given, what the caller was not told."""
    bank.world.engine.refusing = RuntimeError("the secret of the engine")
    with structlog.testing.capture_logs() as lines:
        refusal = bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))
    (line,) = [line for line in lines if line["event"] == "uncaught"]
    assert line["correlation_id"] == refusal.metadata["correlation_id"]
    assert "the secret" in repr(line["exc_info"])


def test_an_unknown_caller_is_denied_before_anything_is_looked_up(bank: Bank) -> None:
    """Permission is decided before existence, and before the request is read."""
    bank.ledger.metadata = (("esep-caller", "not a name"),)
    for account in (bank.rich, 999):
        request = accounts.GetAccountRequest(account_id=account)
        assert bank.refused(bank.ledger.accounts.GetAccount, request).reason == "PERMISSION_DENIED"


def test_a_client_of_ours_tries_again(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """The channel that ``connect`` makes repeats a write that met UNAVAILABLE, and the outcome is one."""
    engine, refusals = bank.world.engine, [Refused(refuse(Reason.NOT_THE_OWNER))]
    submit = engine.submit

    def refuse_once(ticket: Ticket) -> None:
        if refusals:
            raise refusals.pop()
        submit(ticket)

    monkeypatch.setattr(engine, "submit", refuse_once)
    with connect(bank.world.address, caller="bank-a") as ledger:
        request = transfer(bank.rich, bank.poor, 10)
        answer = ledger.transfers.CreateTransfer(request, metadata=ledger.metadata, timeout=PATIENCE)
    assert not answer.receipt.replayed
    assert bank.world.registry.get_sample_value("esep_rpc_refusals_total", {"reason": "NOT_THE_OWNER"}) == 1


def test_a_client_learns_the_reason(bank: Bank) -> None:
    """``reason`` reads the ErrorInfo of a failed call."""
    with pytest.raises(grpc.RpcError) as caught:
        bank.move(bank.poor, bank.rich, 1)
    info = reason(caught.value)  # type: ignore[arg-type] # every error of a call is one
    assert info is not None
    assert info.reason == "INSUFFICIENT_FUNDS"


@pytest.mark.parametrize("settings", [{"bench_methods": True, "reflection": True, "channelz": True}])
def test_the_empty_methods_answer_where_they_are_switched_on(limited_bank: Bank) -> None:
    """The twins that benchmarks compare with do nothing, behind the same guard."""
    call: Any = limited_bank.ledger.channel.unary_unary(
        "/esep.bench.Empty/CreateTransfer",
        request_serializer=transfer_service_pb2.CreateTransferRequest.SerializeToString,
        response_deserializer=transfer_service_pb2.CreateTransferResponse.FromString,
    )
    head = limited_bank.world.log.head(0)
    assert not limited_bank.call(call, transfer(1, 2, 3)).HasField("transfer")
    assert limited_bank.world.log.head(0) == head
    labels = {"method": "/esep.bench.Empty/CreateTransfer", "code": "OK"}
    assert limited_bank.world.registry.get_sample_value("esep_rpc_calls_total", labels) == 1


def test_the_empty_methods_are_off_by_default(bank: Bank) -> None:
    """A production server has no method that does nothing."""
    call: Any = bank.ledger.channel.unary_unary("/esep.bench.Empty/CreateTransfer")
    assert refused(lambda: call(b"", timeout=PATIENCE)).code is grpc.StatusCode.UNIMPLEMENTED


def test_calls_under_way_are_finished_when_the_server_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Health says NOT_SERVING, what was begun is answered, and what comes later is UNAVAILABLE."""
    with World(tmp_path) as world:
        bank = Bank(world)
        begun: list[Ticket] = []
        monkeypatch.setattr(world.engine, "submit", begun.append)  # As an engine that is slow.
        pending = [
            bank.ledger.transfers.CreateTransfer.future(
                transfer(bank.rich, bank.poor, 1), metadata=bank.ledger.metadata, timeout=3 * PATIENCE
            )
            for _ in range(50)
        ]
        eventually(lambda: len(begun) == len(pending))
        stopping = world.begin(lambda: world.edge.stop(2 * PATIENCE))
        eventually(lambda: health(world) == NOT_SERVING)
        later = bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))
        assert later.code is grpc.StatusCode.UNAVAILABLE
        for ticket in begun:
            world.engine.real.submit(ticket)
        stopping.result(3 * PATIENCE)
        assert {call.code() for call in pending} == {grpc.StatusCode.OK}
        assert world.log.head(0) == 6 + len(pending)


def test_a_stopping_server_waits_until_no_more_calls_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is sent at once when it begins to stop is answered, as it arrives, and a moment after the last it stops."""
    monkeypatch.setattr(interceptor, "_RESTLESS_SECONDS", PATIENCE)
    with World(tmp_path) as world:
        gate = world.edge._gate

        async def arriving() -> bool:
            draining = asyncio.create_task(gate.drain(PATIENCE))
            for _ in range(40):
                gate._met += 1
                await asyncio.sleep(0.02)
                if draining.done():
                    return False
            await draining
            return True

        assert world.run(arriving)


def test_a_stopping_server_takes_nothing_new(tmp_path: Path) -> None:
    """While it waits for calls under way, a new one is SHUTTING_DOWN, and health NOT_SERVING."""
    with World(tmp_path) as world:
        bank = Bank(world)
        world.engine.holding = True
        under_way = bank.ledger.transfers.CreateTransfer.future(transfer(bank.rich, bank.poor, 1), timeout=PATIENCE)
        eventually(lambda: world.log.head(0) == 7)
        stopping = world.begin(lambda: world.edge.stop(PATIENCE))
        eventually(lambda: health(world) == NOT_SERVING)
        world.engine.holding = False
        refusal = bank.refused(bank.ledger.transfers.CreateTransfer, transfer(bank.rich, bank.poor, 1))
        assert refusal.reason == "SHUTTING_DOWN"
        assert not under_way.done()
        assert not stopping.done()
        under_way.cancel()
        stopping.result(PATIENCE)


def test_without_encryption_only_loopback_is_served() -> None:
    """Plain text is for development, and development for this machine."""
    with pytest.raises(ValueError, match="loopback"):
        RpcSettings(listen="0.0.0.0:50051", development=True)
    with pytest.raises(ValueError, match="certificate"):
        RpcSettings(listen="127.0.0.1:0", development=False)


def test_a_trial_opening_gives_no_id(bank: Bank) -> None:
    """An account that was not opened has no account_id."""
    request = accounts.OpenAccountRequest(
        request_id=new_id(), validate_only=True, participant_id="bank-a", kind=account_pb2.ACCOUNT_KIND_CASH
    )
    answer = bank.call(bank.ledger.accounts.OpenAccount, request)
    assert (answer.account.account_id, answer.account.currency_code) == (0, "KGS")


class Left:
    """The context of a stream whose caller left just now: only a message that cannot be written knows of it."""

    def invocation_metadata(self) -> tuple[tuple[str, str], ...]:
        return (("esep-caller", "bank-a"),)

    def time_remaining(self) -> None:
        return None

    async def send_initial_metadata(self, metadata: object) -> None:
        pass

    async def write(self, message: object) -> None:
        raise grpc.aio.InternalError(f"{type(message).__name__} was not sent")


def test_a_stream_whose_caller_has_left_is_no_defect(bank: Bank) -> None:
    """Who leaves while a message is written to it has cancelled the call."""
    method = "/esep.v1.StatementService/WatchBalances"

    async def one_message(*_: object) -> AsyncGenerator[statements.WatchBalancesResponse, None]:
        yield statements.WatchBalancesResponse()

    stream = bank.world.edge._gate._guard_stream(method, one_message)
    request: Any = statements.WatchBalancesRequest(account_ids=[bank.rich])
    left: Any = Left()
    with structlog.testing.capture_logs() as lines, pytest.raises(CancelledError):
        bank.world.run(lambda: stream(request, left))
    assert [line.get("code", line["event"]) for line in lines if line.get("method") == method] == ["CANCELLED"]
