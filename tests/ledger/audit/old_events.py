"""A log with events of several kinds, and all that archiving them needs, without a server."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.audit.archiving import Made, archive
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.log.api import ArchivingLog
from ledger.log.factory import open_tables
from ledger.log.schema import events
from tests.ledger.log.rows import id_of, row
from tests.ledger.log.trees import naive_consistency, naive_root

COUNT = 60
UPTO = 50
PER_FILE = 8
ORIGIN = "esep.kg/test/0"


def recorded(count: int = COUNT) -> list[Row]:
    """Return transfers, one of them of many lines, a hold with several events, and an account that lives on."""
    made = []
    for position in range(1, count + 1):
        match position % 5:
            case 0:
                version = position // 5
                made.append(row(position, originator=1, version=version, topic="account.frozen.v1", state=b'{"why":1}'))
            case 1:
                hold = {"originator": 2, "version": 1 + position // 5, "topic": "authorization.incremented.v1"}
                made.append(row(position, request=500 + position, caller="bank-б", **hold))  # type: ignore[arg-type]
            case 2:
                made.append(
                    row(position, request=500 + position, topic="bulk.posted.v1", state=b"[%d]" % position * 900)
                )
            case _:
                made.append(row(position, state=b'{"amount":%d}' % position))
    return made


def checkpoint_of(rows: Sequence[Row]) -> Checkpoint:
    """Return the tree of rows as it would be signed."""
    return Checkpoint(ORIGIN, len(rows), naive_root([leaf_hash(each) for each in rows]))


def run(
    log: ArchivingLog, rows: Sequence[Row], directory: Path, upto: int = UPTO, per_file: int = PER_FILE
) -> list[Made]:
    """Archive up to a position what a log should hold; return what was moved."""
    leaves = [leaf_hash(each) for each in rows]

    def prove(old: int, new: int) -> list[bytes]:
        return naive_consistency(old, leaves[:new])

    return list(archive(log, 0, directory, upto, checkpoint_of(rows), prove, events_per_file=per_file))


def seen(log: ArchivingLog, rows: Sequence[Row]) -> dict[str, Any]:
    """Return everything that a log answers of these rows."""
    aggregates = {each.originator_id for each in rows}
    ids = [each.originator_id for each in rows] + [each.request_id for each in rows if each.request_id is not None]
    return {
        "rows": log.read(0, 0, len(rows) + 1),
        "one by one": [log.read(0, after, 1) for after in range(len(rows))],
        "aggregates": {key: log.aggregate(0, key) for key in aggregates},
        "in part": log.aggregate(0, id_of(2), upto_version=4),
        "found": log.find(0, ids),
        "whose": log.whose(0, "bulk.posted.v1", 0, len(rows)),
        "head": log.head(0),
        "tree": log.tree(0),
    }


def stored_states(url: str) -> dict[int, bytes]:
    """Return the states that the database itself holds, by position."""
    engine = open_tables(url)
    with engine.connect() as connection:
        found = {
            each.position: bytes(each.state) for each in connection.execute(select(events.c.position, events.c.state))
        }
    engine.dispose()
    return found
