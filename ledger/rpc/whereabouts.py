"""In which partition something was made: the one that a request names, else the one in which its id is found.

An id is unique within a partition, and whoever makes something chooses it: the same one may stand for a transfer in one
partition and for an account, a bulk or another's transfer in another.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, NamedTuple

from domain.bulk import BulkPosted
from domain.crossing import TransferSent
from domain.engine import CommandDeclined
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

    Where the request is recorded already it is that partition: a request sent again is a repeat, whatever was made
    since. Else it is the caller's own thing, else what was recorded first: nobody can hide a transfer behind one of
    theirs, neither from who made it nor from others who may read it. None where there is no such thing; of outcomes,
    which are told to their callers alone, another's is none. Blocking: called in a thread.
    """
    if request_id not in {None, made_id}:
        recorded = [row.partition for row in _first_rows(outcomes_of, request_id) if _is_about(row, made_id, caller)]
        if len(recorded) == 1:
            return recorded[0]
    fitting = [row for row in _first_rows(outcomes_of, made_id) if not topics or row.topic in topics]
    own = sorted(row.partition for row in fitting if row.caller == caller)
    if len(own) > 1:
        several = f"is required: there is one of yours under this id in each of {', '.join(map(str, own))}"
        raise Refused(invalid("partition", "AMBIGUOUS", several))
    if own or not topics:
        return own[0] if own else None
    first = min(fitting, key=lambda row: (row.recorded_at, row.partition), default=None)
    return None if first is None else first.partition


def _is_about(row: Row, made_id: bytes, caller: str) -> bool:
    """Tell whether an event records a caller's request about something, done or declined."""
    return row.caller == caller and (row.originator_id == made_id or row.topic == CommandDeclined.TOPIC)


def _first_rows(outcomes_of: Mapping[int, Outcomes], an_id: bytes) -> Iterator[Row]:
    """Yield the event that was recorded first under an id, of each partition that has one."""
    for outcomes in outcomes_of.values():
        position = outcomes.position(an_id)
        if position is not None:
            yield outcomes.rows(position - 1, 1)[0]
