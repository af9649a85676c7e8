"""The way from a command to a server."""

from typing import Final, Self

from ledger.cli.options import settings
from ledger.cli.problems import USAGE, Problem, ProblemError
from ledger.rpc.client import connect
from protos.esep.v1.account_service_pb2 import GetAccountRequest

DEADLINE_SECONDS: Final = 20.0


class Connection:
    """A channel to a server, and the services that commands ask. A context manager."""

    def __init__(self, server: str = "") -> None:
        self.address = server or settings().listen
        ledger = connect(self.address)
        self.channel = ledger.channel
        self.accounts = ledger.accounts
        self.statements = ledger.statements
        self.receipts = ledger.receipts
        self.credits = ledger.credits

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def account_id(self, named: str) -> int:
        """Return the id of an account named by id or as ``bank/number``. Raises ProblemError, or grpc.RpcError."""
        if named.isascii() and named.isdecimal():
            return int(named)
        bank, slash, number = named.partition("/")
        if not (bank and slash and number):
            advice = "Give the account's id, such as 42, or bank/number, such as bank-a/1080000000000001."
            raise ProblemError(Problem("INVALID_ARGUMENT", f"{named!r} names no account.", advice), USAGE)
        request = GetAccountRequest()
        request.account_number.participant_id, request.account_number.account_number = bank, number
        return self.accounts.GetAccount(request, timeout=DEADLINE_SECONDS).account.account_id
