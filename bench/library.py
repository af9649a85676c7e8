"""Transfers by the ``eventsourcing`` library as it comes: an aggregate per account, both saved in one save.

Aggregates stay in the library's own cache, so that a transfer reads nothing: the faster way. On PostgreSQL the
library needs ``psycopg-pool``, which the ledger does not.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from time import perf_counter
from uuid import UUID, uuid4

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.engine import make_url

from bench.windows import Window

NAME = "eventsourcing_aggregates"
_FUNDS = 10**12
_CACHING = {"AGGREGATE_CACHE_FASTFORWARD": "n", "DEEPCOPY_FROM_AGGREGATE_CACHE": "n"}


class Account(Aggregate):
    """An account in the library's own terms."""

    @event("Opened")
    def __init__(self, balance: int) -> None:
        self.balance = balance

    @event("Debited")
    def debit(self, transfer_id: UUID, amount: int) -> None:
        """Take money off."""
        if amount > self.balance:
            raise ValueError("insufficient funds")
        self.balance -= amount

    @event("Credited")
    def credit(self, transfer_id: UUID, amount: int) -> None:
        """Put money on."""
        self.balance += amount


class Bank(Application[UUID]):
    """Moves money between two accounts in one save."""

    def open(self, accounts: int) -> list[UUID]:
        """Open accounts with money on them."""
        opened = [Account(balance=_FUNDS) for _ in range(accounts)]
        self.save(*opened)
        return [account.id for account in opened]

    def transfer(self, debit: UUID, credit: UUID, amount: int) -> None:
        """Move money."""
        transfer_id = uuid4()
        paying: Account = self.repository.get(debit)
        paid: Account = self.repository.get(credit)
        paying.debit(transfer_id, amount)
        paid.credit(transfer_id, amount)
        self.save(paying, paid)


class Library:
    """A bank with open accounts."""

    def __init__(self, bank: Bank, accounts: int, seed: int) -> None:
        self._bank = bank
        self._accounts = bank.open(accounts)
        self._random = Random(seed)

    def transfer(self, count: int) -> Window:
        """Make so many transfers."""
        pairs = [self._random.sample(self._accounts, 2) for _ in range(count)]
        amounts = [self._random.randint(1, 100_00) for _ in range(count)]
        started = perf_counter()
        for (debit, credit), amount in zip(pairs, amounts, strict=True):
            self._bank.transfer(debit, credit, amount)
        return Window(count, perf_counter() - started)


@contextmanager
def open_library(url: str, accounts: int, seed: int) -> Iterator[Library]:
    """Give the accounts in an empty database."""
    bank = Bank({**_environment(url), **_CACHING, "AGGREGATE_CACHE_MAXSIZE": str(accounts)})
    try:
        yield Library(bank, accounts, seed)
    finally:
        bank.close()


def _environment(url: str) -> dict[str, str]:
    if url.startswith("sqlite:"):
        return {"PERSISTENCE_MODULE": "eventsourcing.sqlite", "SQLITE_DBNAME": str(make_url(url).database)}
    parameters = conninfo_to_dict(url)
    return {
        "PERSISTENCE_MODULE": "eventsourcing.postgres",
        "POSTGRES_DBNAME": str(parameters["dbname"]),
        "POSTGRES_HOST": str(parameters.get("host", "")),
        "POSTGRES_PORT": str(parameters.get("port", "5432")),
        "POSTGRES_USER": str(parameters.get("user", "")),
        "POSTGRES_PASSWORD": str(parameters.get("password", "none")),
    }
