"""The vault: data keys by customer, who holds a login or a phone number, and the numbers of cards and tokens.

It is written before the log. A registration reserves its names for as long as it can be confirmed; the right code
makes them the customer's for good; erasing destroys the key and frees them. What the log never heard of is swept.
"""

import hmac
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

from argon2 import PasswordHasher
from sqlalchemy import Connection, Engine, and_, delete, event, insert, or_, select, update

from domain.customer import ERASED, Sealed, Taken
from ledger.vault import aliases
from ledger.vault.cards import Cards
from ledger.vault.cipher import DataKey, Place, seal, unseal
from ledger.vault.connection import begin, insert_new
from ledger.vault.envelopes import fresh_key, kept_key, rewrap
from ledger.vault.errors import VaultBroken
from ledger.vault.keys import MasterKeys
from ledger.vault.misses import Misses
from ledger.vault.schema import keys, marks, migrate, names, verifiers
from ledger.vault.tokens import Tokens
from ledger.vault.verifiers import CODE, PASSWORD, Verifiers, replace

MARK_BYTES: Final = 12


class Personal(NamedTuple):
    """What is known of a person."""

    login: str
    phone: str
    name: str = ""


class Secrets(NamedTuple):
    """Verifiers of what a customer registers with."""

    password: bytes
    code: bytes
    lapses_at: int


class Marked(NamedTuple):
    """An encrypted field, and what tells its text from another's to whoever has the customer's key."""

    sealed: bytes
    mark: str


class Mark(NamedTuple):
    """A position of the log, and the leaf hash of the event there."""

    position: int
    leaf: bytes


class _TakenError(Exception):
    def __init__(self, taken: Taken) -> None:
        super().__init__(taken.value)
        self.taken = taken


class Vault:
    """Keys, names and verifiers in one database. Blocking; safe to use from several threads."""

    def __init__(self, engine: Engine, master: MasterKeys, hasher: PasswordHasher | None = None) -> None:
        self._engine = engine
        self._master = master
        self.verifiers = Verifiers(engine, master, hasher)
        self.cards = Cards(engine, master)
        self.tokens = Tokens(engine, master)
        self.misses = Misses(engine)
        self.aliases = aliases.Aliases(engine, master)
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _forget_thoroughly)
        try:
            migrate(engine, master.hash("keys check", b""))
        except BaseException:
            engine.dispose()
            raise

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def secret(self, purpose: str) -> bytes:
        """Return 32 bytes for a purpose: the same for all servers with these master keys, also after ``esep rekey``."""
        return self._master.hash("secret", purpose.encode())

    # Registration.

    def content(self, participant: str, personal: Personal) -> bytes:
        """Return what tells a registration from another of the same id, for this vault only."""
        return self._master.hash("registration", "\0".join((participant, *personal)).encode())

    def same_content(self, customer_id: bytes, content: bytes) -> bool:
        """Tell whether a registration is the one that was reserved; True where nothing is kept of that."""
        with begin(self._engine) as connection:
            kept = connection.execute(select(keys.c.content).where(keys.c.customer_id == customer_id)).scalar()
        return kept is None or bytes(kept) == content

    def reserve(
        self, customer_id: bytes, topic: str, content: bytes, personal: Personal, secrets: Secrets, now: int
    ) -> Sealed | Taken:
        """Reserve a registration's names, keep its verifiers, and return its personal data encrypted.

        Nothing is kept when a name is another customer's. The same registration may be reserved again.
        """
        try:
            with begin(self._engine) as connection:
                connection.execute(delete(names).where(names.c.until <= now))
                key = self._own_key(connection, customer_id, content, now)
                for kind, value in ((Taken.LOGIN, personal.login), (Taken.PHONE, personal.phone)):
                    self._reserve_name(connection, customer_id, kind, value, secrets.lapses_at)
                replace(connection, customer_id, PASSWORD, secrets.password)
                replace(connection, customer_id, CODE, secrets.code, secrets.lapses_at)
        except _TakenError as error:
            return error.taken
        return Sealed(**_sealed(key, (customer_id, topic), personal._asdict()))

    def _own_key(self, connection: Connection, customer_id: bytes, content: bytes, now: int) -> DataKey:
        found = self._key(connection, customer_id)
        if found is not None:
            again = and_(keys.c.customer_id == customer_id, keys.c.settled_at.is_(None))
            connection.execute(update(keys).where(again).values(created_at=now))
            return found
        key, wrapped = fresh_key(self._master, customer_id)
        connection.execute(insert(keys).values(customer_id=customer_id, content=content, created_at=now, **wrapped))
        return key

    def _reserve_name(self, connection: Connection, customer_id: bytes, kind: Taken, value: str, until: int) -> None:
        hashed = self._hashed(kind, value)
        insert_new(connection, names, kind=kind.value, hash=hashed, customer_id=customer_id, until=until)
        this = and_(names.c.kind == kind.value, names.c.hash == hashed)
        if connection.execute(select(names.c.customer_id).where(this)).scalar() != customer_id:
            raise _TakenError(kind)
        connection.execute(update(names).where(this, names.c.until.is_not(None)).values(until=until))

    def hold_names(self, customer_id: bytes) -> bool:
        """Make a customer's names theirs for good; False when they hold none any more."""
        with begin(self._engine) as connection:
            held = connection.execute(update(names).where(names.c.customer_id == customer_id).values(until=None))
            return held.rowcount == len(Taken)

    def find(self, kind: Taken, value: str) -> bytes | None:
        """Return the customer who holds a login or phone number."""
        this = and_(names.c.kind == kind.value, names.c.hash == self._hashed(kind, value))
        with begin(self._engine) as connection:
            found = connection.execute(select(names.c.customer_id).where(this)).scalar()
        return None if found is None else bytes(found)

    def confirmed(self, customer_id: bytes, kind: Taken, value: str) -> bool:
        """Tell whether a login or phone number is a customer's for good."""
        this = and_(names.c.kind == kind.value, names.c.hash == self._hashed(kind, value), names.c.until.is_(None))
        with begin(self._engine) as connection:
            return connection.execute(select(names.c.customer_id).where(this)).scalar() == customer_id

    def find_card(self, number: str) -> bytes | None:
        """Return the card that holds a number."""
        return self.cards.find(number)

    def _hashed(self, kind: Taken, value: str) -> bytes:
        return self._master.hash(kind.value, value.encode())

    # Personal data.

    def read(self, customer_id: bytes, topic: str, sealed: Sealed) -> Personal:
        """Return what a customer registered with in clear, or ``[erased]`` in its place; raises VaultBroken."""
        fields = {"login": sealed.login, "phone": sealed.phone, "name": sealed.name}
        return Personal(**self.read_fields(customer_id, (customer_id, topic), fields))

    def seal(self, customer_id: bytes, place: Place, text: str) -> bytes:
        """Return a text encrypted with a customer's key for one place; nothing when there is no key any more."""
        return self.seal_marked(customer_id, place, text).sealed

    def seal_marked(self, customer_id: bytes, place: Place, text: str) -> Marked:
        """Return a text encrypted like that, and its mark; nothing of both when there is no key any more."""
        key = self._key_of(customer_id)
        if key is None:
            return Marked(b"", "")
        mark = hmac.digest(key.key, b"mark\0" + place.aggregate_id + text.encode(), "sha256")[:MARK_BYTES].hex()
        return Marked(seal(key, place, text), mark)

    def unseal(self, customer_id: bytes, place: Place, sealed: bytes) -> str:
        """Return a text in clear, or ``[erased]`` in its place; raises VaultBroken."""
        return _text(self._key_of(customer_id), place, sealed)

    def seal_fields(self, customer_id: bytes, place: tuple[bytes, str], fields: Mapping[str, str]) -> dict[str, bytes]:
        """Return texts encrypted with a customer's key, each for its own field of an aggregate's event by its topic.

        Empty texts are left out; nothing is returned when there is no key any more.
        """
        key = self._key_of(customer_id)
        return {} if key is None else _sealed(key, place, fields)

    def read_fields(self, customer_id: bytes, place: tuple[bytes, str], sealed: Mapping[str, bytes]) -> dict[str, str]:
        """Return such texts in clear, or ``[erased]`` in the place of each; raises VaultBroken."""
        if not sealed:
            return {}
        key = self._key_of(customer_id)
        return {field: _text(key, Place(*place, field), value) for field, value in sealed.items()}

    def _key_of(self, customer_id: bytes) -> DataKey | None:
        with begin(self._engine) as connection:
            return self._key(connection, customer_id)

    def _key(self, connection: Connection, customer_id: bytes) -> DataKey | None:
        """Return a customer's key, None when there is none or it was destroyed."""
        row = connection.execute(select(keys).where(keys.c.customer_id == customer_id)).one_or_none()
        if row is None or row.destroyed_at is not None:
            return None
        return kept_key(self._master, customer_id, row)

    def begin_erasing(self, customer_id: bytes, now: int) -> None:
        """Note that the log is about to be told; whoever sweeps finishes what is interrupted here."""
        with begin(self._engine) as connection:
            connection.execute(update(keys).where(keys.c.customer_id == customer_id).values(erasing_at=now))

    def destroy(self, customer_id: bytes, now: int) -> None:
        """Destroy a customer's key and verifiers and free the names; doing it again changes nothing."""
        self.destroy_all([customer_id], now)

    def destroy_all(self, customer_ids: Collection[bytes], now: int) -> int:
        """Destroy those of several customers, all or none; return how many keys were still there."""
        destroyed = 0
        with begin(self._engine) as connection:
            for customer_id in customer_ids:
                destroyed += connection.execute(
                    update(keys)
                    .where(keys.c.customer_id == customer_id, keys.c.destroyed_at.is_(None))
                    .values(wrapped=b"", content=None, erasing_at=None, settled_at=now, destroyed_at=now)
                ).rowcount
                _release(connection, customer_id)
        self.scrub()
        return destroyed

    def scrub(self) -> bool:
        """Have nothing left in the file of what was deleted; False while somebody still reads an older state of it.

        The old page stands in SQLite's log of writes too, and the file itself keeps it until that log is carried over.
        """
        if self._engine.dialect.name != "sqlite":
            return True
        with begin(self._engine) as connection:
            connection.exec_driver_sql("ROLLBACK")  # Inside a transaction nothing is carried over.
            busy = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0]
        return not busy

    # How far the log's erasures were carried out.

    def mark(self, partition: int) -> Mark | None:
        """Return the position up to which every erasure that the log names was carried out, None for none."""
        with begin(self._engine) as connection:
            found = connection.execute(select(marks).where(marks.c.partition == partition)).one_or_none()
        return None if found is None else Mark(found.position, bytes(found.leaf))

    def set_mark(self, partition: int, mark: Mark) -> None:
        """Remember that every erasure up to a position was carried out."""
        with begin(self._engine) as connection:
            insert_new(connection, marks, partition=partition, **mark._asdict())
            connection.execute(update(marks).where(marks.c.partition == partition).values(**mark._asdict()))

    # Upkeep.

    def rewrap(self, limit: int = 100) -> int:
        """Wrap up to ``limit`` data keys anew that an older master key wraps; return how many were."""
        of_customers = rewrap(self._engine, self._master, keys.c.customer_id, limit, keys.c.destroyed_at.is_(None))
        return of_customers + self.cards.rewrap(limit) + self.tokens.rewrap(limit)

    def unsettled(self, before: int, limit: int = 1_000) -> list[bytes]:
        """Return customers of whom the vault knows and the log may not, or not yet, and who are older than that."""
        due = or_(and_(keys.c.settled_at.is_(None), keys.c.created_at < before), keys.c.erasing_at < before)
        with begin(self._engine) as connection:
            found = connection.execute(
                select(keys.c.customer_id).where(due, keys.c.destroyed_at.is_(None)).limit(limit)
            )
            return [bytes(row.customer_id) for row in found]

    def settle(self, customer_id: bytes, now: int, *, confirmed: bool) -> None:
        """Note what the log says of a registration: confirmed, or lapsed and its names free."""
        with begin(self._engine) as connection:
            connection.execute(
                update(keys).where(keys.c.customer_id == customer_id).values(settled_at=now, erasing_at=None)
            )
            if confirmed:
                connection.execute(update(names).where(names.c.customer_id == customer_id).values(until=None))
            else:
                _release(connection, customer_id)

    def forget(self, customer_id: bytes, upto: int) -> None:
        """Delete everything about a customer of whom the log never heard, unless reserved again after that time."""
        idle = and_(keys.c.customer_id == customer_id, keys.c.settled_at.is_(None), keys.c.created_at <= upto)
        with begin(self._engine) as connection:
            if connection.execute(delete(keys).where(idle)).rowcount:
                _release(connection, customer_id)


def _release(connection: Connection, customer_id: bytes) -> None:
    aliases.release(connection, customer_id)
    connection.execute(delete(names).where(names.c.customer_id == customer_id))
    connection.execute(delete(verifiers).where(verifiers.c.customer_id == customer_id))


def _sealed(key: DataKey, place: tuple[bytes, str], fields: Mapping[str, str]) -> dict[str, bytes]:
    return {field: seal(key, Place(*place, field), text) for field, text in fields.items() if text}


def _text(key: DataKey | None, place: Place, sealed: bytes) -> str:
    if not sealed:
        return ""
    return ERASED if key is None else unseal(key, place, sealed)


def _forget_thoroughly(connection: object, _record: object) -> None:
    """Have SQLite overwrite what is deleted."""
    execute = getattr(connection, "execute", None)
    if execute is None:
        raise VaultBroken("the driver of the vault's file takes no settings")
    execute("PRAGMA secure_delete = ON")
