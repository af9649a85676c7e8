"""``esep archive``: the states of old events moved into files, proven, and still read through the ledger."""

import time
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import typer

from domain.times import DAY
from ledger.audit.archiving import EVENTS_PER_FILE, Made, signed_tree
from ledger.audit.archiving import archive as make
from ledger.audit.export.files import filing
from ledger.audit.reading import EventReader
from ledger.audit.signing.checkpoint import Checkpoint, origin_of
from ledger.audit.signing.keys import SigningKeys, SigningKeysError
from ledger.audit.signing.proofs import prove_consistency
from ledger.cli.databases import databases
from ledger.cli.options import AsJson, settings
from ledger.cli.output import console, print_document, told
from ledger.cli.problems import USAGE, Problem, ProblemError, reporting
from ledger.cli.progress import progress
from ledger.engine.snapshot import trusted_position
from ledger.log.api import ArchivingLog
from ledger.settings import Settings
from projections.rebuild import Progress as Report
from projections.store import Store
from projections.tiles import TileTree

_PATIENCE_SECONDS: Final = 30.0
_PAUSE_SECONDS: Final = 0.1
_MOST_DAYS: Final = 1_000_000
"""No event is older, and of much larger numbers, of which infinity is one, no time can be made."""
_TRACKED: Final = "SELECT position FROM tracking WHERE partition = ?"

Before = Annotated[
    int | None, typer.Option("--before", metavar="POSITION", min=1, help="Archive the events before this position.")
]
OlderThan = Annotated[
    float | None,
    typer.Option(
        "--older-than", metavar="DAYS", min=0, max=_MOST_DAYS, help="Archive the events older than so many days."
    ),
]
Partition = Annotated[
    int | None,
    typer.Option(
        "--partition", metavar="NUMBER", min=0, help="Of several partitions, this one alone. Default: each of them."
    ),
]
PerFile = Annotated[
    int, typer.Option("--events-per-file", metavar="COUNT", min=1, help="How many events a segment holds at most.")
]


class _Bound(NamedTuple):
    """Up to where may be archived, and what says so."""

    position: int
    name: str


class _Done(NamedTuple):
    """What was archived of a partition."""

    partition: int
    made: list[Made]
    reached: int
    bound: _Bound


def archive(
    before: Before = None,
    older_than: OlderThan = None,
    partition: Partition = None,
    events_per_file: PerFile = EVENTS_PER_FILE,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Move the states of old events into files of the archive, proven against a signed checkpoint.

    The server may be running. Broken off at any point, the same command goes on; what is archived is still read through
    the ledger, for as long as the files stand where they are.
    """
    with reporting(as_json=as_json):
        if (before is None) == (older_than is None):
            advice = "Name a position, or a number of days."
            raise ProblemError(Problem("USAGE", "Either --before or --older-than is needed.", advice), USAGE)
        known = settings()
        with databases() as (log, store):
            count = log.partitions()
            if partition is None and before is not None and count > 1:
                message = f"{before} is a position, and each of the ledger's {count} partitions has one."
                raise ProblemError(Problem("USAGE", message, "Give --partition, or --older-than."), USAGE)
            if partition is not None and partition >= count:
                message = f"There is no partition {partition}: the ledger has {count}, counted from 0."
                raise ProblemError(Problem("USAGE", message, "Name one of them."), USAGE)
            wanted = range(count) if partition is None else [partition]
            directory = known.archive_dir
            with filing(directory), progress("archiving", silent=as_json) as report:
                done = [
                    _Partition(log, store, each).archive(known, directory, before, older_than, events_per_file, report)
                    for each in wanted
                ]
        if as_json:
            documents = [_document(directory, each) for each in done]
            print_document({"ok": True, "partitions": documents} if len(done) > 1 else documents[0])
        else:
            for each in done:
                _print(directory, each, several=count > 1)


class _Partition:
    """One partition, and what archives it."""

    def __init__(self, log: ArchivingLog, store: Store, partition: int) -> None:
        self._log = log
        self._store = store
        self._partition = partition

    def archive(
        self,
        known: Settings,
        directory: Path,
        before: int | None,
        older_than: float | None,
        events_per_file: int,
        report: Report,
    ) -> _Done:
        """Archive what is wanted, as far as may be; raises ProblemError, ExportError, LogError or OSError."""
        checkpoint = self._checkpoint(known)
        self._wait_for_projections(checkpoint.size)
        wanted = before - 1 if before is not None else self._older(older_than or 0)
        bound = min(_Bound(wanted, ""), *self._bounds(checkpoint))
        made: list[Made] = []
        for each in make(
            self._log,
            self._partition,
            directory,
            bound.position,
            checkpoint,
            self._prove,
            events_per_file=events_per_file,
        ):
            made.append(each)
            report(self._partition, each.segment.last, bound.position)
        archived = self._log.segments(self._partition)
        return _Done(self._partition, made, archived[-1].last if archived else 0, bound)

    def _checkpoint(self, known: Settings) -> Checkpoint:
        try:
            keys = SigningKeys.load(known.signing_keys_file, create=False)
        except SigningKeysError as error:
            advice = "Correct the setting checkpoint_keys_file."
            raise ProblemError(Problem("KEYS_UNUSABLE", f"{error}.".capitalize(), advice), USAGE) from None
        origin = origin_of(known.ledger_name, self._partition)
        return signed_tree(self._log, self._partition, known.ledger_name, [key.verifier(origin) for key in keys.keys])

    def _older(self, days: float) -> int:
        reader = EventReader(self._log, self._partition)
        return reader.position_before(time.time_ns() // 1_000 - round(days * DAY))

    def _tracked(self) -> int:
        tracked = self._store.snapshot(lambda session: session.one(_TRACKED, self._partition))
        return tracked[0] if tracked else 0

    def _wait_for_projections(self, size: int) -> None:
        """Wait until the tiles, of which proofs are made, reach as far as the checkpoint."""
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while self._tracked() < size:
            if time.monotonic() > deadline:
                advice = "Start a server and wait until it has projected what it has recorded, or run `esep rebuild`."
                message = f"The projections do not reach to {size}, as the last checkpoint does."
                raise ProblemError(Problem("PROJECTIONS_BEHIND", message, advice))
            time.sleep(_PAUSE_SECONDS)

    def _bounds(self, checkpoint: Checkpoint) -> list[_Bound]:
        """Return up to where everything else reaches: what an engine or the projections have still to read stays."""
        return [
            _Bound(checkpoint.size, "the last signed checkpoint"),
            _Bound(max(0, trusted_position(self._log, self._partition) - 1), "the last snapshot"),
            _Bound(self._tracked(), "the projections"),
            _Bound(max(0, self._log.head(self._partition) - 1), "the last event"),
        ]

    def _prove(self, old: int, new: int) -> list[bytes]:
        """Make a proof from the tiles."""
        return self._store.snapshot(lambda session: prove_consistency(TileTree(session, self._partition), old, new))


def _document(directory: Path, done: _Done) -> dict[str, object]:
    return {
        "ok": True,
        "directory": str(directory),
        "partition": done.partition,
        "archived": done.reached,
        "bound_by": done.bound.name or None,
        "segments": [
            {
                "file": each.segment.file,
                "first": each.segment.first,
                "last": each.segment.last,
                "bytes": each.segment.size,
                "sha256": each.segment.sha256,
            }
            for each in done.made
        ],
        "moved_bytes": sum(each.moved for each in done.made),
    }


def _print(directory: Path, done: _Done, *, several: bool) -> None:
    out, made, bound = console(), done.made, done.bound
    if several:
        out.print(f"[bold]Partition {done.partition}[/]")
    if bound.name and bound.position:
        out.print(f"Up to position {bound.position:,} only: {bound.name} reaches no further.")
    elif bound.name:
        out.print(f"Nothing can be archived yet: {bound.name} is still to come.")
    if not made:
        out.print(f"[green]Archived up to position {done.reached:,}[/]: there is nothing more to move.")
        return
    size, moved = (sum(numbers) for numbers in zip(*((each.segment.size, each.moved) for each in made), strict=True))
    out.print(f"[green]Archived up to position {done.reached:,}[/]: {len(made)} files more in {told(str(directory))}.")
    out.print(
        f"{moved / 1e6:,.1f} MB of states left the database, {size / 1e6:,.1f} MB of files hold the whole events."
    )
