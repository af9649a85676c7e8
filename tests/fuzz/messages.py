"""Requests that nobody has thought of: drawn from the descriptors of the contract, or made of good ones by mutation."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from google.protobuf.descriptor import FieldDescriptor as Field
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import strategies as st

from tests.rpc.extremes import BYTES, NUMBERS, TEXTS
from tests.rpc.world import new_id

_DEEPEST: Final = 4
_BOUNDS: Final = {
    Field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
    Field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
    Field.CPPTYPE_UINT64: (0, 2**64 - 1),
    Field.CPPTYPE_UINT32: (0, 2**32 - 1),
}


class Known(NamedTuple):
    """What a caller could know: ids, names and numbers that mean something to the ledger."""

    texts: tuple[str, ...]
    numbers: tuple[int, ...]


class Sent(NamedTuple):
    """A request as it goes over the wire."""

    data: bytes
    how: str


def requests(method: MethodDescriptor, good: Callable[[], Message], known: Known) -> st.SearchStrategy[Sent]:
    """Return requests of a method: wholly drawn, good ones with other fields, and good ones with broken bytes."""
    kind: Any = GetMessageClass(method.input_type)
    whole = good()
    drawn, few = _messages(kind, known, 0), _messages(kind, known, 0, most=2)

    def changed(part: Any) -> Message:
        mixed = kind()
        mixed.CopyFrom(whole)
        for field, _ in part.ListFields():
            mixed.ClearField(field.name)
        mixed.MergeFrom(part)
        return mixed  # type: ignore[no-any-return]

    return st.one_of(
        st.builds(_sent, drawn, st.booleans(), st.just("drawn")),
        st.builds(_sent, few.map(changed), st.booleans(), st.just("changed")),
        st.builds(_sent, few.map(changed), st.just(True), st.just("changed")),
        st.builds(_broken, st.just(whole.SerializeToString()), _EDITS),
        st.binary(max_size=200).map(lambda data: Sent(data, "bytes")),
    )


def _sent(message: Any, fresh: bool, how: str) -> Sent:  # noqa: FBT001 - drawn
    """Return a message to be sent; a fresh request id leads past what is answered without being decided."""
    if fresh and "request_id" in message.DESCRIPTOR.fields_by_name:
        message.request_id = new_id()
    return Sent(message.SerializeToString(), how)


_EDITS: Final = st.lists(
    st.tuples(st.integers(0, 400), st.sampled_from(("flip", "cut", "insert", "repeat")), st.binary(max_size=12)),
    min_size=1,
    max_size=4,
)


def _broken(data: bytes, edits: list[tuple[int, str, bytes]]) -> Sent:
    changed = bytearray(data)
    for place, edit, more in edits:
        at = place % (len(changed) + 1)
        match edit:
            case "flip" if at < len(changed):
                changed[at] ^= 1 << (place % 8)
            case "cut":
                del changed[at : at + len(more) + 1]
            case "repeat":
                changed[at:at] = changed[at : at + 40] * 3
            case _:
                changed[at:at] = more
    return Sent(bytes(changed), "broken")


def _messages(kind: Any, known: Known, depth: int, most: int = 6) -> st.SearchStrategy[Any]:
    fields = [field for field in kind.DESCRIPTOR.fields if depth < _DEEPEST or field.message_type is None]
    if not fields:
        return st.just(kind())

    @st.composite
    def made(draw: st.DrawFn) -> Any:
        message = kind()
        for field in draw(st.lists(st.sampled_from(fields), max_size=most, unique_by=lambda each: each.name)):
            _fill(draw, message, field, known, depth)
        return message

    return made()


def _fill(draw: st.DrawFn, message: Any, field: Any, known: Known, depth: int) -> None:
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        texts = _texts(known)
        getattr(message, field.name).update(draw(st.dictionaries(texts, texts, max_size=3)))
    elif field.message_type is not None:
        inner = _messages(GetMessageClass(field.message_type), known, depth + 1)
        if field.is_repeated:
            getattr(message, field.name).extend(draw(st.lists(inner, max_size=3)))
        else:
            getattr(message, field.name).CopyFrom(draw(inner))
    elif field.is_repeated:
        getattr(message, field.name).extend(draw(st.lists(_scalars(field, known), max_size=4)))
    else:
        setattr(message, field.name, draw(_scalars(field, known)))


def _texts(known: Known) -> st.SearchStrategy[str]:
    return st.sampled_from(known.texts) | st.sampled_from(TEXTS) | st.text(max_size=40)


def _scalars(field: Any, known: Known) -> st.SearchStrategy[Any]:
    if field.type == Field.TYPE_BYTES:
        return st.sampled_from(BYTES) | st.binary(max_size=64)
    if field.cpp_type == Field.CPPTYPE_STRING:
        return _texts(known)
    if field.cpp_type == Field.CPPTYPE_BOOL:
        return st.booleans()
    if field.cpp_type == Field.CPPTYPE_ENUM:
        return st.sampled_from([value.number for value in field.enum_type.values]) | st.sampled_from((99, -1))
    least, most = _BOUNDS[field.cpp_type]
    within = [number for number in known.numbers if least <= number <= most]
    return st.sampled_from(within) | st.sampled_from(NUMBERS[field.cpp_type]) | st.integers(least, most)


def readable(kind: Any, data: bytes) -> str:
    """Return a request for a report."""
    try:
        return str(kind.FromString(data)).strip()[:400] or "(empty)"
    except DecodeError:
        return data[:100].hex()
