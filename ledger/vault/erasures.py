"""Carrying out in the vault what the log says of erasures, whatever came in between.

A customer is erased when the log says so; the key is destroyed just after. A server that ended between the two, a
vault that did not answer, and above all a vault restored from a backup leave keys of people whom the log calls erased.
So the vault remembers up to which position of which log it has carried the erasures out, and whoever starts a server
continues from there: a restored vault remembers an earlier position, and a log that is not the same any more is looked
through from its beginning.
"""

from itertools import islice
from typing import Final, NamedTuple, Protocol

import structlog

from domain.customer import CustomerErased
from domain.leaf import leaf_hash
from domain.ports import LogReader
from ledger.vault.vault import Mark, Vault

LOOKED_THROUGH: Final = 1_000_000
"""How many positions are looked through before it is remembered."""
DESTROYED_AT_ONCE: Final = 500

_log = structlog.get_logger("esep.vault")


class Erasures(LogReader, Protocol):
    """A log that finds whose the events of a topic are."""

    def whose(self, partition: int, topic: str, after: int, upto: int) -> list[bytes]: ...


class Forgotten(NamedTuple):
    """How many erasures the log named, and how many of their keys were still there.

    ``scrubbed`` is false while somebody still reads an older state of the vault's file, which therefore holds them too.
    """

    erased: int
    destroyed: int
    scrubbed: bool


def catch_up(vault: Vault, log: Erasures, partition: int, now: int) -> Forgotten:
    """Carry out every erasure that the log has named since the vault did so last; raises VaultError and LogError."""
    mark = vault.mark(partition)
    known = mark is not None and mark == _mark(log, partition, mark.position)
    forgotten = _carry_out(vault, log, partition, now, after=mark.position if mark is not None and known else 0)
    if forgotten.destroyed:
        _log.warning("vault.erasures_carried_out", customers=forgotten.destroyed)
    if not forgotten.scrubbed:
        _log.warning("vault.not_scrubbed")
    return forgotten


def forget_again(vault: Vault, log: Erasures, partition: int, now: int) -> Forgotten:
    """Carry out every erasure that the log names, whatever the vault remembers; raises VaultError and LogError."""
    return _carry_out(vault, log, partition, now, after=0)


def _carry_out(vault: Vault, log: Erasures, partition: int, now: int, *, after: int) -> Forgotten:
    head, erased, destroyed = log.head(partition), 0, 0
    while after < head:
        upto = min(after + LOOKED_THROUGH, head)
        named = iter(log.whose(partition, CustomerErased.TOPIC, after, upto))
        while some := list(islice(named, DESTROYED_AT_ONCE)):
            destroyed += vault.destroy_all(some, now)
            erased += len(some)
        mark = _mark(log, partition, upto)
        if mark is not None:
            vault.set_mark(partition, mark)
        after = upto
    return Forgotten(erased, destroyed, vault.scrub())


def _mark(log: LogReader, partition: int, position: int) -> Mark | None:
    """Return what is remembered of a position, None where the log ends before it."""
    row = next(iter(log.read(partition, position - 1, 1)), None)
    return None if row is None or row.position != position else Mark(position, leaf_hash(row))
