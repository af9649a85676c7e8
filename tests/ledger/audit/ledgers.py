"""A small ledger with a bit of everything in its history, its tables and checkpoints, and ways to change a copy."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

from sqlalchemy import Connection, insert, text

from domain.account import SetMinimumBalance, SetOverdraftLimit
from domain.authorize import Advise, Authorize
from domain.clearing import ForcePost
from domain.event import Leg
from domain.ports import LogReader, Row
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart
from domain.transfer import CreateTransfer
from domain.transfer_reversal import ReverseTransfer
from ledger.audit.reading import read_on
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.checkpoints import Checkpoints
from ledger.audit.signing.keys import SigningKeys
from ledger.audit.signing.note import VerifierKey
from ledger.audit.source import AccountFigures
from ledger.audit.verify.notes import KeptNote
from ledger.audit.verify.verifier import Verdict, verify
from ledger.log.api import Log
from ledger.log.codec import decode
from ledger.log.factory import open_log, open_tables
from ledger.log.merkle import Frontier
from ledger.log.schema import events
from ledger.rpc.projected_history import current_figures, tile_hashes
from projections.rebuild import project_all
from projections.runner import Projector, live_copy
from projections.schema import tiles
from projections.store import open_store
from projections.tiles import read_tile
from tests.ledger.engine.world import DAY, Desk, HandClock, engine_at

LEDGER = "esep.kg/test"


class Place(NamedTuple):
    """Where a ledger stands."""

    directory: Path
    url: str

    @property
    def keys(self) -> SigningKeys:
        return SigningKeys.load(self.directory / "checkpoint-keys.json", create=True)

    @property
    def public(self) -> VerifierKey:
        return self.keys.keys[0].verifier(f"{LEDGER}/0")

    @contextmanager
    def log(self) -> Iterator[Log]:
        with closing(open_log(self.url)) as log:
            yield log

    @contextmanager
    def behind(self) -> Iterator[Connection]:
        """Give a connection that changes the log's tables behind the ledger's back."""
        engine = open_tables(self.url)
        try:
            with engine.begin() as connection:
                yield connection
        finally:
            engine.dispose()

    def change(self, sql: str, **values: Any) -> None:
        """Change the log's tables behind the ledger's back, and see that something was changed."""
        with self.behind() as connection:
            assert connection.execute(text(sql), values).rowcount


def sqlite_place(directory: Path) -> Place:
    return Place(directory, f"sqlite:///{directory / 'esep.db'}")


def copied(place: Place, to: Path) -> Place:
    """Return a copy of a ledger on SQLite that nobody has open."""
    shutil.copytree(place.directory, to)
    return sqlite_place(to)


def begin(place: Place, *, seed: int = 0) -> list[str]:
    """Do a bit of everything, and project it; return the checkpoints that were signed on the way."""
    notes = []
    clock = HandClock()
    with engine_at(place.url, clock, seed=seed) as desk:
        cash = desk.open("cash")
        shop, fees = desk.open("merchant"), desk.open("fee_income")
        people = [desk.open() for _ in range(5)]
        for each in people:
            desk.ask(desk.transfer(cash, each, 100_000))
        notes.append(sign(place, desk.log, clock))
        some = [desk.transfer(each, shop, 1_000 + each, kind="purchase") for each in people]
        desk.ask_many(some)
        desk.ask(CreateTransfer(desk.ids.recent(), people[0], shop, 10, legs=(Leg("fee", people[0], fees, 5),)))
        desk.ask(desk.transfer(people[0], shop, 10**9))  # declined for good
        desk.ask(ReverseTransfer(transfer_id=UUID(bytes=some[1].request_id)))
        desk.ask(SetOverdraftLimit(account_id=people[2], overdraft_limit_tyiyn=5_000))
        desk.ask(SetMinimumBalance(account_id=people[3], minimum_balance_tyiyn=100))
        notes.append(sign(place, desk.log, clock))
        _hold(desk, people, shop, clock)
        notes.append(sign(place, desk.log, clock))
        for each in people[1:]:
            desk.ask(desk.transfer(each, people[0], 77))
            desk.ask(Authorize(account_id=each, credit_account_id=shop, amount_tyiyn=333))
    with place.log() as log:
        notes.append(sign(place, log, clock))
    project(place)
    return notes


def _hold(desk: Desk, people: Sequence[int], shop: int, clock: HandClock) -> None:
    """Make holds that end in every way, and one that lapses without anybody saying so."""
    held = []
    for number, each in enumerate((*people, *people)):
        request = desk.ids.recent()
        kind: type[Advise | Authorize] = Advise if number == 1 else Authorize
        desk.ask(kind(account_id=each, credit_account_id=shop, amount_tyiyn=2_000 + number), request)
        held.append(UUID(bytes=request))
    desk.ask(Increment(authorization_id=held[0], amount_tyiyn=30))
    desk.ask(Replace(authorization_id=held[1], total_tyiyn=1_500))
    desk.ask(ReversePart(authorization_id=held[2], amount_tyiyn=500))
    desk.ask(Reverse(authorization_id=held[3]))
    desk.ask(Capture(authorization_id=held[0], amount_tyiyn=1_000, clearing_reference="c-1"))
    desk.ask(Capture(authorization_id=held[0], amount_tyiyn=900, clearing_reference="c-2", final=True))
    desk.ask(Capture(authorization_id=held[0], amount_tyiyn=50, clearing_reference="c-3"))  # after its end
    desk.ask(ForcePost(account_id=people[4], credit_account_id=shop, amount_tyiyn=70, clearing_reference="c-4"))
    clock.advance(8 * DAY)
    desk.ask(desk.transfer(people[0], people[1], 5))  # the holds of the payer are expired first


def sign(place: Place, log: Log, clock: Any = None) -> str:
    """Sign a checkpoint of all there is, and return its note."""
    signer = Checkpoints(log, 0, clock or HandClock(), ledger=LEDGER, keys=place.keys)
    return str(signer.issue(log.tree(0), log.head(0)).note)


def project(place: Place) -> None:
    """Bring the tables up to the log's end."""
    with place.log() as log, closing(open_store(place.url)) as store, closing(live_copy(store)) as copy:
        project_all(log, Projector(log, copy, decode), 0)


class LogSource:
    """One partition of a log, up to a position, for whoever stands beside the database: no server is asked."""

    def __init__(
        self,
        log: LogReader,
        partition: int,
        head: int,
        *,
        checkpoints: Sequence[str],
        keys: Sequence[str],
        leaf_hashes: Callable[[int], Iterator[bytes]],
        figures: Callable[[], Iterator[AccountFigures]],
    ) -> None:
        self.partition = partition
        self.head = head
        self._log = log
        self._checkpoints = checkpoints
        self._keys = keys
        self.leaf_hashes = leaf_hashes
        self.figures = figures

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        """Yield the events behind a position up to ``head``."""
        return read_on(self._log, self.partition, after, self.head)

    def checkpoints(self) -> Sequence[str]:
        """Return the signed notes."""
        return self._checkpoints

    def keys(self) -> Sequence[str]:
        """Return the keys that the ledger names."""
        return self._keys


@contextmanager
def source_of(place: Place, notes: Sequence[str] | None = None) -> Iterator[LogSource]:
    """Give the ledger as the verifier reads it; ``notes`` are by default all checkpoints that it keeps."""
    with place.log() as log, closing(open_store(place.url)) as store:
        kept = kept_notes(place) if notes is None else notes
        head = log.head(0)
        yield LogSource(
            log,
            0,
            head,
            checkpoints=kept,
            keys=[str(place.public)],
            leaf_hashes=lambda after: tile_hashes(store, 0, after, head),
            figures=lambda: iter(current_figures(store, 0).accounts),
        )


def kept_notes(place: Place) -> list[str]:
    """Return the notes of the ledger's own table, by size."""
    with place.behind() as connection:
        return [note for (note,) in connection.execute(text("SELECT note FROM checkpoints ORDER BY size"))]


def verified(place: Place, *, notes: Sequence[str] | None = None, **asked: Any) -> Verdict:
    """Return what the verifier says of a ledger."""
    with source_of(place, notes) as source:
        return verify(source, directory=str(place.directory), **asked)


def kept(*notes: str) -> list[KeptNote]:
    return [KeptNote(f"kept-{number}.note", note) for number, note in enumerate(notes, 1)]


# Changing a ledger in secret.


def all_rows(place: Place) -> list[Row]:
    """Return the whole history."""
    with place.log() as log:
        return log.read(0, 0, 1_000_000)


def put(place: Place, row: Row) -> None:
    """Put a row into the table of events, and nothing else."""
    with place.behind() as connection:
        connection.execute(insert(events).values(**stored(connection, row)))


def stored(connection: Connection, row: Row) -> dict[str, Any]:
    """Return a row as its table takes it."""
    values = row._asdict()
    if connection.dialect.name == "postgresql":
        for name in ("originator_id", "request_id"):
            values[name] = None if values[name] is None else UUID(bytes=values[name])
    return values


def rewrite(place: Place, change: Callable[[Row], Row | None]) -> None:
    """Write the whole history anew, with everything that hangs on it, and sign it by the ledger's own key."""
    rows = [changed for row in all_rows(place) if (changed := change(row)) is not None]
    with place.behind() as connection:
        for table in ("events", "trees", "checkpoints", "snapshots"):
            connection.execute(text(f"DELETE FROM {table}"))  # noqa: S608 - one of these
    with place.log() as log:
        log.append([row._replace(position=position) for position, row in enumerate(rows, 1)])
        sign(place, log)
        with closing(open_store(place.url)) as store, closing(store.create()) as copy:
            project_all(log, Projector(log, copy, decode), 0)
            store.publish(copy)


def go_on(place: Place, count: int) -> None:
    """Append plain transfers, project them and sign a checkpoint."""
    rows = all_rows(place)
    last = rows[-1]
    posted = next(row for row in rows if row.topic == "transfer.posted.v1")
    further = [
        posted._replace(
            position=last.position + number,
            originator_id=uuid4().bytes,
            recorded_at=last.recorded_at + number,
        )
        for number in range(1, count + 1)
    ]
    with place.log() as log:
        log.append(further)
        sign(place, log)
    project(place)


def change_tables(place: Place, sql: str) -> None:
    """Change a row of the live projections."""
    with closing(open_store(place.url)) as store:
        copy = store.live()
        assert copy is not None
        with closing(copy), copy.write() as writer:
            assert writer.all(f"{sql} RETURNING 1")


def spoil_tile(place: Place, position: int) -> None:
    """Change the hash of one event in the tiles."""
    with closing(open_store(place.url)) as store:
        copy = store.live()
        assert copy is not None
        with closing(copy), copy.write() as writer:
            tile, at = divmod(position - 1, 256)
            hashes = bytearray(read_tile(writer, 0, 0, tile))
            hashes[32 * at] ^= 1
            writer.upsert(tiles, [(0, 0, tile, bytes(hashes))])


def note_of(place: Place, tree: Frontier) -> str:
    """Return a checkpoint of any tree, signed by the ledger's own key."""
    text_ = Checkpoint(f"{LEDGER}/0", tree.size, tree.root).text()
    return str(place.keys.sign(f"{LEDGER}/0", text_, HandClock().now()))


def stranger(place: Place) -> Place:
    """Return the same ledger with a signing key that nobody knows."""
    directory = place.directory / "strange"
    directory.mkdir()
    return Place(directory, place.url)
