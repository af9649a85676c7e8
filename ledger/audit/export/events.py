"""Events to files and back, as lines of JSON or as Parquet: the same values, to the byte."""

from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from domain.ports import Row
from ledger.audit.export.files import WholeFile, damaged
from ledger.audit.export.format import Encoding, ExportError, event_lines, read_event_lines
from ledger.log.parquet import ADVICE, arrow, event_fields, rows_of

_AT_ONCE: Final = 4 << 20
_LONGEST_LINE: Final = 64 << 20
"""Far more than any event has, and little enough to hold in memory."""
_GROUP: Final = 10_000
"""Events in a row group of a Parquet file, whatever pieces they come in: equal events make equal files."""
_GROUP_BYTES: Final = 64 << 20
"""Bytes of events after which a row group ends before it holds as many: a bulk has a quarter of a megabyte."""
_READ_GROUP: Final = 5_000


class EventWriter(Protocol):
    """Writes the events of one file."""

    def add(self, rows: Sequence[Row]) -> None:
        """Write more events."""
        ...

    def end(self) -> None:
        """Write whatever comes behind the last event."""
        ...


def writer(file: WholeFile, encoding: Encoding) -> EventWriter:
    """Return what writes events to a file; raises ExportError."""
    return _JsonLines(file) if encoding is Encoding.JSONL else _Parquet(file)


def read(path: Path, encoding: Encoding) -> Generator[Sequence[Row], None, None]:
    """Yield the events of a file, thousands at a time; raises ExportError for what is none."""
    return _read_lines(path) if encoding is Encoding.JSONL else _read_parquet(path)


def check_encoding(encoding: Encoding) -> None:
    """Raise ExportError unless events can be written and read so."""
    if encoding is Encoding.PARQUET:
        _arrow()


class _JsonLines:
    def __init__(self, file: WholeFile) -> None:
        self._file = file

    def add(self, rows: Sequence[Row]) -> None:
        self._file.write(event_lines(rows))

    def end(self) -> None:
        """Write nothing."""


def _read_lines(path: Path) -> Generator[Sequence[Row], None, None]:
    rest, line = b"", 1
    with path.open("rb") as file:
        while data := file.read(_AT_ONCE):
            whole, newline, rest = (rest + data).rpartition(b"\n")
            if not newline:
                if len(rest) > _LONGEST_LINE:
                    raise damaged(path, f"line {line} has no end")
                continue
            yield _rows(path, whole, line)
            line += whole.count(b"\n") + 1
    if rest:
        raise damaged(path, f"line {line} has no end")


def _rows(path: Path, lines: bytes, first: int) -> list[Row]:
    try:
        return read_event_lines(lines)
    except ValueError:
        for number, line in enumerate(lines.split(b"\n"), first):
            try:
                read_event_lines(line + b"\n")
            except ValueError as error:
                raise damaged(path, f"line {number}: {error}") from None
        raise


# Parquet.


def _arrow() -> tuple[Any, Any]:
    """Return pyarrow with its Parquet, which is an extra; raises ExportError."""
    try:
        return arrow()
    except ImportError:
        advice = f"Install the extra: {ADVICE}; or export as jsonl."
        raise ExportError("PARQUET_MISSING", "Parquet files need pyarrow, which is not installed.", advice) from None


class _Parquet:
    def __init__(self, file: WholeFile) -> None:
        self._pa, pq = _arrow()
        self._schema = _schema(self._pa)
        self._writer = pq.ParquetWriter(file, self._schema, compression="zstd", store_schema=False)
        self._waiting: list[Row] = []
        self._bytes = 0

    def add(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._waiting.append(row)
            self._bytes += len(row.state)
            if len(self._waiting) == _GROUP or self._bytes >= _GROUP_BYTES:
                self._write(self._waiting)
                self._waiting, self._bytes = [], 0

    def end(self) -> None:
        if self._waiting:
            self._write(self._waiting)
        self._writer.close()

    def _write(self, rows: Sequence[Row]) -> None:
        by_name = dict(zip(Row._fields, zip(*rows, strict=True), strict=True))
        columns = [self._pa.array(by_name[field.name], field.type) for field in self._schema]
        self._writer.write_table(self._pa.Table.from_arrays(columns, schema=self._schema))


def _schema(pa: Any) -> Any:
    return pa.schema(event_fields(pa))


def _batches(file: Any) -> Iterator[Any]:
    """Yield what a file holds in pieces, none of which reaches over the end of a row group."""
    for group in range(file.num_row_groups):
        yield from file.iter_batches(_READ_GROUP, row_groups=[group], columns=list(Row._fields))


def _read_parquet(path: Path) -> Generator[Sequence[Row], None, None]:
    pa, pq = _arrow()
    try:
        with pq.ParquetFile(path) as file:
            wanted, found = _schema(pa), file.schema_arrow
            if sorted((each.name, str(each.type)) for each in found) != sorted((e.name, str(e.type)) for e in wanted):
                raise damaged(path, f"its columns are {', '.join(f'{each.name} ({each.type})' for each in found)}")
            for batch in _batches(file):
                if any(batch.column(each.name).null_count for each in wanted if not each.nullable):
                    raise damaged(path, "a value is missing in it")
                yield rows_of(pa, batch)
    except (pa.ArrowException, ValueError, OSError) as error:
        raise damaged(path, str(error).splitlines()[0]) from None
