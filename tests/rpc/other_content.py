"""A request with one of its fields changed into something else that the method would take."""

from collections.abc import Iterator
from typing import Any, Final

from google.protobuf.message import Message

NOT_CONTENT: Final = {"request_id", "validate_only", "expected_version", "return_cvv"}
"""Fields that are how something is asked, not what."""
SECRETS: Final = {"cvv", "code", "password", "pin", "cryptogram"}
"""Fields that leave no trace, so that nothing can tell them from others."""
TRIED: Final = {("/esep.v1.CardBindingService/ConfirmCardBinding", "amount_tyiyn")}
"""Such fields that are named otherwise."""
OTHER_ACCOUNT: Final = "654321"
"""What is put into a map: a value that a service takes as somebody's account too."""
_FREE_TEXTS: Final = {"explanation", "name", "card_name", "reference", "operator", "full_name", "payer_name", "ky"}


def changed(method: str, request: Any, fresh: Any) -> Iterator[tuple[str, Any]]:
    """Yield the request with each field that it fills taken from another that succeeds, or changed by a little."""
    for path in _paths(request):
        if NOT_CONTENT & set(path) or SECRETS & set(path) or (method, path[-1]) in TRIED:
            continue
        other = type(request)()
        other.CopyFrom(request)
        if _change(_at(other, path[:-1]), path[-1], _at(fresh, path[:-1])):
            yield ".".join(path), other


def _paths(message: Any) -> Iterator[tuple[str, ...]]:
    """Yield the path of every field that is filled; of a message within, those of its fields."""
    for field, value in message.ListFields():
        if field.message_type is not None and not field.is_repeated:
            yield from ((field.name, *path) for path in _paths(value))
        else:
            yield (field.name,)


def _at(message: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        message = getattr(message, name)
    return message


def _change(message: Message, name: str, theirs: Message) -> bool:
    """Put another value into a field; False where there is none at hand."""
    field = message.DESCRIPTOR.fields_by_name[name]
    value, other = getattr(message, name), getattr(theirs, name)
    if field.is_repeated:
        if field.message_type is None:
            return _change_entry(value, name)
        if not field.message_type.GetOptions().map_entry:
            return False
        value[next(iter(value))] = OTHER_ACCOUNT
        return True
    if value != other and type(other) is type(value) and other:
        setattr(message, name, other)
    elif isinstance(value, bool):
        return False
    elif isinstance(value, int) and field.enum_type is None and name.endswith(("tyiyn", "seconds")):
        setattr(message, name, value + 1)
    elif isinstance(value, str) and name in _FREE_TEXTS:
        setattr(message, name, f"{value} x")
    else:
        return False
    return True


def _change_entry(column: Any, name: str) -> bool:
    """Change the first entry of a column that is free to be another."""
    if name.endswith("_tyiyn"):
        column[0] += 1
    elif name == "references":
        column[0] += " x"
    else:
        return False
    return True
