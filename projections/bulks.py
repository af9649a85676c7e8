"""The legs of bulks as rows of movements, worked out over arrays.

Each leg is a row like that of any transfer, and holds what both accounts had right after it.
"""

from typing import Any

import numpy as np

from domain.bulk import BulkPosted, posted_legs, posted_numbers
from domain.movements import effective_time
from domain.ports import Row
from projections.answers import Source
from projections.batch import Ledger
from projections.columns import Columns
from projections.lines import place_of
from projections.running import run_through


def bulk_columns(ledger: Ledger, row: Row, event: BulkPosted) -> Columns:
    """Return the movements of a bulk that moves something, and carry the figures of its accounts forward."""
    legs, numbers = posted_legs(event), posted_numbers(event)
    happened = effective_time(event, row.recorded_at)
    if happened > row.recorded_at:
        raise ValueError(f"the event at position {row.position} happened after it was recorded")
    late = None if happened == row.recorded_at else happened
    places = place_of(row.position, 0) + np.asarray(numbers, np.int64)
    references: Any = [event.references[number] for number in numbers.tolist()] if event.references else ""
    return (
        row.partition,
        row.position,
        numbers,
        *run_through(ledger, legs, places, 0 if late is None else row.recorded_at - late),
        row.recorded_at,
        late,
        event.kind,
        row.originator_id,
        int(Source.BULK),
        references,
        "",
    )
