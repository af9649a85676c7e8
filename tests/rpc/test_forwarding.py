"""Calls to the wrong one of two servers: forwarded to the owner, and answered as the owner answers."""

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from structlog.testing import capture_logs

from domain.ids import account_partition
from domain.refusals import Reason, Refused, refuse
from ledger.engine.tickets import Ticket
from ledger.log.factory import open_log
from ledger.rpc.errors import PUSHBACK_KEY
from ledger.rpc.routes import Route, Routes
from protos.esep.v1 import account_pb2, common_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.rpc.neighbours import Neighbours, forwarded, neighbours, taken_in
from tests.rpc.test_connections import SETTINGS, SETTLED
from tests.rpc.world import PATIENCE, Bank, Refusal, World, item, new_id, refused, transfer
from tests.waiting import eventually

CUSTOMER = account_pb2.ACCOUNT_KIND_CUSTOMER
RETRY = error_details_pb2.RetryInfo
BANK_A = (("esep-caller", "core"), ("esep-role", "bank"), ("esep-participant", "bank-a"))
BANK_B = (("esep-caller", "other"), ("esep-role", "bank"), ("esep-participant", "bank-b"))


@pytest.fixture
def pair(tmp_path: Path, store_url: str) -> Iterator[Neighbours]:
    with neighbours(tmp_path, store_url) as servers:
        yield servers


@pytest.fixture
def small_pair(tmp_path: Path, sqlite_url: str, settings: dict[str, Any]) -> Iterator[Neighbours]:
    """Give two servers of which the one that owns partition 0, or the other one, has settings of its own."""
    with neighbours(tmp_path, sqlite_url, **settings) as servers:
        yield servers


@pytest.fixture
def lonely(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    """Give a server that owns partition 1, where nobody owns partition 0."""
    with World(tmp_path, database_url=sqlite_url, owned=1, partitions=2) as there:
        yield there


def opening(partition: int = 0, **fields: Any) -> accounts.OpenAccountRequest:
    return accounts.OpenAccountRequest(
        request_id=new_id(), participant_id="bank-a", kind=CUSTOMER, partition=partition, **fields
    )


def test_a_client_needs_one_server(pair: Neighbours) -> None:
    """Through either, accounts of both partitions are opened, pay and are read at the position that was receipted."""
    for world in pair:
        ledger = world.client()
        for partition in (0, 1):
            cash, payer = (
                ledger.accounts.OpenAccount(request, metadata=ledger.metadata, timeout=PATIENCE).account.account_id
                for request in (
                    accounts.OpenAccountRequest(
                        request_id=new_id(),
                        participant_id="bank-a",
                        kind=account_pb2.ACCOUNT_KIND_CASH,
                        partition=partition,
                    ),
                    opening(partition),
                )
            )
            assert account_partition(payer) == partition
            paid = ledger.transfers.CreateTransfer(
                transfer(cash, payer, 70), metadata=ledger.metadata, timeout=PATIENCE
            )
            since = common_pb2.LogPosition(partition=paid.receipt.partition, position=paid.receipt.position)
            asked = statements.GetBalanceRequest(account_id=payer, min_position=since)
            told = ledger.statements.GetBalance(asked, metadata=ledger.metadata, timeout=PATIENCE)
            assert (since.partition, told.balance.posted_tyiyn) == (partition, 70)


@pytest.mark.parametrize(
    "request_of",
    [
        lambda bank: transfer(bank.poor, bank.rich, 1_000_000),
        lambda bank: transfer(bank.rich, 9_999_999, 5),
        lambda bank: transfer(bank.rich, bank.poor, -5),
        lambda bank: transfer(bank.rich, bank.poor, 5, request_id="no id"),
    ],
    ids=["declined", "not found", "invalid", "malformed"],
)
def test_a_refusal_arrives_as_the_owner_gave_it(
    pair: Neighbours, request_of: Callable[[Bank], transfers.CreateTransferRequest]
) -> None:
    """Code, words and every detail; what is recorded is told again with its place in the log."""
    bank = Bank(pair.here)
    request = request_of(bank)
    far = pair.there.client()

    def asked() -> Refusal:
        return refused(lambda: far.transfers.CreateTransfer(request, metadata=far.metadata, timeout=PATIENCE))

    first, near, again = asked(), bank.refused(bank.ledger.transfers.CreateTransfer, request), asked()
    assert (again.code, again.text, again.details) == (near.code, near.text, near.details)
    assert (first.code, first.text) == (near.code, near.text)
    assert {**first.metadata, "replayed": ""} == {**near.metadata, "replayed": ""}
    assert first.metadata.get("replayed") == ("false" if first.metadata["recorded"] == "true" else None)


def test_the_server_that_was_called_says_who_calls(pair: Neighbours) -> None:
    """The owner records the caller's name; who may not is denied where it called, or by the owner for a batch."""
    bank = Bank(pair.here)
    there = pair.there.client()
    done = there.transfers.CreateTransfer(transfer(bank.rich, bank.poor, 5), metadata=BANK_A, timeout=PATIENCE)
    assert done.receipt.caller == "core"
    count = taken_in(pair.here)
    other = refused(
        lambda: there.transfers.CreateTransfer(transfer(bank.rich, bank.poor, 5), metadata=BANK_B, timeout=PATIENCE)
    )
    assert (other.reason, taken_in(pair.here)) == ("PERMISSION_DENIED", count)
    batch = transfers.CreateTransfersRequest(transfers=[item(bank.rich, bank.poor, 5)])
    assert there.transfers.CreateTransfers(batch, metadata=BANK_A, timeout=PATIENCE).partition == 0
    foreign = refused(lambda: there.transfers.CreateTransfers(batch, metadata=BANK_B, timeout=PATIENCE))
    assert (foreign.reason, taken_in(pair.here)) == ("PERMISSION_DENIED", count + 2)


@pytest.mark.parametrize("settings", [{"here": {"caller_calls_per_second": 0.01}}])
def test_a_call_is_counted_where_it_was_made(small_pair: Neighbours) -> None:
    """The owner's own limits are for its own callers: what is forwarded was counted before."""
    bank = Bank(small_pair.here)
    there = small_pair.there.client()
    for _ in range(5):
        there.transfers.CreateTransfer(transfer(bank.rich, bank.poor, 5), metadata=BANK_A, timeout=PATIENCE)
    here = small_pair.here.client()
    here.transfers.CreateTransfer(transfer(bank.rich, bank.poor, 5), metadata=BANK_A, timeout=PATIENCE)
    assert (
        refused(
            lambda: here.transfers.CreateTransfer(transfer(bank.rich, bank.poor, 5), metadata=BANK_A, timeout=PATIENCE)
        ).reason
        == "RATE_LIMITED"
    )


@pytest.mark.parametrize("settings", [{"there": {"caller_calls_per_second": 0.01}}])
def test_a_call_is_not_forwarded_past_its_callers_rate(small_pair: Neighbours) -> None:
    """Whoever calls too often is refused where it calls."""
    bank = Bank(small_pair.here)
    there = small_pair.there.client()

    def pay() -> object:
        return there.transfers.CreateTransfer(transfer(bank.rich, bank.poor, 5), metadata=BANK_A, timeout=PATIENCE)

    assert pay()
    assert refused(pay).reason == "RATE_LIMITED"
    assert taken_in(small_pair.here) == 1


def test_a_deadline_goes_with_the_call(pair: Neighbours) -> None:
    """An owner that does not answer in time is waited for no longer, by nobody; sent again, it is done once."""
    bank = Bank(pair.here)
    request = transfer(bank.rich, bank.poor, 5)
    there = pair.there.client()
    there.transfers.CreateTransfer(transfer(bank.rich, bank.poor, 1), metadata=there.metadata, timeout=PATIENCE)
    pair.here.engine.holding = True  # And whatever takes its time the first time has taken it.
    asked = time.monotonic()
    late = refused(lambda: there.transfers.CreateTransfer(request, metadata=there.metadata, timeout=3.0))
    assert late.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - asked < PATIENCE / 2
    pair.here.engine.holding = False
    eventually(lambda: _ended_late(pair.here) == 1)
    again = there.transfers.CreateTransfer(request, metadata=there.metadata, timeout=PATIENCE)
    assert again.receipt.replayed


def _ended_late(world: World) -> float:
    """Return how many transfers ended without an answer here: by the deadline, or given up by who asked."""
    found = 0.0
    for code in ("DEADLINE_EXCEEDED", "CANCELLED"):
        labels = {"method": "/esep.v1.TransferService/CreateTransfer", "code": code}
        found += world.registry.get_sample_value("esep_rpc_calls_total", labels) or 0
    return found


def test_the_owner_has_no_more_time_than_the_caller_gave(pair: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends by itself what nobody waits for any more, though it may never hear that the other server is gone."""
    forwarding = pair.there.edge._gate._forwarding
    assert forwarding is not None
    given: list[float] = []
    real = forwarding._peers.to

    class Timed:
        def __init__(self, address: str) -> None:
            self.channel = real(address)

        def unary_unary(self, method: str) -> Any:
            send: Any = self.channel.unary_unary(method)

            def sending(body: bytes, *, timeout: float, metadata: Any) -> Any:
                given.append(timeout)
                return send(body, timeout=timeout, metadata=metadata)

            return sending

    monkeypatch.setattr(forwarding._peers, "to", Timed)
    client = pair.there.client()
    client.accounts.OpenAccount(opening(), metadata=client.metadata, timeout=PATIENCE)
    rounded_up = 0.1  # A deadline goes over the wire in whole milliseconds, or less exactly.
    assert [0 < each < PATIENCE + rounded_up for each in given] == [True]


def test_a_client_library_is_told_when_to_try_again(pair: Neighbours) -> None:
    """The owner's word to those that retry by themselves is passed on with its refusal."""
    pair.here.engine.refusing = Refused(refuse(Reason.UNKNOWN_EVENT))
    told = []
    for world in pair:
        client = world.client()
        with pytest.raises(grpc.RpcError) as refusal:
            client.accounts.OpenAccount(opening(), metadata=client.metadata, timeout=PATIENCE)
        trailers: Any = refusal.value
        told.append(dict(trailers.trailing_metadata())[PUSHBACK_KEY])
    assert told == ["30000", "30000"]


def test_a_database_that_does_not_say_who_owns_it_takes_no_answer_away(
    pair: Neighbours, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that is with its owner is waited for: only another owner ends that."""
    monkeypatch.setattr("ledger.rpc.forwarding.WATCH_SECONDS", 0.02)
    forwarding = pair.there.edge._gate._forwarding
    assert forwarding is not None
    real, looks = forwarding._routes.to, 0

    async def to(partition: int) -> Route | None:
        nonlocal looks
        looks += 1
        if looks > 1:
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE))
        return await real(partition)

    monkeypatch.setattr(forwarding._routes, "to", to)
    client = pair.there.client()
    submit = pair.here.engine.real.submit

    def slowly(ticket: Ticket) -> None:
        threading.Thread(target=lambda: eventually(lambda: looks > 3) and submit(ticket)).start()

    monkeypatch.setattr(pair.here.engine, "submit", slowly)
    answer = client.accounts.OpenAccount(opening(), metadata=client.metadata, timeout=PATIENCE)
    assert answer.receipt.partition == 0
    assert looks > 3


def test_what_was_done_and_not_told_is_done_once(pair: Neighbours) -> None:
    """An owner that is lost after it has decided has decided: the same request is told what."""
    bank = Bank(pair.here)
    request = transfer(bank.rich, bank.poor, 5)
    there = pair.there.client()
    pair.here.engine.losing = True
    lost = refused(lambda: there.transfers.CreateTransfer(request, metadata=there.metadata, timeout=PATIENCE))
    assert (lost.reason, lost.has(RETRY)) == ("LEDGER_UNAVAILABLE", True)
    pair.here.engine.losing = False
    again = there.transfers.CreateTransfer(request, metadata=there.metadata, timeout=PATIENCE)
    assert (again.receipt.replayed, again.transfer.amount_tyiyn) == (True, 5)


def test_nobody_owns_it(lonely: World) -> None:
    """A partition without an owner is waited for: the caller comes again, and is heard when there is one."""
    client = lonely.client()
    request = opening()

    def ask() -> Any:
        return client.accounts.OpenAccount(request, metadata=client.metadata, timeout=PATIENCE)

    nobody = refused(ask)
    assert (nobody.reason, nobody.code, nobody.has(RETRY)) == ("NOT_THE_OWNER", grpc.StatusCode.UNAVAILABLE, True)
    assert not forwarded(lonely)


def test_an_owner_that_cannot_be_reached(
    lonely: World, tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The caller is told that nothing is known, and to come again; when it does, whoever is the owner then answers."""
    monkeypatch.setattr("ledger.rpc.routes.KNOWN_SECONDS", 10 * PATIENCE)  # But for who has turned out to be gone.
    client = lonely.client()
    request = opening()
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # And nobody listens.
        lonely.log.beat(0, "another", f"127.0.0.1:{closed.getsockname()[1]}")

        def ask() -> Any:
            return client.accounts.OpenAccount(request, metadata=client.metadata, timeout=PATIENCE)

        gone = refused(ask)
    assert (gone.reason, gone.code, gone.has(RETRY)) == ("OWNER_UNREACHABLE", grpc.StatusCode.UNAVAILABLE, True)
    assert forwarded(lonely) == {"UNAVAILABLE": 1}
    lonely.log.release(0, "another")
    with World(tmp_path, database_url=sqlite_url, owned=0, partitions=2):
        assert ask().receipt.partition == 0


def test_an_owner_that_is_replaced_is_waited_for_no_longer(lonely: World) -> None:
    """Long before the deadline: a paused server, or one behind a cut cable, says nothing by itself."""
    client = lonely.client()

    def ask() -> Refusal:
        return refused(lambda: client.accounts.OpenAccount(opening(), metadata=client.metadata, timeout=3 * PATIENCE))

    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor(1) as background:
        silent.settimeout(PATIENCE)
        lonely.log.beat(0, "paused", f"127.0.0.1:{silent.getsockname()[1]}")
        call = background.submit(ask)
        connection, _ = silent.accept()
        with connection:
            connection.sendall(SETTINGS + SETTLED)  # Asked, and it never answers.
            with pytest.raises(TimeoutError):
                call.result(3.0)
            lonely.log.beat(0, "successor", "127.0.0.1:1")
            answer = call.result(PATIENCE)
    assert answer.reason == "OWNER_UNREACHABLE"


def test_an_answer_waits_for_no_database(pair: Neighbours, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks meanwhile whether the owner still is the owner hears its answer, also where nobody can say that."""
    bank = Bank(pair.here)
    there = pair.there.client()
    asking = threading.Event()

    async def silent(_routes: Routes, _partition: int) -> None:
        asking.set()
        await asyncio.Event().wait()

    submit = pair.here.engine.submit

    def later(ticket: Ticket) -> None:
        monkeypatch.setattr(Routes, "to", silent)
        threading.Thread(target=lambda: asking.wait(PATIENCE) and submit(ticket)).start()

    monkeypatch.setattr(pair.here.engine, "submit", later)
    request = transfer(bank.rich, bank.poor, 5)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(there.transfers.CreateTransfer, request, metadata=there.metadata, timeout=3 * PATIENCE)
        answer = call.result(PATIENCE)
    assert answer.transfer.amount_tyiyn == 5


def test_a_forwarded_call_is_never_forwarded_again(tmp_path: Path, sqlite_url: str) -> None:
    """A server that is taken for the owner and is not says so, though it might know another one."""
    shared: dict[str, Any] = {"database_url": sqlite_url, "partitions": 3}
    with (
        World(tmp_path, owned=1, **shared) as asked,
        World(tmp_path, owned=2, **shared) as mistaken,
    ):
        client = asked.client()
        asked.log.beat(0, "mistaken", mistaken.address)
        answer = refused(lambda: client.accounts.OpenAccount(opening(), metadata=client.metadata, timeout=PATIENCE))
        assert (answer.reason, answer.has(RETRY)) == ("NOT_THE_OWNER", True)
        assert (taken_in(mistaken), forwarded(mistaken)) == (1, {})
        log = open_log(sqlite_url)
        log.beat(0, "asked", asked.address)
        log.close()
        time.sleep(0.5)  # The first beat counts no more: now it would be itself.
        itself = refused(lambda: client.accounts.OpenAccount(opening(), metadata=client.metadata, timeout=PATIENCE))
        assert itself.reason == "NOT_THE_OWNER"
        assert sum(forwarded(asked).values()) == 1


@pytest.mark.parametrize(
    "settings",
    [{"there": {"max_request_bytes": 2_000}}, {"here": {"max_request_bytes": 2_000}}],
    ids=["asked", "owner"],
)
def test_too_large_for_either_is_too_large(small_pair: Neighbours, settings: dict[str, Any]) -> None:
    """Whichever server is the stricter one, the caller is told its limit."""
    bank = Bank(small_pair.here)
    there = small_pair.there.client()
    batch = transfers.CreateTransfersRequest(transfers=[item(bank.rich, bank.poor, 1) for _ in range(50)])
    assert 2_000 < batch.ByteSize() < 4_000
    large = refused(lambda: there.transfers.CreateTransfers(batch, metadata=there.metadata, timeout=PATIENCE))
    assert (large.reason, large.metadata["max_bytes"]) == ("MESSAGE_TOO_LARGE", "2000")
    assert taken_in(small_pair.here) == ("here" in settings)


def test_a_large_batch_is_forwarded_whole(pair: Neighbours) -> None:
    """The largest that there may be, with a result for each."""
    bank = Bank(pair.here)
    there = pair.there.client()
    items = [item(bank.rich, bank.poor if number % 2 else 9_999_999, 1) for number in range(8_190)]
    batch = transfers.CreateTransfersRequest(transfers=items)
    answer = there.transfers.CreateTransfers(batch, metadata=there.metadata, timeout=3 * PATIENCE)
    assert len(answer.refusals) == 4_095


def test_both_servers_tell_of_a_forwarded_call(pair: Neighbours) -> None:
    """A line of the log at each, with the other's address and the same trace; nothing of the request."""
    client = pair.there.client()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with capture_logs() as lines:
        client.accounts.OpenAccount(opening(), metadata=(*client.metadata, ("traceparent", trace)), timeout=PATIENCE)
        eventually(lambda: len([line for line in lines if line["event"] == "call"]) == 2)
    by, to = ({**line} for line in lines if line["event"] == "call")
    assert (by["forwarded_by"], to["forwarded_to"]) == (pair.there.address, pair.here.address)
    assert {line["trace_id"] for line in (by, to)} == {"0af7651916cd43dd8448eb211c80319c"}
    assert {line["caller"] for line in (by, to)} == {"bank-a"}
