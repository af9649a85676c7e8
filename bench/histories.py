"""Histories of any length, made from nothing: transfers, and holds that are captured, between a few accounts.

They are what a ledger would have written, to the byte, but nobody decided them: so a million events take seconds. The
same length makes the same history.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Final

from domain.account import AccountKind, AccountOpened
from domain.authorization import AuthorizationApproved, AuthorizationCaptured
from domain.event import Event, Leg
from domain.ids import account_id, account_originator
from domain.leaves import leaf_hashes
from domain.ports import Row
from domain.transfer import TransferPosted
from ledger.audit.export.writer import export
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.keys import SigningKey, SigningKeys, Validity
from ledger.audit.source import AccountFigures
from ledger.log.codec import encode
from ledger.log.merkle import HASH_BYTES, Frontier

_PIECE: Final = 8_000
_STEP: Final = 7
"""Microseconds between two events."""
_BEGAN: Final = 1_790_000_000_000_000
_LASTS: Final = 10**13
_HELD_OF_TEN: Final = 1
_ORIGIN: Final = "bench/0"
_SEED: Final = 7


class History:
    """A history as a source: what a server would tell of it."""

    partition = 0

    def __init__(self, accounts: int, events: int) -> None:
        """Make it once, for its hashes and figures; its events are made again whenever they are read."""
        self._accounts = accounts
        self._events = events
        self._posted = [0] * (accounts + 1)
        leaves, tree = [], Frontier()
        for rows in self._made(self._posted):
            hashes = leaf_hashes(rows)
            tree = tree.grown(hashes)
            leaves.append(b"".join(hashes))
        self._leaves = b"".join(leaves)
        self.head = tree.size
        keys = SigningKeys([SigningKey(bytes(HASH_BYTES), Validity())])
        self._key = str(keys.keys[0].verifier(_ORIGIN))
        self._note = str(keys.sign(_ORIGIN, Checkpoint(_ORIGIN, tree.size, tree.root).text(), _BEGAN))

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        """Yield the events behind a position, which is 0."""
        if after:
            raise ValueError("a made history is read from its beginning")
        return self._made([0] * (self._accounts + 1))

    def leaf_hashes(self, after: int) -> Iterator[bytes]:
        """Yield their hashes."""
        yield self._leaves[after * HASH_BYTES :]

    def checkpoints(self) -> Sequence[str]:
        """Return the one checkpoint."""
        return [self._note]

    def keys(self) -> Sequence[str]:
        """Return the key that signed it."""
        return [self._key]

    def figures(self) -> Iterator[AccountFigures]:
        """Yield what every account has at the end."""
        for index in range(1, self._accounts + 1):
            account, posted = account_id(0, index), self._posted[index]
            yield AccountFigures(account, "bench", AccountKind.SETTLEMENT.value, "KGS", posted, 0, 0, 0)

    def consistency(self, old: int) -> Sequence[bytes]:
        """Refuse: a made history does not grow."""
        raise ValueError(f"there is no proof for {old} events of a history that was made at once")

    def _made(self, posted: list[int]) -> Iterator[Sequence[Row]]:
        rows: list[Row] = []
        happening = self._happening(Random(_SEED), posted)
        for position, (originator, version, event, request) in enumerate(happening, 1):
            state, time = encode(event), _BEGAN + position * _STEP
            rows.append(Row(0, position, originator, version, event.TOPIC, state, time, request, "bench"))
            if len(rows) == _PIECE:
                yield rows
                rows = []
        if rows:
            yield rows

    def _happening(self, random: Random, posted: list[int]) -> Iterator[tuple[bytes, int, Event, bytes | None]]:
        opened = AccountOpened(participant="bench", kind=AccountKind.SETTLEMENT, currency="KGS")
        for index in range(1, self._accounts + 1):
            yield account_originator(account_id(0, index)), 1, opened, None
        made = self._accounts
        while made < self._events:
            payer, payee = random.sample(range(1, self._accounts + 1), 2)
            amount, thing = random.randrange(1, 100_000), _id(random, made)
            debit, credit = account_id(0, payer), account_id(0, payee)
            posted[payer] -= amount
            posted[payee] += amount
            if made + 1 < self._events and random.randrange(10) < _HELD_OF_TEN:
                yield thing, 1, _approved(debit, credit, amount), None
                yield thing, 2, _captured(debit, credit, amount, made), _id(random, made + 1)
                made += 2
            else:
                yield thing, 1, TransferPosted(debit, credit, amount), None
                made += 1


def exported(history: History, directory: Path) -> None:
    """Write a history as an export."""
    export(history, directory, None, lambda _: None)


def _approved(debit: int, credit: int, amount: int) -> AuthorizationApproved:
    return AuthorizationApproved(
        account=debit,
        credit_account=credit,
        amount=amount,
        currency="KGS",
        kind="purchase",
        expires_at=_BEGAN + _LASTS,
        rule_version="bench",
    )


def _captured(debit: int, credit: int, amount: int, number: int) -> AuthorizationCaptured:
    legs = (Leg("capture", debit, credit, amount),)
    reference = f"bench-{number}"
    return AuthorizationCaptured(
        account=debit, amount=amount, released=amount, legs=legs, clearing_reference=reference, final=True
    )


def _id(random: Random, number: int) -> bytes:
    """Return a UUIDv7 of about the time of an event."""
    milliseconds = (_BEGAN + number * _STEP) // 1000
    return milliseconds.to_bytes(6, "big") + b"\x70" + random.randbytes(1) + b"\x80" + random.randbytes(7)
