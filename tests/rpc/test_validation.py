"""Malformed requests: every field at fault is named by its path, and nothing is recorded."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from protos.esep.v1 import (
    account_service_pb2,
    authorization_service_pb2,
    common_pb2,
    payment_service_pb2,
    statement_service_pb2,
)
from protos.esep.v1 import transfer_service_pb2 as transfers
from tests.rpc.world import Refusal, World, item, new_id, refused, transfer

# The stubs know neither open enums nor messages given as dicts, and the cases are full of both.
accounts: Any = account_service_pb2
authorizations: Any = authorization_service_pb2
statements: Any = statement_service_pb2
payments: Any = payment_service_pb2

OPEN, FREEZE = "AccountService/OpenAccount", "AccountService/FreezeAccount"
MOVE, MANY, BACK = (
    "TransferService/CreateTransfer",
    "TransferService/CreateTransfers",
    "TransferService/ReverseTransfer",
)
HOLD, ADVISE = "AuthorizationService/CreateAuthorization", "AuthorizationService/AdviseAuthorization"
UNDO, REFUND = "AuthorizationService/ReverseAuthorization", "AuthorizationService/PostRefund"
GET, BALANCES = "AccountService/GetAccount", "StatementService/BatchGetBalances"
WATCH = "StatementService/WatchBalances"
STATEMENT, LIST = "StatementService/GetStatement", "StatementService/ListAuthorizations"
PAYMENTS = "PaymentService/ListPayments"
MINI, BALANCE = "StatementService/GetMiniStatement", "StatementService/GetBalance"

ID = "018f0000-0000-7000-8000-000000000001"
TOO_LATE = Timestamp(seconds=253_402_300_800)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give a ledger that all cases share, because none of them may leave a trace."""
    directory: Path = tmp_path_factory.mktemp("ledger")
    with World(directory) as world:
        yield world


def send(world: World, method: str, data: bytes) -> Refusal:
    """Send raw bytes to a method that refuses them."""
    client = world.client()
    call: Any = client.channel.unary_unary(f"/esep.v1.{method}")
    return refused(lambda: call(data, metadata=client.metadata, timeout=10))


CASES: list[tuple[str, Any, dict[str, str]]] = [
    (MOVE, transfer(1, 2, 3, request_id="no uuid"), {"request_id": "UUID"}),
    (
        MOVE,
        transfers.CreateTransferRequest(transfer=item(1, 2, 3)),
        {"request_id": "MISSING", "transfer.request_id": "MISMATCH"},
    ),
    (MOVE, transfers.CreateTransferRequest(request_id=ID), {"transfer": "MISSING"}),
    (MOVE, transfers.CreateTransferRequest(request_id=ID, transfer=item(1, 2, 3)), {"transfer.request_id": "MISMATCH"}),
    (MOVE, transfer(1, 2, 0), {"transfer.amount_tyiyn": "GREATER_THAN"}),
    (MOVE, transfer(1, 2, 10**15 + 1), {"transfer.amount_tyiyn": "LESS_THAN_EQUAL"}),
    (
        MOVE,
        transfer(-1, 2**53, 1),
        {"transfer.debit_account_id": "GREATER_THAN", "transfer.credit_account_id": "LESS_THAN"},
    ),
    (MOVE, transfer(1, 1, 1), {"transfer": "VALUE_ERROR"}),
    (MOVE, transfer(1, 2, 3, reference="x" * 65), {"transfer.reference": "STRING_TOO_LONG"}),
    (MOVE, transfer(1, 2, 3, reference="a\nb"), {"transfer.reference": "VALUE_ERROR"}),
    (MOVE, transfer(1, 2, 3, kind="Fee"), {"transfer.kind": "STRING_PATTERN_MISMATCH"}),
    (MOVE, transfer(1, 2, 3, kind="fee\n"), {"transfer.kind": "STRING_PATTERN_MISMATCH"}),
    (MOVE, transfer(1, 2, 3, kind="adjustment"), {"transfer.kind": "RESERVED"}),
    (MOVE, transfer(1, 2, 3, currency_code="kgs"), {"transfer.currency_code": "STRING_PATTERN_MISMATCH"}),
    (MOVE, transfer(1, 2, 3, tags={"k": "x" * 65}), {"transfer.tags.k": "STRING_TOO_LONG"}),
    (MOVE, transfer(1, 2, 3, tags={str(n): "" for n in range(9)}), {"transfer.tags": "TOO_LONG"}),
    (
        MOVE,
        transfer(1, 2, 3, legs=[{"debit_account_id": 1, "credit_account_id": 2}]),
        {"transfer.legs[0].amount_tyiyn": "GREATER_THAN"},
    ),
    (MOVE, transfer(1, 2, 3, effective_time=TOO_LATE), {"transfer.effective_time": "TIMESTAMP"}),
    (MOVE, transfer(1, 2, 3, effective_time=Timestamp(nanos=-1)), {"transfer.effective_time": "TIMESTAMP"}),
    (MANY, transfers.CreateTransfersRequest(), {"transfers": "LENGTH"}),
    (MANY, transfers.CreateTransfersRequest(transfers=[item(1, 2, 3)], atomic=True), {"request_id": "MISSING"}),
    (MANY, transfers.CreateTransfersRequest(transfers=[item(1, 2, 3)], request_id=ID), {"request_id": "UNEXPECTED"}),
    (
        MANY,
        transfers.CreateTransfersRequest(
            transfers=[item(1, 2, 3)] * 17 + [item(1, 2, 0)] + [item(1, 2, 3, request_id="?")]
        ),
        {"transfers[17].amount_tyiyn": "GREATER_THAN", "transfers[18].request_id": "UUID"},
    ),
    (
        MANY,
        transfers.CreateTransfersRequest(atomic=True, request_id=ID, transfers=[item(1, 2, 3, request_id=ID)] * 2),
        {"transfers[1].request_id": "DUPLICATE"},
    ),
    (
        BACK,
        transfers.ReverseTransferRequest(request_id=ID, amount_tyiyn=0),
        {"transfer_id": "MISSING", "amount_tyiyn": "GREATER_THAN"},
    ),
    (
        OPEN,
        accounts.OpenAccountRequest(request_id=ID, participant_id="A"),
        {"participant_id": "STRING_PATTERN_MISMATCH", "kind": "MISSING"},
    ),
    (OPEN, accounts.OpenAccountRequest(request_id=ID, participant_id="a", kind=99), {"kind": "UNKNOWN_VALUE"}),
    (FREEZE, accounts.FreezeAccountRequest(request_id=ID, account_id=1), {"debits": "MISSING"}),
    (
        FREEZE,
        accounts.FreezeAccountRequest(request_id=ID, account_id=1, debits=True, expected_version=0),
        {"expected_version": "GREATER_THAN_EQUAL"},
    ),
    (
        HOLD,
        authorizations.CreateAuthorizationRequest(
            request_id=ID, account_id=1, credit_account_id=2, amount_tyiyn=3, entry_mode=99, acquirer_reference="r"
        ),
        {"kind": "MISSING", "entry_mode": "UNKNOWN_VALUE", "acquirer_id": "MISSING"},
    ),
    (
        ADVISE,
        authorizations.AdviseAuthorizationRequest(
            request_id=ID,
            account_id=1,
            credit_account_id=2,
            amount_tyiyn=3,
            kind=1,
            parts=[{"kind": "withdrawal", "amount_tyiyn": 1}, {"kind": "acquirer_fee", "amount_tyiyn": 1}],
        ),
        {"parts": "SUM"},
    ),
    (
        HOLD,
        authorizations.CreateAuthorizationRequest(
            request_id=ID, credit_account_id=2, amount_tyiyn=1, kind=1, card_id="?", fiscal_receipt={"till_id": "a b"}
        ),
        {"card_id": "UUID", "fiscal_receipt.till_id": "STRING_PATTERN_MISMATCH"},
    ),
    (
        ADVISE,
        authorizations.AdviseAuthorizationRequest(
            request_id=ID, credit_account_id=2, amount_tyiyn=1, kind=1, card_id="", fiscal_receipt={"till_id": "a"}
        ),
        {"card_id": "MISSING"},
    ),
    (
        UNDO,
        authorizations.ReverseAuthorizationRequest(request_id=ID),
        {"reversed_by": "MISSING", "original": "MISSING"},
    ),
    (
        UNDO,
        authorizations.ReverseAuthorizationRequest(
            request_id=ID, reversed_by=1, acquirer_reference={"acquirer_id": "a"}
        ),
        {"acquirer_reference.acquirer_reference": "MISSING"},
    ),
    (
        REFUND,
        authorizations.PostRefundRequest(
            request_id=ID, amount_tyiyn=1, clearing_reference="c", merchant_credit={"account_id": 1}
        ),
        {"merchant_credit.merchant_account_id": "GREATER_THAN"},
    ),
    (
        REFUND,
        authorizations.PostRefundRequest(request_id=ID, amount_tyiyn=1),
        {"origin": "MISSING", "clearing_reference": "TOO_SHORT"},
    ),
    (GET, accounts.GetAccountRequest(), {"account": "MISSING"}),
    (GET, accounts.GetAccountRequest(account_id=2**53), {"account_id": "RANGE"}),
    (
        GET,
        accounts.GetAccountRequest(account_id=1, min_position={"partition": 9}),
        {"min_position.partition": "UNKNOWN"},
    ),
    (
        GET,
        accounts.GetAccountRequest(account_id=1, min_position={"position": -1}),
        {"min_position.position": "NEGATIVE"},
    ),
    (BALANCES, statements.BatchGetBalancesRequest(), {"account_ids": "LENGTH"}),
    (BALANCES, statements.BatchGetBalancesRequest(account_ids=[1, 1]), {"account_ids": "DUPLICATE"}),
    (BALANCES, statements.BatchGetBalancesRequest(account_ids=[1, -1]), {"account_ids[1]": "RANGE"}),
    (WATCH, statements.WatchBalancesRequest(), {"account_ids": "LENGTH"}),
    (WATCH, statements.WatchBalancesRequest(account_ids=range(1, 102)), {"account_ids": "LENGTH"}),
    (WATCH, statements.WatchBalancesRequest(account_ids=[1, 1]), {"account_ids": "DUPLICATE"}),
    (WATCH, statements.WatchBalancesRequest(account_ids=[0]), {"account_ids[0]": "RANGE"}),
    (
        WATCH,
        statements.WatchBalancesRequest(account_ids=[1], after=common_pb2.LogPosition(partition=1)),
        {"after.partition": "UNKNOWN"},
    ),
    (
        WATCH,
        statements.WatchBalancesRequest(account_ids=[1], after=common_pb2.LogPosition(position=-1)),
        {"after.position": "NEGATIVE"},
    ),
    (
        WATCH,
        statements.WatchBalancesRequest(account_ids=[1], after=common_pb2.LogPosition(position=10**6)),
        {"after.position": "POSITION_IN_FUTURE"},
    ),
    (
        BALANCE,
        statements.GetBalanceRequest(account_id=1, as_of={"position": {"partition": 5, "position": 1}}),
        {"as_of.position.partition": "MISMATCH"},
    ),
    (
        BALANCE,
        statements.GetBalanceRequest(account_id=1, as_of={"record_time": TOO_LATE}),
        {"as_of.record_time": "TIMESTAMP"},
    ),
    (MINI, statements.GetMiniStatementRequest(account_id=1, limit=101), {"limit": "RANGE"}),
    (STATEMENT, statements.GetStatementRequest(account_id=1), {"period_start": "MISSING", "period_end": "MISSING"}),
    (
        STATEMENT,
        statements.GetStatementRequest(
            account_id=1, period_start=Timestamp(seconds=2), period_end=Timestamp(seconds=2), axis=9
        ),
        {"period_end": "ORDER", "axis": "UNKNOWN_VALUE"},
    ),
    (LIST, statements.ListAuthorizationsRequest(states=[0]), {"owner": "MISSING", "states[0]": "MISSING"}),
    (LIST, statements.ListAuthorizationsRequest(account_id=1, page_size=-1), {"page_size": "NEGATIVE"}),
    (LIST, statements.ListAuthorizationsRequest(participant_id="Bank A"), {"participant_id": "PATTERN"}),
    (PAYMENTS, payments.ListPaymentsRequest(states=[99]), {"owner": "MISSING", "states[0]": "UNKNOWN_VALUE"}),
    (PAYMENTS, payments.ListPaymentsRequest(participant_id="Bank A"), {"participant_id": "PATTERN"}),
]


@pytest.mark.parametrize(
    ("method", "request_", "fields"), CASES, ids=[f"{n}-{case[0]}" for n, case in enumerate(CASES)]
)
def test_every_field_at_fault_is_named(running: World, method: str, request_: Any, fields: dict[str, str]) -> None:
    """A malformed request is INVALID_ARGUMENT, with each field's path and the rule that it breaks."""
    before = running.log.head(0)
    refusal = send(running, method, request_.SerializeToString())
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert refusal.reason == "INVALID_ARGUMENT"
    assert refusal.fields == fields
    assert running.log.head(0) == before


@pytest.mark.parametrize("count", [8_191, 20_000])
def test_a_batch_above_the_limit_is_refused(running: World, count: int) -> None:
    """8,190 transfers are the most that one call takes."""
    request = transfers.CreateTransfersRequest(transfers=[item(1, 2, 3, request_id=ID)] * count)
    assert send(running, MANY, request.SerializeToString()).fields == {"transfers": "LENGTH"}


def test_invalid_utf8_is_the_callers_fault(running: World) -> None:
    """A string that is not UTF-8 is INVALID_ARGUMENT, and nothing of the parser's text leaves."""
    broken = transfer(1, 2, 3, reference="@@@@").SerializeToString().replace(b"@@@@", b"\xff\xfe\xff\xfe")
    refusal = send(running, MOVE, broken)
    assert (refusal.code, refusal.fields) == (grpc.StatusCode.INVALID_ARGUMENT, {"request": "UNDECODABLE"})


def test_bytes_that_are_no_message_are_the_callers_fault(running: World) -> None:
    """Garbage is INVALID_ARGUMENT, not a failure of the server."""
    assert send(running, MANY, b"\x0a\xff\xff").fields == {"request": "UNDECODABLE"}


def test_a_moment_later_than_the_newest_is_refused(running: World) -> None:
    """Nobody can be told the books of tomorrow."""
    client = running.client()
    opened = client.accounts.OpenAccount(
        accounts.OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=1),
        metadata=client.metadata,
    )
    request = statements.GetBalanceRequest(
        account_id=opened.account.account_id,
        as_of=common_pb2.AsOf(position=common_pb2.LogPosition(position=10**9)),
        min_position=common_pb2.LogPosition(position=opened.receipt.position),
    )
    assert send(running, BALANCE, request.SerializeToString()).fields == {"as_of": "POSITION_IN_FUTURE"}
