"""A ledger of three partitions behind one server: accounts live in each, and money crosses between them."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from typer.testing import CliRunner

from domain.ids import account_id, account_partition
from ledger.cli.app import app
from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, common_pb2, transfer_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import transfer_service_pb2 as transfers
from scripts.demo_client import answer_of, connect_plainly, new_id
from scripts.demo_server import ServerError, ServerProcess
from tests.serving import CALL_SECONDS, server_on

PARTITIONS = 3
PATIENCE = 60.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Give a server of a ledger with three partitions."""
    directory = tmp_path_factory.mktemp("server")
    with server_on(f"sqlite:///{directory / 'log.db'}", directory, partition_count=str(PARTITIONS)) as process:
        process.start()
        yield process
        process.stop()


@pytest.fixture(scope="module")
def ledger(server: ServerProcess) -> Iterator[Ledger]:
    with connect_plainly(server.address) as connection:
        yield connection


def opened(ledger: Ledger, partition: int, kind: Any = account_pb2.ACCOUNT_KIND_CUSTOMER, **fields: Any) -> int:
    request = accounts.OpenAccountRequest(
        request_id=new_id(), participant_id="bank-a", kind=kind, partition=partition, **fields
    )
    return ledger.accounts.OpenAccount(request, timeout=CALL_SECONDS).account.account_id


def funded(ledger: Ledger, partition: int, amount: int = 1_000) -> int:
    """Open a customer's account in a partition, with money on it."""
    cash, customer = opened(ledger, partition, account_pb2.ACCOUNT_KIND_CASH), opened(ledger, partition)
    pay(ledger, cash, customer, amount)
    return customer


def pay(ledger: Ledger, debit: int, credit: int, amount: int, **fields: Any) -> transfers.CreateTransferResponse:
    """Move money, asking again while a clearing account is being opened."""
    request = transfers.CreateTransferRequest(
        request_id=new_id(),
        transfer=transfer_pb2.NewTransfer(
            debit_account_id=debit, credit_account_id=credit, amount_tyiyn=amount, **fields
        ),
    )
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            if answer_of(error).reason != "CLEARING_NOT_OPEN" or time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def ended(ledger: Ledger, transfer_id: str) -> transfer_pb2.Transfer:
    """Return a transfer once it is in transit no more."""
    deadline = time.monotonic() + PATIENCE
    while True:
        request = transfers.GetTransferRequest(transfer_id=transfer_id)
        transfer = ledger.transfers.GetTransfer(request, timeout=CALL_SECONDS).transfer
        if transfer.way != transfer_pb2.TRANSFER_WAY_IN_TRANSIT or time.monotonic() > deadline:
            return transfer
        time.sleep(0.02)


def posted(ledger: Ledger, account: int, since: common_pb2.LogPosition | None = None) -> int:
    request = statements.GetBalanceRequest(account_id=account, min_position=since)
    return ledger.statements.GetBalance(request, timeout=PATIENCE).balance.posted_tyiyn


def eventually_posted(ledger: Ledger, account: int, amount: int) -> bool:
    """Tell whether an account comes to have so much; whoever asks may not have heard of the account yet."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if posted(ledger, account) == amount:
                return True
        except grpc.RpcError as error:
            if answer_of(error).reason != "ACCOUNT_NOT_FOUND":
                raise
        time.sleep(0.02)
    return False


def in_transit(ledger: Ledger, at: Timestamp | None = None) -> int:
    """Return what all clearing accounts held together when a time was recorded, or hold now."""
    as_of = None if at is None else common_pb2.AsOf(record_time=at)
    answer = ledger.statements.GetTrialBalance(statements.GetTrialBalanceRequest(as_of=as_of), timeout=CALL_SECONDS)
    assert sum(line.posted_tyiyn for line in answer.lines) == 0
    return sum(line.posted_tyiyn for line in answer.lines if line.kind == account_pb2.ACCOUNT_KIND_CLEARING)


def refused(call: Any, request: Any) -> str:
    with pytest.raises(grpc.RpcError) as caught:
        call(request, timeout=CALL_SECONDS)
    return answer_of(caught.value).reason


def test_an_account_lives_where_it_was_opened(ledger: Ledger) -> None:
    """Its id holds its partition, receipts name it, and it is read and frozen there."""
    for partition in range(PARTITIONS):
        account = opened(ledger, partition)
        assert account_partition(account) == partition
        frozen = ledger.accounts.FreezeAccount(
            accounts.FreezeAccountRequest(request_id=new_id(), account_id=account, debits=True), timeout=CALL_SECONDS
        )
        assert frozen.receipt.partition == partition
        read = accounts.GetAccountRequest(account_id=account, min_position=position_of(frozen.receipt))
        assert ledger.accounts.GetAccount(read, timeout=CALL_SECONDS).account.debits_frozen


def test_an_id_that_somebody_else_takes_again_leads_to_who_took_it_first(ledger: Ledger) -> None:
    """Partitions know nothing of each other's requests, but nobody hides a transfer by paying under its id."""
    there, here, merchant = funded(ledger, 1), funded(ledger, 0), opened(ledger, 0)
    first = pay(ledger, there, merchant, 5).transfer.transfer_id
    ended(ledger, first)

    def asked_by(caller: str) -> int:
        asked = transfers.GetTransferRequest(transfer_id=first)
        metadata = (("esep-caller", caller),)
        return ledger.transfers.GetTransfer(asked, timeout=CALL_SECONDS, metadata=metadata).transfer.amount_tyiyn

    again = transfers.CreateTransferRequest(
        request_id=first,
        transfer=transfer_pb2.NewTransfer(debit_account_id=here, credit_account_id=merchant, amount_tyiyn=7),
    )
    ledger.transfers.CreateTransfer(again, timeout=CALL_SECONDS, metadata=(("esep-caller", "another"),))
    assert [asked_by(caller) for caller in ("another", "a-third")] == [7, 5]


def position_of(receipt: common_pb2.Receipt) -> common_pb2.LogPosition:
    return common_pb2.LogPosition(partition=receipt.partition, position=receipt.position)


def test_there_is_no_account_in_a_partition_that_does_not_exist(ledger: Ledger) -> None:
    """Neither is one opened there, nor found, and a number is claimed in partition 0 alone."""
    new = {"participant_id": "bank-a", "kind": account_pb2.ACCOUNT_KIND_CUSTOMER}
    for fields in ({"partition": PARTITIONS}, {"partition": -1}, {"partition": 1, "account_number": "7"}):
        request = accounts.OpenAccountRequest(request_id=new_id(), **new, **fields)  # type: ignore[arg-type]
        assert refused(ledger.accounts.OpenAccount, request) == "INVALID_ARGUMENT"
    nowhere = accounts.GetAccountRequest(account_id=account_id(PARTITIONS, 1))
    assert refused(ledger.accounts.GetAccount, nowhere) == "ACCOUNT_NOT_FOUND"


def test_money_stays_within_a_partition_at_once(ledger: Ledger) -> None:
    """Two accounts of one partition other than 0 pay each other as ever."""
    payer, payee = funded(ledger, 2), opened(ledger, 2)
    done = pay(ledger, payer, payee, 300)
    assert done.receipt.partition == 2
    assert done.transfer.way == transfer_pb2.TRANSFER_WAY_UNSPECIFIED
    assert posted(ledger, payee, position_of(done.receipt)) == 300


def test_money_crosses_to_another_partition(ledger: Ledger) -> None:
    """The payer has paid at once, the payee is paid soon, and the transfer says how far it is."""
    payer, payee = funded(ledger, 1), opened(ledger, 2)
    done = pay(ledger, payer, payee, 300, reference="over the river")
    assert done.transfer.way == transfer_pb2.TRANSFER_WAY_IN_TRANSIT
    assert posted(ledger, payer, position_of(done.receipt)) == 700
    transfer = ended(ledger, done.transfer.transfer_id)
    assert transfer.way == transfer_pb2.TRANSFER_WAY_COMPLETED
    assert (transfer.debit_account_id, transfer.credit_account_id, list(transfer.legs)) == (payer, payee, [])
    assert in_transit(ledger, transfer.record_time) == 300
    assert in_transit(ledger) == 0
    assert eventually_posted(ledger, payee, 300)
    outcome = ledger.transfers.GetOutcome(
        transfers.GetOutcomeRequest(request_id=transfer.transfer_id), timeout=CALL_SECONDS
    )
    assert (outcome.position.partition, outcome.transfer.way) == (
        1,
        transfer_pb2.TRANSFER_WAY_IN_TRANSIT,
    )  # As at first
    listed = ledger.transfers.ListTransfers(
        transfers.ListTransfersRequest(reference="over the river"), timeout=CALL_SECONDS
    )
    assert [each.transfer_id for each in listed.transfers] == [transfer.transfer_id]
    reverse = transfers.ReverseTransferRequest(request_id=new_id(), transfer_id=transfer.transfer_id)
    assert refused(ledger.transfers.ReverseTransfer, reverse) == "TRANSFER_CROSSED"


def test_money_for_an_account_that_cannot_be_paid_comes_back(ledger: Ledger) -> None:
    """The transfer says why, and the payer has its money again."""
    payer = funded(ledger, 0)
    done = pay(ledger, payer, account_id(2, 9_999), 300)
    transfer = ended(ledger, done.transfer.transfer_id)
    assert (transfer.way, transfer.return_reason) == (transfer_pb2.TRANSFER_WAY_RETURNED, "ACCOUNT_NOT_FOUND")
    assert transfer.reversed_tyiyn == 300
    assert eventually_posted(ledger, payer, 1_000)


def test_a_batch_is_of_the_payers_of_one_partition(ledger: Ledger) -> None:
    """Its transfers may cross, all together or each by itself; payers of two partitions need two batches."""
    payer, other, payee = funded(ledger, 1), funded(ledger, 2), opened(ledger, 2)

    def batch(*debits: int, **fields: Any) -> transfers.CreateTransfersRequest:
        items = [
            transfer_pb2.NewTransfer(
                request_id=new_id(), debit_account_id=debit, credit_account_id=payee, amount_tyiyn=10
            )
            for debit in debits
        ]
        return transfers.CreateTransfersRequest(transfers=items, **fields)

    each = ledger.transfers.CreateTransfers(batch(payer, payer), timeout=CALL_SECONDS)
    together = ledger.transfers.CreateTransfers(
        batch(payer, payer, request_id=new_id(), atomic=True), timeout=CALL_SECONDS
    )
    assert (each.partition, together.partition, len(each.refusals)) == (1, 1, 0)
    assert eventually_posted(ledger, payee, 40)
    assert refused(ledger.transfers.CreateTransfers, batch(payer, other)) == "INVALID_ARGUMENT"


def test_nobody_hides_a_transfer_behind_one_of_theirs(ledger: Ledger) -> None:
    """An id is one partition's; where callers have used it in two, each is told of their own."""
    request_id, told = new_id(), {}
    callers = {"first": (1, 70), "second": (0, 80), "third": (2, 90)}
    for caller, (partition, amount) in callers.items():
        payer, payee = funded(ledger, partition), opened(ledger, partition)
        request = transfers.CreateTransferRequest(
            request_id=request_id,
            transfer=transfer_pb2.NewTransfer(debit_account_id=payer, credit_account_id=payee, amount_tyiyn=amount),
        )
        ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS, metadata=(("esep-caller", caller),))
    for caller in callers:
        shown = (("esep-caller", caller),)
        found = transfers.GetTransferRequest(transfer_id=request_id)
        outcome = transfers.GetOutcomeRequest(request_id=request_id)
        told[caller] = (
            ledger.transfers.GetTransfer(found, timeout=CALL_SECONDS, metadata=shown).transfer.amount_tyiyn,
            ledger.transfers.GetOutcome(outcome, timeout=CALL_SECONDS, metadata=shown).transfer.amount_tyiyn,
        )
    assert told == {caller: (amount, amount) for caller, (_, amount) in callers.items()}


def test_accounts_of_one_partition_are_watched_together(ledger: Ledger) -> None:
    """Their balances are of one position; those of two partitions are of no common one."""
    watched = [funded(ledger, 1), opened(ledger, 1)]
    assert eventually_posted(ledger, watched[1], 0)
    stream = ledger.statements.WatchBalances(statements.WatchBalancesRequest(account_ids=watched), timeout=PATIENCE)
    assert next(iter(stream)).balances.position.partition == 1
    stream.cancel()
    several = statements.WatchBalancesRequest(account_ids=[*watched, opened(ledger, 2)])
    with pytest.raises(grpc.RpcError) as caught:
        next(iter(ledger.statements.WatchBalances(several, timeout=CALL_SECONDS)))
    assert answer_of(caught.value).reason == "INVALID_ARGUMENT"


def test_all_partitions_sum_to_zero(ledger: Ledger) -> None:
    """The trial balance holds the accounts of every partition."""
    answer = ledger.statements.GetTrialBalance(statements.GetTrialBalanceRequest(), timeout=CALL_SECONDS)
    assert [each.partition for each in answer.positions] == list(range(PARTITIONS))
    assert sum(line.posted_tyiyn for line in answer.lines) == 0


def test_the_number_of_partitions_is_for_good(server: ServerProcess, tmp_path: Path) -> None:
    """A server that wants another number than the ledger was made with does not start."""
    other = server_on(f"sqlite:///{server.directory / 'log.db'}", tmp_path / "other", partition_count="2")
    with other, pytest.raises(ServerError, match="made with 3 partitions"):
        other.start()


def test_the_tables_of_every_partition_can_be_made_again(server: ServerProcess) -> None:
    """``esep rebuild`` reads the logs of all partitions."""
    url = f"sqlite:///{server.directory / 'log.db'}"
    done = CliRunner().invoke(app, ["rebuild", "--json"], env={"ESEP_DATABASE_URL": url})
    assert done.exit_code == 0, done.output
    assert [each["partition"] for each in json.loads(done.stdout)["positions"]] == list(range(PARTITIONS))
