"""Rows by columns: many rows on their way into a table, with what all of them share told once."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

Columns = Sequence[Any]
"""The columns of a table in its order, each a list or an array with an entry a row, or a single value for all rows.

One at least varies, and those that do are of the same length.
"""

_COPY_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_COPY_TRAILER: Final = b"\xff\xff"
_INTEGERS: Final = {"smallint": ">i2", "integer": ">i4", "bigint": ">i8"}
_NULL: Final = -1


def is_varying(column: Any) -> bool:
    """Tell whether rows differ in a column."""
    return isinstance(column, list | np.ndarray)


def length_of(columns: Columns) -> int:
    """Return how many rows there are."""
    return next(len(column) for column in columns if is_varying(column))


def listed(column: Any, count: int) -> list[Any]:
    """Return what each of so many rows has in a column."""
    if isinstance(column, np.ndarray):
        found: list[Any] = column.tolist()
        return found
    return column if is_varying(column) else [column] * count


def rows_of(columns: Columns) -> list[tuple[Any, ...]]:
    """Return the rows one by one."""
    count = length_of(columns)
    return list(zip(*(listed(column, count) for column in columns), strict=True))


def packed_columns(types: Sequence[str], columns: Columns) -> bytes | None:
    """Return the data of PostgreSQL's binary COPY, given the types of the columns.

    None where rows are not all of one length: then there is no layout to put them in at once.
    """
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    parts: list[tuple[str, Any]] = [("fields", len(columns))]
    for number, (kind, column) in enumerate(zip(types, columns, strict=True)):
        told = _packed(kind, column)
        if told is None:
            return None
        layout, size, values = told
        fields.append((f"length_{number}", ">i4"))
        parts.append((f"length_{number}", size))
        if layout:
            fields.append((f"value_{number}", layout))
            parts.append((f"value_{number}", values))
    table = np.empty(length_of(columns), np.dtype(fields))
    for name, values in parts:
        table[name] = values
    return b"".join((_COPY_HEADER, table.tobytes(), _COPY_TRAILER))


def _packed(kind: str, column: Any) -> tuple[str, int, Any] | None:
    """Return the layout of a column's values, empty for none, their length, and the values; None where they differ."""
    if column is None:
        return "", _NULL, None
    if kind in _INTEGERS:
        layout = _INTEGERS[kind]
        return layout, int(layout[-1]), column
    if is_varying(column):
        sizes = {len(value) for value in column}
        if kind != "bytea" or len(sizes) > 1:
            return None
        size = sizes.pop()
        return (f"V{size}", size, np.frombuffer(b"".join(column), f"V{size}")) if size else ("", 0, None)
    value = column.encode() if isinstance(column, str) else column
    return (f"V{len(value)}", len(value), np.void(value)) if value else ("", 0, None)
