"""What every log holds to be true of its rows, checked where they are written and where they are read."""

from collections.abc import Sequence

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.log.errors import LogBroken, TailChanged


def check_appended(rows: Sequence[Row]) -> None:
    """Raise ValueError unless the rows are of one partition and follow one another."""
    first, last = rows[0], rows[-1]
    if first.partition != last.partition:
        raise ValueError(f"an append is of one partition, not of {first.partition} and {last.partition}")
    if first.position < 1 or last.position - first.position != len(rows) - 1:
        raise ValueError(f"{len(rows)} rows cannot stand at positions {first.position} to {last.position}")


def check_tail(found: Row | None, tail: bytes) -> None:
    """Raise TailChanged unless the event found before new rows is the one that they were decided after."""
    if (leaf_hash(found) if found is not None else b"") != tail:
        raise TailChanged("the log does not end with the event that was seen last")


def check_read(rows: Sequence[Row], after: int) -> None:
    """Raise LogBroken when positions are missing from rows read after ``after``."""
    if rows and rows[-1].position - after != len(rows):
        check_positions(rows[0].partition, [row.position for row in rows], after)


def check_positions(partition: int, positions: Sequence[int], after: int) -> None:
    """Raise LogBroken when positions are missing from those read after ``after``."""
    if positions and positions[-1] - after != len(positions):
        missing = next(wanted for wanted, position in enumerate(positions, after + 1) if position != wanted)
        raise LogBroken(f"partition {partition} has no event at position {missing}, but later ones")
