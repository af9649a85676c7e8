"""In which partition something was made: the one that a request names, else the one in which its id is found.

An id is unique within a partition, and whoever makes something chooses it: the same one may stand for a transfer in one
partition and for an account, a bulk or another's transfer in another.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple

from domain.bulk import BulkPosted
from domain.crossing import TransferSent
from domain.ports import Row
from domain.refusals import Refused, invalid
from domain.transfer import TransferPosted
from ledger.rpc.intake import parsed
from ledger.rpc.outcomes import Outcomes

Topics = Collection[str]
"""The topics of the first event of what is looked for; empty where any outcome will do."""

ANYTHING: Final[Topics] = ()
A_BULK: Final[Topics] = (BulkPosted.TOPIC,)
A_TRANSFER: Final[Topics] = (TransferPosted.TOPIC, TransferSent.TOPIC)


class Which(NamedTuple):
    """What a request says of several things under one id."""

    partition: int | None
    """The one that it names, None where it names none."""
    request_id: bytes | None
    """The id under which it may be recorded already: what it was about then it is about again."""


def which(request: Any) -> Which:
    """Return which one a request means; what only reads has no id of its own."""
    partition = request.partition if request.HasField("partition") else None
    return Which(partition, parsed(getattr(request, "request_id", "")))


def check_partition(partition: int, partitions: Collection[int], field: str = "partition") -> None:
    """Raise Refused for a partition that the ledger does not have."""
    if partition not in partitions:
        raise Refused(invalid(field, "UNKNOWN", f"is not one of the ledger's partitions, 0 to {len(partitions) - 1}"))


def find_home(
    outcomes_of: Mapping[int, Outcomes], made_id: bytes, topics: Topics, caller: str, request_id: bytes | None
) -> int | None:
    """Return the partition in which something was made under an id; raises Refused where the caller made several.

    Of several it is the one whose partition has recorded the request before: a request sent again is a repeat for ever.
    It is the caller's own, else what was recorded first: nobody can hide a transfer behind one of theirs, neither from
    who made it nor from others who may read it. None where there is no such thing. Blocking: called in a thread.
    """
    first_rows = [row for outcomes in outcomes_of.values() if (row := _first_row(outcomes, made_id)) is not None]
    fitting = [row for row in first_rows if not topics or row.topic in topics]
    own = sorted(row.partition for row in fitting if row.caller == caller)
    if len(own) > 1 and request_id not in {None, made_id}:
        own = [home for home in own if outcomes_of[home].position(request_id) is not None] or own
    if len(own) > 1:
        several = f"is required: there is one of yours under this id in each of {', '.join(map(str, own))}"
        raise Refused(invalid("partition", "AMBIGUOUS", several))
    if own:
        return own[0]
    first = min(fitting, key=lambda row: (row.recorded_at, row.partition), default=None)
    return None if first is None else first.partition


def _first_row(outcomes: Outcomes, made_id: bytes) -> Row | None:
    """Return the event that was recorded first under an id, None where there is none."""
    position = outcomes.position(made_id)
    return None if position is None else outcomes.rows(position - 1, 1)[0]
