"""Events as Parquet: the columns that exports and the archive's segments have, and a segment as bytes and back.

A segment holds whole events in the order of their positions, each with its leaf hash, so that any reader of Parquet can
prove it against a checkpoint without Esep. It is small enough to be held in memory, and cut into groups of rows, one of
which is what a look-up decodes.
"""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any, Final

from domain.leaves import leaf_hashes
from domain.ports import Row

ADVICE: Final = "pip install 'esep[parquet]'"
LEAF: Final = "leaf_hash"

_GROUP: Final = 1_024
_GROUP_BYTES: Final = 1 << 20
"""Bytes of states after which a group ends before it holds as many rows."""


def arrow() -> tuple[Any, Any]:
    """Return pyarrow and its Parquet, which are an extra; raises ImportError."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    return pa, pq


def event_fields(pa: Any) -> list[Any]:
    """Return the columns of an event."""
    return [
        pa.field("partition", pa.int32(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("originator_id", pa.binary(16), nullable=False),
        pa.field("originator_version", pa.int64(), nullable=False),
        pa.field("recorded_at", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("topic", pa.string(), nullable=False),
        pa.field("state", pa.binary(), nullable=False),
        pa.field("request_id", pa.binary(16)),
        pa.field("caller", pa.string(), nullable=False),
    ]


def rows_of(pa: Any, batch: Any) -> list[Row]:
    """Return a table, or a piece of one, as rows."""
    columns = [
        batch.column(name).cast(pa.int64()) if name == "recorded_at" else batch.column(name) for name in Row._fields
    ]
    return [Row._make(row) for row in zip(*(column.to_pylist() for column in columns), strict=True)]


def dump(rows: Sequence[Row]) -> bytes:
    """Return rows as a segment: the same bytes for the same rows, by one version of pyarrow; raises ImportError."""
    pa, pq = arrow()
    schema = pa.schema([*event_fields(pa), pa.field(LEAF, pa.binary(32), nullable=False)])
    out = pa.BufferOutputStream()
    options = {"compression": "zstd", "use_dictionary": ["topic", "caller"], "write_statistics": False}
    with pq.ParquetWriter(out, schema, store_schema=False, **options) as writer:
        for group in _groups(rows):
            by_name = dict(zip(Row._fields, zip(*group, strict=True), strict=True)) | {LEAF: leaf_hashes(group)}
            columns = [pa.array(by_name[field.name], field.type) for field in schema]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema), row_group_size=len(group))
    return bytes(out.getvalue())


def _groups(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    start = taken = 0
    for end, row in enumerate(rows, 1):
        taken += len(row.state)
        if end - start == _GROUP or taken >= _GROUP_BYTES:
            yield rows[start:end]
            start, taken = end, 0
    if start < len(rows):
        yield rows[start:]


class Loaded:
    """A segment in memory. For one thread at a time."""

    def __init__(self, data: bytes) -> None:
        """Take the bytes of a file; raises ImportError, or ValueError when they are no Parquet."""
        self._pa, pq = arrow()
        self.size = len(data)
        with self._damaged():
            self._file = pq.ParquetFile(self._pa.BufferReader(data))
            metadata = self._file.metadata
            counts = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self._starts = [0, *accumulate(counts)]

    def __len__(self) -> int:
        """Return how many events there are."""
        whole: int = self._starts[-1]
        return whole

    @property
    def groups(self) -> int:
        """How many groups there are."""
        return len(self._starts) - 1

    def group_of(self, index: int) -> tuple[int, int]:
        """Return in which group a row stands, and at which place in it, both counted from 0."""
        group = bisect_right(self._starts, index) - 1
        return group, index - self._starts[group]

    def group(self, number: int) -> list[Row]:
        """Return the rows of a group; raises ValueError."""
        with self._damaged():
            return rows_of(self._pa, self._file.read_row_group(number, columns=list(Row._fields), use_threads=False))

    def leaves(self, number: int) -> list[bytes]:
        """Return the leaf hashes that stand beside the rows of a group; raises ValueError."""
        with self._damaged():
            found: list[bytes] = (
                self._file.read_row_group(number, columns=[LEAF], use_threads=False).column(LEAF).to_pylist()
            )
            return found

    def _damaged(self) -> "_Damaged":
        return _Damaged(self._pa)


class _Damaged:
    """Says in one kind of error what pyarrow finds wrong."""

    def __init__(self, pa: Any) -> None:
        self._wrong = (pa.ArrowException, KeyError, OSError)

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> None:
        if error is not None and isinstance(error, self._wrong) and not isinstance(error, ValueError):
            raise ValueError(str(error).splitlines()[0]) from None
