"""Real servers for tests: started as processes, asked over gRPC, ended however a test wants.

Import the fixtures where they are used: ``from tests.serving import ledger, server``.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ServerProcess

CALL_SECONDS = 30.0


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Give a server that serves from fresh SQLite files, one for the tests of a module."""
    with ServerProcess(tmp_path_factory.mktemp("server")) as process:
        process.start()
        yield process
        process.stop()


@pytest.fixture(scope="module")
def ledger(server: ServerProcess) -> Iterator[Ledger]:
    """Give a connection to the module's server."""
    with connect_plainly(server.address) as connection:
        yield connection


def server_on(database_url: str, directory: Path, **settings: str) -> ServerProcess:
    """Return a server over a database, not started; settings are named as the variables are, without ESEP_."""
    directory.mkdir(parents=True, exist_ok=True)
    variables = {f"ESEP_{name.upper()}": value for name, value in settings.items()}
    return ServerProcess(directory, {"ESEP_DATABASE_URL": database_url, **variables})


def open_account(
    ledger: Ledger, kind: account_pb2.AccountKind.ValueType, participant_id: str = "bank-a", partition: int = 0
) -> int:
    """Open an account and return its id."""
    request = OpenAccountRequest(request_id=new_id(), participant_id=participant_id, kind=kind, partition=partition)
    return ledger.accounts.OpenAccount(request, timeout=CALL_SECONDS).account.account_id


def transfer(ledger: Ledger, debit: int, credit: int, amount: int, kind: str = "") -> int:
    """Move money and return the position of the movement."""
    request = CreateTransferRequest(
        request_id=new_id(),
        transfer=NewTransfer(debit_account_id=debit, credit_account_id=credit, amount_tyiyn=amount, kind=kind),
    )
    return ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS).receipt.position


def funded_accounts(ledger: Ledger, count: int, posted: int) -> dict[int, int]:
    """Open customers' accounts with money in them; return what each has, its source included."""
    source = open_account(ledger, account_pb2.ACCOUNT_KIND_SETTLEMENT)
    customers = [open_account(ledger, account_pb2.ACCOUNT_KIND_CUSTOMER) for _ in range(count)]
    for customer in customers:
        transfer(ledger, source, customer, posted, kind="opening")
    return {source: -posted * count, **dict.fromkeys(customers, posted)}
