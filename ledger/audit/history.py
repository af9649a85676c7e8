"""The life of one aggregate, event by event, with what the aggregate was after each of them, for people to read."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from domain import ids
from domain.aggregate import Aggregate, evolve
from domain.customer import Customer
from domain.event import Change
from domain.ports import Row
from ledger.log.codec import decode

SEALED: Final = "[sealed]"
ERASED: Final = "[erased]"
_ID_BYTES: Final = 16


class Step(NamedTuple):
    """An event, and the aggregate after it as JSON."""

    row: Row
    state_after: str


def steps(rows: Iterable[Row]) -> Iterator[Step]:
    """Return the life that these rows are, in order from the first."""
    rows = list(rows)
    states: list[Aggregate] = []
    for row in rows:
        change = Change(row.originator_id, row.originator_version, decode(row.topic, row.state))
        states.append(evolve(states[-1] if states else None, change, row.recorded_at))
    erased = bool(states) and isinstance(states[-1], Customer) and states[-1].erased
    for row, state in zip(rows, states, strict=True):
        yield Step(row, _json(state, ERASED if erased else SEALED))


def _json(state: Aggregate, sealed: str) -> str:
    """Return an aggregate as JSON: ids as text, and what is sealed as a word."""
    content = msgspec.to_builtins(state, builtin_types=(bytes,), str_keys=True)
    return msgspec.json.encode(_readable(content, sealed)).decode()


def _readable(content: Any, sealed: str) -> Any:
    match content:
        case bytes() if len(content) == _ID_BYTES:
            return ids.format_uuid(content)
        case bytes():
            return sealed if content else ""
        case dict():
            return {_readable(key, sealed): _readable(value, sealed) for key, value in content.items()}
        case list() | tuple():
            return [_readable(value, sealed) for value in content]
        case _:
            return content
