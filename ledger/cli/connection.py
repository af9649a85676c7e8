"""The way from a command to a server: plain text to one in development, TLS to any other."""

from pathlib import Path
from typing import Final, Self

from ledger.cli.options import settings
from ledger.cli.problems import USAGE, Problem, ProblemError
from ledger.rpc.client import connect, credentials
from protos.esep.v1.account_service_pb2 import GetAccountRequest

DEADLINE_SECONDS: Final = 20.0

_MOST_DIGITS: Final = 18
"""Of a number that names an account: all of them fit into 64 bits."""
_SHOWN: Final = 80


class Connection:
    """A channel to a server, and the services that commands ask. A context manager."""

    def __init__(
        self,
        server: str,
        authorities: Path | None = None,
        certificate: Path | None = None,
        key: Path | None = None,
        token: Path | None = None,
    ) -> None:
        """Connect, in plain text when no file is given. Raises ProblemError for files that do not go together."""
        self.address = server or settings().listen
        shown = None
        whole = (certificate is None) == (key is None) and not (certificate is None and token is None)
        if authorities is not None and whole:
            shown = credentials(authorities, certificate, key, token=token)
        elif any(file is not None for file in (authorities, certificate, key, token)):
            message = "Of --tls-ca, --tls-cert, --tls-key and --token some are given and some are not."
            advice = "Give --tls-ca with --tls-cert and --tls-key, or with --token, or with all; or none of them."
            raise ProblemError(Problem("INVALID_ARGUMENT", message, advice), USAGE)
        ledger = connect(self.address, credentials=shown)
        self.ledger = ledger
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
        account = account_named(named)
        if isinstance(account, int):
            return account
        request = GetAccountRequest()
        request.account_number.participant_id, request.account_number.account_number = account
        return self.accounts.GetAccount(request, timeout=DEADLINE_SECONDS).account.account_id


def account_named(named: str) -> int | tuple[str, str]:
    """Return the id that names an account, or the bank and the number; raises ProblemError for anything else."""
    if named.isascii() and named.isdecimal() and len(named) <= _MOST_DIGITS:
        return int(named)
    bank, slash, number = named.partition("/")
    if not (bank and slash and number):
        advice = "Give the account's id, such as 42, or bank/number, such as bank-a/1080000000000001."
        raise ProblemError(Problem("INVALID_ARGUMENT", f"{named[:_SHOWN]!r} names no account.", advice), USAGE)
    return bank, number
