"""What stands in the way of a batch beside its positions: ids and claims that the log holds and memory does not."""

from domain.aggregate import fold
from domain.ports import LogReader
from ledger.engine.batch import Batch
from ledger.engine.decider import Decider
from ledger.engine.lookup import history


def take_in_conflicts(log: LogReader, decider: Decider, failed: Batch) -> int:
    """Take in the ids and claims of an undone batch that the log already holds; return how many."""
    books, recent = decider.books, decider.recent
    taken = log.find(books.partition, failed.ids)
    for request_id, position in taken.items():
        recent.add(request_id, position, decider.recorded_at)
    claims = {row.originator_id for row in failed.rows if row.topic.startswith(("claim.", "early_reversal."))}
    found = 0
    for claim_id in claims:
        rows = log.aggregate(books.partition, claim_id)
        if rows:
            found += 1
            books.remember(claim_id, fold(history(rows)))
    books.journal.clear()
    return len(taken) + found
