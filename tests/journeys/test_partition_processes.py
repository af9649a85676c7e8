"""Two servers of one ledger, each with partitions of its own: money crosses, and a dead one is replaced."""

from pathlib import Path

import pytest

from domain.ids import account_id
from protos.esep.v1 import account_pb2, transfer_pb2
from protos.esep.v1 import account_service_pb2 as accounts
from scripts.demo_client import connect_plainly, new_id
from tests.journeys.test_partitions import (
    ended,
    eventually_posted,
    funded,
    in_transit,
    opened,
    pay,
    position_of,
    refused,
)
from tests.serving import server_on

pytestmark = pytest.mark.slow


def test_money_crosses_between_two_servers(tmp_path: Path) -> None:
    """Each server decides for its own partitions, refuses the other's, and tells of both; one that died is replaced."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    shared = {"partition_count": "3", "master_keys_file": str(tmp_path / "first" / "master-keys.json")}
    shared["checkpoint_keys_file"] = str(tmp_path / "first" / "checkpoint-keys.json")
    first = server_on(url, tmp_path / "first", partitions="0", **shared)
    second = server_on(url, tmp_path / "second", partitions="1-2", **shared)
    with first, second:
        first.start()
        second.start()
        with connect_plainly(first.address) as here, connect_plainly(second.address) as there:
            payer, payee = funded(here, 0), opened(there, 2)
            elsewhere = accounts.OpenAccountRequest(
                request_id=new_id(), participant_id="bank-a", kind=account_pb2.ACCOUNT_KIND_CUSTOMER, partition=2
            )
            assert refused(here.accounts.OpenAccount, elsewhere) == "NOT_THE_OWNER"
            done = pay(here, payer, payee, 300)
            transfer = ended(there, done.transfer.transfer_id)  # Read from the log, whoever owns it.
            assert transfer.way == transfer_pb2.TRANSFER_WAY_COMPLETED
            assert eventually_posted(here, payee, 300)
            assert in_transit(here, done.transfer.record_time) == 300

            second.kill()
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
