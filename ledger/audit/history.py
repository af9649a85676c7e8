"""The life of one aggregate, event by event, with what the aggregate was after each of them, for people to read."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from domain import ids
from domain.aggregate import Aggregate, evolve
from domain.alias import Alias
from domain.binding import Binding
from domain.customer import ERASED, Customer
from domain.event import Change
from domain.payment import Payment
from domain.ports import Row
from ledger.log.codec import decode

SEALED: Final = "[sealed]"
_ID_BYTES: Final = 16


class Step(NamedTuple):
    """An event, and the aggregate after it as JSON."""

    row: Row
    state_after: str


def steps(rows: Iterable[Row], erased: Callable[[bytes], bool]) -> Iterator[Step]:
    """Return the life that these rows are, in order from the first; ``erased`` tells it of a customer, as of now."""
    state: Aggregate | None = None
    for row in rows:
        change = Change(row.originator_id, row.originator_version, decode(row.topic, row.state))
        state = evolve(state, change, row.recorded_at)
        whose = _whose(state)
        yield Step(row, _json(state, ERASED if whose is not None and erased(whose) else SEALED))


def _whose(state: Aggregate) -> bytes | None:
    """Return the customer under whose key something of an aggregate is sealed."""
    match state:
        case Customer():
            return state.customer_id
        case Alias() | Binding():
            return state.customer
        case Payment():
            return state.details.customer.bytes
        case _:
            return None


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
