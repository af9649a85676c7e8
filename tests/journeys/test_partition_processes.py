"""Two servers of one ledger, each with partitions of its own: money crosses, and a dead one is replaced."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from domain.ids import account_id
from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, common_pb2, transfer_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from protos.esep.v1 import transfer_service_pb2 as transfers
from scripts.demo_client import answer_of, connect_plainly, new_id
from tests.journeys.test_partitions import (
    PATIENCE,
    ended,
    eventually_posted,
    funded,
    in_transit,
    opened,
    pay,
    position_of,
    posted,
    refused,
)
from tests.rpc.customer_cases import registration
from tests.serving import CALL_SECONDS, server_on

pytestmark = pytest.mark.slow

AGAIN = {"NOT_THE_OWNER", "OWNER_UNREACHABLE", "CLEARING_NOT_OPEN", "LEDGER_UNAVAILABLE"}
"""Why a request may have to be sent again while the owner of a partition is gone, or has just come."""
PAYMENTS, KILLED_AFTER, PAYERS = 120, 30, 4


def shared_by_all(directory: Path, partitions: int) -> dict[str, str]:
    """Return the settings that are the same for every server of a ledger."""
    return {
        "partition_count": str(partitions),
        "master_keys_file": str(directory / "first" / "master-keys.json"),
        "checkpoint_keys_file": str(directory / "first" / "checkpoint-keys.json"),
    }


def test_money_crosses_between_two_servers(tmp_path: Path) -> None:
    """Each server decides for its own partitions and tells of both; one that died is replaced."""
    url, shared = f"sqlite:///{tmp_path / 'log.db'}", shared_by_all(tmp_path, 3)
    first = server_on(url, tmp_path / "first", partitions="0", **shared)
    second = server_on(url, tmp_path / "second", partitions="1-2", **shared)
    with first, second:
        first.start()
        second.start()
        with connect_plainly(first.address) as here, connect_plainly(second.address) as there:
            payer, payee = funded(here, 0), opened(there, 2)
            done = pay(here, payer, payee, 300)
            transfer = ended(there, done.transfer.transfer_id)  # Read from the log, whoever owns it.
            assert transfer.way == transfer_pb2.TRANSFER_WAY_COMPLETED
            assert eventually_posted(here, payee, 300)
            assert in_transit(here, done.transfer.record_time) == 300

            second.kill()
            elsewhere = accounts.OpenAccountRequest(
                request_id=new_id(), participant_id="bank-a", kind=account_pb2.ACCOUNT_KIND_CUSTOMER, partition=2
            )
            assert refused(here.accounts.OpenAccount, elsewhere) in AGAIN
            back = pay(here, payer, account_id(2, 9_999), 200)
            kept = pay(here, payer, payee, 100)
            assert in_transit(here, kept.transfer.record_time) == 300
            successor = server_on(url, tmp_path / "third", partitions="1-2", **shared)
            with successor:
                successor.start()
                assert ended(here, back.transfer.transfer_id).way == transfer_pb2.TRANSFER_WAY_RETURNED
                assert ended(here, kept.transfer.transfer_id).way == transfer_pb2.TRANSFER_WAY_COMPLETED
                with connect_plainly(successor.address) as anew:
                    assert eventually_posted(anew, payee, 400)
                    spent = pay(anew, payee, payer, 400)
                    assert position_of(spent.receipt).partition == 2
                    assert eventually_posted(here, payer, 1_000)
                successor.stop()
        first.stop()


def test_a_client_knows_one_server(store_url: str, tmp_path: Path) -> None:
    """It opens, pays and reads in every partition, while the owner of one is killed and another takes over.

    Whatever had no answer is sent again under its id, and is done once.
    """
    shared = shared_by_all(tmp_path, 2)
    first = server_on(store_url, tmp_path / "first", partitions="0", **shared)
    second = server_on(store_url, tmp_path / "second", partitions="1", **shared)
    standby = server_on(store_url, tmp_path / "third", partitions="1", **shared)
    with first, second, standby:
        first.start()
        second.start()
        standby.start(serving=False)
        channel = grpc.insecure_channel(first.address, [("grpc.enable_retries", 0)])
        ledger = Ledger(channel, "bank-a")
        payer, payee = funded(ledger, 1), opened(ledger, 1)
        retried: Counter[str] = Counter()
        answered, killed = threading.Semaphore(0), threading.Event()

        def pay_once(number: int) -> common_pb2.Receipt:
            request = transfers.CreateTransferRequest(
                request_id=new_id(),
                transfer=transfer_pb2.NewTransfer(debit_account_id=payer, credit_account_id=payee, amount_tyiyn=1),
            )
            if number >= PAYMENTS - PAYERS:  # However quick the others were, these find the owner gone.
                assert killed.wait(PATIENCE)
            deadline = time.monotonic() + PATIENCE
            while True:
                try:
                    receipt = ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS).receipt
                except grpc.RpcError as error:
                    reason = answer_of(error).reason
                    if reason not in AGAIN or time.monotonic() > deadline:
                        raise
                    retried[reason] += 1
                    time.sleep(0.05)
                else:
                    answered.release()
                    return receipt

        with ThreadPoolExecutor(PAYERS) as payers:
            paying = [payers.submit(pay_once, number) for number in range(PAYMENTS)]
            for _ in range(KILLED_AFTER):
                assert answered.acquire(timeout=PATIENCE)
            second.kill()
            killed.set()
            receipts = [each.result() for each in paying]
        assert retried
        assert {receipt.partition for receipt in receipts} == {1}
        last = max(receipts, key=lambda receipt: receipt.position)
        assert posted(ledger, payee, position_of(last)) == PAYMENTS
        assert posted(ledger, payer, position_of(last)) == 1_000 - PAYMENTS
        with connect_plainly(standby.address) as other:  # What lives in partition 0 alone is asked of the other one.
            registering = registration()
            made = other.customers.RegisterCustomer(registering, timeout=CALL_SECONDS)
            again = ledger.customers.RegisterCustomer(registering, timeout=CALL_SECONDS)
            assert (made.receipt.partition, again.receipt.replayed) == (0, True)
            assert made.customer == again.customer
        channel.close()
        standby.stop()
        first.stop()
