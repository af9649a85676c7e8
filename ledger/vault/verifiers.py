"""Verifying secrets: Argon2id for what people choose, a keyed hash for codes that live for minutes.

A try is counted before it is compared, so that many tries at once do not outrun the counter, and taken back when it
was right. Blocking and, with Argon2, slow on purpose: never called on an event loop.
"""

import hmac
from collections.abc import Callable
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from argon2.exceptions import VerifyMismatchError
from sqlalchemy import ColumnElement, Connection, Engine, and_, delete, insert, or_, select, update

from domain.credentials import Verdict
from ledger.vault.connection import begin, insert_new
from ledger.vault.keys import MasterKeys
from ledger.vault.schema import keys, verifiers

PASSWORD: Final = "password"  # noqa: S105 - the name of a kind, not a secret
PIN: Final = "pin"
CODE: Final = "code"
ALIAS_CODE: Final = "alias code"
ALIAS_CODES_SENT: Final = "alias codes sent"


class Rule(NamedTuple):
    """How many misses lock a secret, and for how many microseconds; None for good."""

    tries: int
    lock: int | None = None


class Tried(NamedTuple):
    """How a try ended, and how many misses are left."""

    verdict: Verdict
    tries_left: int = 0


class Verifiers:
    """Makes and tries verifiers of secrets."""

    def __init__(self, engine: Engine, master: MasterKeys, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._master = master
        self._hasher = hasher or PasswordHasher()

    def slow(self, secret: str) -> bytes:
        """Return the Argon2id verifier of a password or PIN."""
        return self._hasher.hash(secret).encode()

    def quick(self, customer_id: bytes, code: str) -> bytes:
        """Return the keyed hash of a code sent to one customer."""
        return self._master.hash("confirmation code", customer_id + code.encode())

    def put(self, customer_id: bytes, kind: str, verifier: bytes, lapses_at: int | None = None) -> bool:
        """Set a verifier, with no misses; False, and nothing done, when the customer's key is gone."""
        with begin(self._engine) as connection:
            live = and_(keys.c.customer_id == customer_id, keys.c.destroyed_at.is_(None))
            # A write first, so that the transaction is a writer's from its beginning; it also holds off an erasure.
            if connection.execute(update(keys).where(live).values(customer_id=customer_id)).rowcount == 0:
                return False
            replace(connection, customer_id, kind, verifier, lapses_at)
            return True

    def drop(self, customer_id: bytes, *kinds: str) -> None:
        """Delete verifiers and counters."""
        with begin(self._engine) as connection:
            for kind in kinds:
                connection.execute(delete(verifiers).where(_of(customer_id, kind)))

    def count(self, customer_id: bytes, kind: str, rule: Rule, now: int) -> bool:
        """Count something as misses are counted; False when there were as many as the rule allows."""
        with begin(self._engine) as connection:
            insert_new(connection, verifiers, customer_id=customer_id, kind=kind, verifier=b"", misses=0)
        return not isinstance(self._count(customer_id, kind, rule, now), Verdict)

    def try_slow(self, customer_id: bytes, kind: str, secret: str, rule: Rule, now: int) -> Tried:
        """Try a password or PIN."""

        def matches(verifier: bytes) -> bool:
            try:
                return self._hasher.verify(verifier.decode(), secret)
            except VerifyMismatchError:
                return False

        return self._try(customer_id, kind, matches, rule, now)

    def try_code(self, customer_id: bytes, code: str, rule: Rule, now: int, kind: str = CODE) -> Tried:
        """Try a confirmation code."""
        tried = self.quick(customer_id, code)
        return self._try(customer_id, kind, lambda verifier: hmac.compare_digest(verifier, tried), rule, now)

    def _try(self, customer_id: bytes, kind: str, matches: Callable[[bytes], bool], rule: Rule, now: int) -> Tried:
        counted = self._count(customer_id, kind, rule, now)
        if isinstance(counted, Verdict):
            return Tried(counted)
        verifier, misses = counted
        if not matches(verifier):
            return Tried(Verdict.WRONG, rule.tries - misses)
        with begin(self._engine) as connection:
            connection.execute(
                update(verifiers)
                .where(_of(customer_id, kind), verifiers.c.verifier == verifier)
                .values(misses=0, locked_until=None)
            )
        return Tried(Verdict.RIGHT, rule.tries)

    def _count(self, customer_id: bytes, kind: str, rule: Rule, now: int) -> tuple[bytes, int] | Verdict:
        """Count a try as missed; return the verifier and the misses, or why it is not to be compared."""
        this = _of(customer_id, kind)
        with begin(self._engine) as connection:
            connection.execute(
                update(verifiers).where(this, verifiers.c.locked_until <= now).values(misses=0, locked_until=None)
            )
            in_time = or_(verifiers.c.lapses_at.is_(None), verifiers.c.lapses_at > now)
            counted = connection.execute(
                update(verifiers)
                .where(this, verifiers.c.misses < rule.tries, in_time)
                .values(misses=verifiers.c.misses + 1)
            ).rowcount
            found = connection.execute(
                select(verifiers.c.verifier, verifiers.c.misses, verifiers.c.lapses_at).where(this)
            ).one_or_none()
            if found is None:
                return Verdict.ABSENT
            if counted == 0:
                lapsed = found.lapses_at is not None and found.lapses_at <= now
                return Verdict.LAPSED if lapsed else Verdict.LOCKED
            if found.misses >= rule.tries and rule.lock is not None:
                connection.execute(update(verifiers).where(this).values(locked_until=now + rule.lock))
            return bytes(found.verifier), found.misses


def replace(
    connection: Connection, customer_id: bytes, kind: str, verifier: bytes, lapses_at: int | None = None
) -> None:
    """Put a verifier in the place of whatever stands there."""
    connection.execute(delete(verifiers).where(_of(customer_id, kind)))
    connection.execute(
        insert(verifiers).values(
            customer_id=customer_id, kind=kind, verifier=verifier, misses=0, locked_until=None, lapses_at=lapses_at
        )
    )


def _of(customer_id: bytes, kind: str) -> ColumnElement[bool]:
    return and_(verifiers.c.customer_id == customer_id, verifiers.c.kind == kind)
