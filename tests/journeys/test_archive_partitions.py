"""``esep archive`` of a ledger with several partitions: each is moved, and read and verified as before."""

from pathlib import Path

from protos.esep.v1 import account_pb2, transfer_pb2
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest
from scripts.demo_client import connect_plainly, new_id
from tests.journeys.test_command_line import REFUSED, USAGE, CommandLine
from tests.journeys.test_partitions import ended, funded, opened, pay
from tests.serving import CALL_SECONDS, server_on


def test_old_events_of_every_partition_are_archived(tmp_path: Path, store_url: str) -> None:
    """Beside the server: the history is verified as before, and so is a repeated request, after a start too."""
    process = server_on(store_url, tmp_path, partition_count="2")
    note = tmp_path / "kept.note"
    with process:
        process.start()
        with connect_plainly(process.address) as ledger:
            payer, payee = funded(ledger, 1), opened(ledger, 0)
            cash = opened(ledger, 1, account_pb2.ACCOUNT_KIND_CASH)
            content = transfer_pb2.NewTransfer(debit_account_id=cash, credit_account_id=payer, amount_tyiyn=9)
            request = CreateTransferRequest(request_id=new_id(), transfer=content)
            first = ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS)
            ended(ledger, pay(ledger, payer, payee, 300).transfer.transfer_id)
        said = CommandLine(process.environment).run("archive", "--older-than", "0", exit_code=REFUSED)
        assert "No checkpoint of esep.kg/ledger/0" in said
        process.stop()  # Which keeps a snapshot.
        process.start()
        esep = CommandLine(process.environment)
        esep.run("audit", "checkpoint", str(note))
        verified = esep.json("audit", "verify", "--against", str(note))["report"]
        assert verified["ok"]
        for wrong in (("--before", "3"), ("--before", "3", "--partition", "2")):
            assert "partition" in esep.run("archive", *wrong, exit_code=USAGE)

        one = esep.json("archive", "--before", "3", "--partition", "1")
        assert (one["partition"], one["archived"]) == (1, 2)
        done = esep.json("archive", "--older-than", "0")["partitions"]
        assert [each["partition"] for each in done] == [0, 1]
        assert [each["bound_by"] for each in done] == ["the last snapshot"] * 2
        assert done[1]["archived"] > first.receipt.position
        assert {segment["file"][:12] for each in done for segment in each["segments"]} == {
            "events-00000",
            "events-00001",
        }
        assert all(each["moved_bytes"] for each in done)
        assert "Partition 1" in esep.run("archive", "--older-than", "0")

        again = esep.json("audit", "verify", "--against", str(note))["report"]
        assert again["ok"]
        for before, after in zip((verified, *verified["partitions"]), (again, *again["partitions"]), strict=True):
            assert after["head"] >= before["head"]
            assert (after["sums"], after["ok"]) == (before["sums"], True)
        esep.run("check")
        process.stop()
        process.start()
        with connect_plainly(process.address) as ledger:
            repeated = ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS)
            assert repeated.receipt.replayed
            assert (repeated.receipt.position, repeated.transfer) == (first.receipt.position, first.transfer)
        process.stop()
