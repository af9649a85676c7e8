"""How answers are printed: tables and amounts for people, one JSON document for machines."""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

_MINOR_UNITS: Final = 100
_WIDTH: Final = 160


def console() -> Console:
    """Return where answers are printed; as wide as a table needs where there is no terminal to ask."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else _WIDTH)


def told(text: str) -> str:
    """Return what somebody else has said, for printing: it neither styles anything nor steers the terminal."""
    return escape("".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text))


def print_document(document: Mapping[str, Any]) -> None:
    """Print one JSON document; bytes, such as ids in tables, as hexadecimal digits."""
    sys.stdout.write(json.dumps(document, ensure_ascii=False, indent=2, default=bytes.hex) + "\n")


def money(tyiyn: int) -> str:
    """Return an amount in som: ``1 234.56``."""
    whole, rest = divmod(abs(tyiyn), _MINOR_UNITS)
    return f"{'-' if tyiyn < 0 else ''}{whole:,}".replace(",", " ") + f".{rest:02d}"


def amount(tyiyn: int) -> Text:
    """Return an amount for a table, what is owed or leaves in red."""
    return Text(money(tyiyn), "red" if tyiyn < 0 else "")


def moment(time: Timestamp, zone: ZoneInfo) -> str:
    """Return a time in the zone of the business day."""
    return time.ToDatetime(UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M:%S")


def table(title: str, *columns: str, right: tuple[str, ...] = ()) -> Table:
    """Return a calm table whose ``right`` columns hold amounts."""
    grid = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        grid.add_column(
            column, justify="right" if column in right else "left", no_wrap=column in right, overflow="fold"
        )
    return grid


def plain(message: Message) -> dict[str, Any]:
    """Return a message as JSON types: every field, 64-bit integers as numbers, times as ISO 8601 in UTC."""
    return {
        field.name: _value(field, getattr(message, field.name))
        for field in message.DESCRIPTOR.fields
        if not field.has_presence or message.HasField(field.name)
    }


def _value(field: Any, value: Any) -> Any:
    kind = field.message_type
    if kind is not None and kind.GetOptions().map_entry:
        return dict(value)
    if field.is_repeated:
        return [_single(field, each) for each in value]
    return _single(field, value)


def _single(field: Any, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return value.ToDatetime(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, Message):
        return plain(value)
    if field.enum_type is not None:
        return field.enum_type.values_by_number[value].name
    return value


def now() -> datetime:
    """Return the time of this machine."""
    return datetime.now(UTC)
