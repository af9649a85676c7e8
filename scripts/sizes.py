"""Measure how large things are: bytes of the log and of the tables for each thing that happens, and memory per account.

    python -m scripts.sizes

A real server on fresh SQLite files is given work; it is stopped before its files are looked at, so that they are whole.
Memory is what the operating system says is resident, with none and with many accounts: loading takes some that is kept,
so that an account is what more of them take. docs/operating/sizing.md quotes what this prints.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, NamedTuple, TypeVar
from uuid import uuid4

from stdnum import luhn

from domain.account import AccountKind, AccountOpened
from domain.ids import account_id, account_originator
from domain.ports import Row
from ledger.log.codec import encode
from ledger.log.factory import open_log
from ledger.rpc.client import Ledger
from protos.esep.v1 import account_pb2, authorization_pb2
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.authorization_service_pb2 import CaptureAuthorizationRequest, CreateAuthorizationRequest
from protos.esep.v1.card_service_pb2 import IssueCardRequest
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetTrialBalanceRequest
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransfersRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ServerProcess
from scripts.memory import resident_bytes

T = TypeVar("T")
R = TypeVar("R")

ACCOUNTS: Final = 2_000
TRANSFERS: Final = 160_000
SALES: Final = 4_000
IN_MEMORY: Final = 200_000
_BATCH: Final = 8_000
_CALLERS: Final = 16
_SECONDS: Final = 60.0
_LOADING_SECONDS: Final = 300.0


class Sizes(NamedTuple):
    """Bytes on disk."""

    log: int
    tables: int


class Measured:
    """A server that is given work, and how its files grow by it."""

    def __init__(self, directory: Path) -> None:
        self._server = ServerProcess(directory)
        self._directory = directory
        self._server.start()
        self._before = self._sizes()

    def grow(self, what: str, count: int, work: Callable[[Ledger], object]) -> None:
        """Do some work, and print by how much the files have grown for each of ``count`` things."""
        with connect_plainly(self._server.address) as ledger:
            work(ledger)
        after = self._sizes()
        log, tables = ((new - old) / count for new, old in zip(after, self._before, strict=True))
        print(f"{what:<44} {log:>8.0f} {tables:>8.0f}")
        self._before = after

    def end(self) -> None:
        """Stop the server."""
        self._server.stop()

    def _sizes(self) -> Sizes:
        """Let the tables catch up, stop the server, look at its files, and start it again."""
        with connect_plainly(self._server.address) as ledger:
            opened = ledger.accounts.OpenAccount(account(account_pb2.ACCOUNT_KIND_CASH), timeout=_SECONDS).receipt
            wanted = GetTrialBalanceRequest(min_position=LogPosition(position=opened.position))
            ledger.statements.GetTrialBalance(wanted, timeout=_SECONDS)
        self._server.stop()
        sizes = Sizes(size(self._directory.glob("log.db*")), size(self._directory.glob("log.projections.*.db*")))
        self._server.start()
        return sizes


def main() -> None:
    """Measure and print."""
    print(f"{'bytes for each':<44} {'log':>8} {'tables':>8}")
    with tempfile.TemporaryDirectory(prefix="esep-sizes-") as directory:
        measured = Measured(Path(directory))
        accounts: list[int] = []
        measured.grow("account", ACCOUNTS, lambda ledger: accounts.extend(open_accounts(ledger)))
        measured.grow("transfer", TRANSFERS, lambda ledger: transfer(ledger, accounts))
        measured.grow("purchase: a hold and its capture", SALES, lambda ledger: sell(ledger, accounts))
        measured.grow("card", ACCOUNTS, lambda ledger: issue(ledger, accounts))
        measured.grow("transfer that two people are told of", TRANSFERS, lambda ledger: transfer(ledger, accounts))
        measured.end()
    with tempfile.TemporaryDirectory(prefix="esep-sizes-") as directory:
        memory = [resident(Path(directory, str(count)), count) for count in (0, IN_MEMORY, 2 * IN_MEMORY)]
    for count, found in enumerate(memory):
        print(f"memory of a server with {count * IN_MEMORY:>7} accounts: {found / 1e6:.0f} MB")
    print(f"memory for each further account: {(memory[2] - memory[1]) / IN_MEMORY:.0f} bytes")


def account(kind: account_pb2.AccountKind.ValueType) -> OpenAccountRequest:
    """Return the request to open an account."""
    return OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=kind)


def open_accounts(ledger: Ledger) -> list[int]:
    """Open accounts; the first one may be negative."""
    kinds = [account_pb2.ACCOUNT_KIND_SETTLEMENT] + [account_pb2.ACCOUNT_KIND_CUSTOMER] * (ACCOUNTS - 1)
    return each(lambda kind: ledger.accounts.OpenAccount(account(kind), timeout=_SECONDS).account.account_id, kinds)


def transfer(ledger: Ledger, accounts: list[int]) -> None:
    """Pay everybody from the first account, again and again, then everybody their neighbour."""
    rich, *others = accounts
    count = len(others)
    pairs = [(rich, others[number % count]) for number in range(count)]
    pairs += [(others[number % count], others[(number + 1) % count]) for number in range(TRANSFERS - count)]
    for part in parts(pairs):
        items = [
            NewTransfer(
                request_id=new_id(),
                debit_account_id=debit,
                credit_account_id=credit,
                amount_tyiyn=1_000_000 if debit == rich else 100,
                kind="transfer",
            )
            for debit, credit in part
        ]
        ledger.transfers.CreateTransfers(CreateTransfersRequest(transfers=items), timeout=_SECONDS)


def sell(ledger: Ledger, accounts: list[int]) -> None:
    """Hold an amount, and capture it."""

    def sale(number: int) -> None:
        held = CreateAuthorizationRequest(
            request_id=new_id(),
            account_id=accounts[1 + number % (len(accounts) - 1)],
            credit_account_id=accounts[0],
            amount_tyiyn=100,
            kind=authorization_pb2.AUTHORIZATION_KIND_PURCHASE,
            merchant_name="Kafe Ala-Too",
            acquirer_id="bank-a",
            acquirer_reference=f"{number:012}",
        )
        made = ledger.authorizations.CreateAuthorization(held, timeout=_SECONDS).authorization.authorization_id
        captured = CaptureAuthorizationRequest(
            request_id=new_id(),
            authorization_id=made,
            amount_tyiyn=100,
            final=True,
            clearing_reference=f"clearing-{number:08}",
        )
        ledger.authorizations.CaptureAuthorization(captured, timeout=_SECONDS)

    each(sale, range(SALES))


def issue(ledger: Ledger, accounts: list[int]) -> None:
    """Issue a card for every account."""

    def card(number: int) -> None:
        digits = f"941700{number:09}"
        request = IssueCardRequest(
            request_id=new_id(),
            participant_id="bank-a",
            account_id=accounts[number],
            card_number=digits + luhn.calc_check_digit(digits),
            expiry="12/49",
        )
        ledger.cards.IssueCard(request, timeout=_SECONDS)

    each(card, range(1, len(accounts)))


def parts(of: Sequence[T]) -> Iterator[Sequence[T]]:
    """Yield what there is in parts of a batch each."""
    for start in range(0, len(of), _BATCH):
        yield of[start : start + _BATCH]


def each(work: Callable[[T], R], of: Iterable[T]) -> list[R]:
    """Do something with each, several at a time."""
    with ThreadPoolExecutor(_CALLERS) as threads:
        return list(threads.map(work, of))


def resident(directory: Path, accounts: int) -> int:
    """Return the bytes of memory of a server that keeps so many accounts and has done nothing else."""
    directory.mkdir()
    log = open_log(f"sqlite:///{directory / 'log.db'}")
    now = time.time_ns() // 1_000 - 10 * accounts
    for part in parts(range(1, accounts + 1)):
        log.append([_opened(number, now + number) for number in part])
    log.close()
    with ServerProcess(directory) as server:
        server.start(serving=False)
        server.wait_until_serving(_LOADING_SECONDS)
        found = resident_bytes(server.pid)
        server.stop()
    return found


def _opened(number: int, now: int) -> Row:
    event = AccountOpened(participant="bank-a", kind=AccountKind.CUSTOMER, currency="KGS")
    originator = account_originator(account_id(0, number))
    return Row(0, number, originator, 1, event.TOPIC, encode(event), now, uuid4().bytes, "bank-a.core")


def size(files: Iterable[Path]) -> int:
    """Return how many bytes files have together."""
    return sum(file.stat().st_size for file in files)


if __name__ == "__main__":
    main()
