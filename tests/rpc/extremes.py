"""Values at the ends of what a field can hold, and beyond what any of ours should."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

LONG: Final = 5_000
TEXTS: Final = (
    "",
    " ",
    "\0",
    "a\0b",
    "x\n",
    "e\u0301" * 40,
    "\u202eабв",
    "\U0001f1f0\U0001f1ec" * 20,
    "9" * LONG,
    "\u0661\u0662\u0663",
    "018f0000-0000-7000-8000-00000000000",
    "018f0000-0000-7000-8000-0000000000001",
    "018F0000-0000-7000-8000-000000000001",
    "018f0000000070008000000000000001",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
)
"""Nothing, blanks, controls, marks that combine or turn the writing, digits of another script, and near-UUIDs."""
NUMBERS: Final = {
    Field.CPPTYPE_INT64: (0, -1, 2**53, 2**62, 2**63 - 1, -(2**63)),
    Field.CPPTYPE_INT32: (0, -1, 2**31 - 1, -(2**31)),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
    Field.CPPTYPE_ENUM: (0, 99, -1),
}
BYTES: Final = (b"", b"\0", b"\xff" * 8, b"x" * LONG)
TIMES: Final = (
    Timestamp(seconds=-62_135_596_800),
    Timestamp(seconds=-62_135_596_801),
    Timestamp(seconds=253_402_300_799, nanos=999_999_999),
    Timestamp(seconds=253_402_300_800),
    Timestamp(seconds=2**63 - 1),
    Timestamp(seconds=-(2**63)),
    Timestamp(seconds=-1),
    Timestamp(nanos=-1),
    Timestamp(nanos=2**31 - 1),
)
MANY: Final = 300


class Extreme(NamedTuple):
    """A request with one field at an end of what it can hold."""

    path: str
    value: object
    request: Any


def extremes(request: Any) -> Iterator[Extreme]:
    """Yield the request with every field, filled or not, put to each of its ends, one at a time."""
    yield from _of(request, request, ())


def _of(whole: Any, part: Any, path: tuple[str | int, ...]) -> Iterator[Extreme]:
    for field in part.DESCRIPTOR.fields:
        at = (*path, field.name)
        if field.is_repeated:
            yield from _repeated(whole, part, field, at)
        elif field.message_type is None:
            yield from (_put(whole, at, value) for value in _values(field))
        elif field.message_type.full_name == Timestamp.DESCRIPTOR.full_name:
            yield from (_put(whole, at, value) for value in (None, *TIMES))
        else:
            yield _put(whole, at, None)
            yield _put(whole, at, type(getattr(part, field.name))())
            if part.HasField(field.name):
                yield from _of(whole, getattr(part, field.name), at)


def _repeated(whole: Any, part: Any, field: Field, at: tuple[str | int, ...]) -> Iterator[Extreme]:
    values = getattr(part, field.name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        for key, value in (("", ""), ("\0", "\0"), ("k" * LONG, ""), ("k", "v" * LONG), ("account", "e\u0301\0")):
            yield _put(whole, at, {key: value})
        yield _put(whole, at, {f"k{number}": "v" for number in range(MANY)})
        return
    yield _put(whole, at, [])
    if field.message_type is None:
        yield from (_put(whole, at, [value]) for value in _values(field))
        yield _put(whole, at, [_values(field)[1]] * MANY)
        return
    empty = GetMessageClass(field.message_type)()
    yield _put(whole, at, [empty])
    yield _put(whole, at, [values[0] if values else empty] * MANY)
    if values:
        yield from _of(whole, values[0], (*at, 0))


def _values(field: Field) -> tuple[Any, ...]:
    if field.cpp_type == Field.CPPTYPE_STRING:
        return BYTES if field.type == Field.TYPE_BYTES else TEXTS
    return (False, True) if field.cpp_type == Field.CPPTYPE_BOOL else NUMBERS[field.cpp_type]


def _put(whole: Message, path: tuple[str | int, ...], value: Any) -> Extreme:
    request: Any = type(whole)()
    request.CopyFrom(whole)
    at = request
    for step in path[:-1]:
        at = at[step] if isinstance(step, int) else getattr(at, step)
    name = str(path[-1])
    at.ClearField(name)
    if isinstance(value, dict):
        getattr(at, name).update(value)
    elif isinstance(value, list):
        getattr(at, name).extend(value)
    elif isinstance(value, Message):
        getattr(at, name).CopyFrom(value)
        getattr(at, name).SetInParent()
    elif value is not None:
        setattr(at, name, value)
    return Extreme(".".join(map(str, path)), value, request)
