"""Events as they are exported: every value comes back, to the byte, in both encodings."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.audit.export import events
from ledger.audit.export.events import read, writer
from ledger.audit.export.files import WholeFile
from ledger.audit.export.format import (
    Encoding,
    ExportError,
    event_lines,
    figures_lines,
    read_event_lines,
    read_figures_lines,
)
from ledger.audit.source import AccountFigures

IDS = st.binary(min_size=16, max_size=16)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
ROWS = st.builds(
    Row,
    partition=st.integers(0, 2**13 - 1),
    position=st.integers(1, 2**63 - 1),
    originator_id=IDS,
    originator_version=st.integers(1, 2**31 - 1),
    topic=TEXTS,
    state=st.one_of(st.binary(max_size=60), TEXTS.map(str.encode)),
    recorded_at=st.integers(0, 2**62),
    request_id=st.none() | IDS,
    caller=TEXTS,
)


@given(st.lists(ROWS, max_size=9))
def test_lines_of_json_hold_every_value(rows: list[Row]) -> None:
    """What is written is read again as it was, line by line, also a state that is no text."""
    lines = event_lines(rows)
    assert read_event_lines(lines) == rows
    assert lines.count(b"\n") == len(rows)


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(ROWS, min_size=1, max_size=9))
@pytest.mark.parametrize("encoding", Encoding)
def test_files_hold_every_value(tmp_path_factory: pytest.TempPathFactory, encoding: Encoding, rows: list[Row]) -> None:
    """A file of either encoding holds what the leaves are hashed from."""
    path = tmp_path_factory.mktemp("file") / "events"
    write(path, encoding, rows)
    found = [row for piece in read(path, encoding) for row in piece]
    assert found == rows
    assert list(map(leaf_hash, found)) == list(map(leaf_hash, rows))


def write(path: Path, encoding: Encoding, rows: list[Row], *, at_once: int = 3) -> None:
    with WholeFile(path) as file:
        events = writer(file, encoding)
        for start in range(0, len(rows), at_once):
            events.add(rows[start : start + at_once])
        events.end()
        file.finish()


@pytest.mark.parametrize("encoding", Encoding)
def test_equal_events_make_equal_files(tmp_path: Path, encoding: Encoding, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever pieces events come, the file is the same: an export that was broken off ends as any other."""
    monkeypatch.setattr("ledger.audit.export.events._GROUP", 10)
    rows = [Row(0, each, bytes(16), 1, "t", b"{}", each, None, "c") for each in range(1, 38)]
    for at_once in (1, 10, 37):
        write(tmp_path / str(at_once), encoding, rows, at_once=at_once)
    assert len({(tmp_path / str(at_once)).read_bytes() for at_once in (1, 10, 37)}) == 1


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (b"{}", "line 2: Object missing required field"),
        (b"[1]", "line 2: Expected `object`"),
        (b'{"partition":0', "line 2: Input data was truncated"),
        (b"\xff\xfe", "line 2: "),
    ],
)
def test_a_line_that_is_no_event_is_named(tmp_path: Path, line: bytes, what: str) -> None:
    """Whoever reads a damaged file learns in which line."""
    rows = [Row(0, each, bytes(16), 1, "t", b"{}", each, None, "c") for each in (1, 2)]
    first, second = event_lines(rows).splitlines()
    path = tmp_path / "events"
    path.write_bytes(b"\n".join((first, line, second)) + b"\n")
    with pytest.raises(ExportError, match=what):
        list(read(path, Encoding.JSONL))
    path.write_bytes(first + b"\n" + second)
    with pytest.raises(ExportError, match="line 2 has no end"):
        list(read(path, Encoding.JSONL))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("state", None),
        ("state_base64", '"e30="'),
        ("originator_id", '"0"'),
        ("partition", '"0"'),
        ("position", "1.5"),
        ("more", "1"),
    ],
)
def test_a_field_that_cannot_be_is_found(field: str, value: str | None) -> None:
    """A field that is missing, too many, or of another kind makes no event."""
    line = event_lines([Row(0, 1, bytes(16), 1, "t", b"{}", 1, None, "c")])
    assert read_event_lines(line)
    kept = [part for part in line.strip()[1:-1].split(b",") if not part.startswith(f'"{field}"'.encode())]
    added = [] if value is None else [f'"{field}":{value}'.encode()]
    with pytest.raises(ValueError, match=r"."):
        read_event_lines(b"{" + b",".join([*kept, *added]) + b"}\n")


@pytest.mark.parametrize("content", [b"PAR1", b"", b"no parquet at all"])
def test_a_file_that_is_no_parquet(tmp_path: Path, content: bytes) -> None:
    """A damaged Parquet file is an error with its name."""
    path = tmp_path / "events.parquet"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"events\.parquet"):
        list(read(path, Encoding.PARQUET))


def test_a_row_group_of_large_events_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has ten thousand bulks in memory; equal events make equal files all the same."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    monkeypatch.setattr(events, "_GROUP_BYTES", 1_000)
    large = [Row(0, at, bytes(16), 1, "t", b"x" * (300 if at > 5 else 1), at, None, "c") for at in range(1, 31)]
    for name, at_once in (("one", 3), ("other", 30)):
        write(tmp_path / name, Encoding.PARQUET, large, at_once=at_once)
    found = pq.ParquetFile(tmp_path / "one").metadata
    assert [found.row_group(group).num_rows for group in range(found.num_row_groups)] == [9, 4, 4, 4, 4, 4, 1]
    pieces = list(read(tmp_path / "one", Encoding.PARQUET))
    assert [row for piece in pieces for row in piece] == large
    assert max(map(len, pieces)) == 9
    assert (tmp_path / "one").read_bytes() == (tmp_path / "other").read_bytes()


def test_parquet_of_somebody_else(tmp_path: Path) -> None:
    """A Parquet file with other columns is no export's."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    path = tmp_path / "events.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    with pytest.raises(ExportError, match="its columns are a"):
        list(read(path, Encoding.PARQUET))


@pytest.mark.parametrize(
    ("name", "values", "said"),
    [
        ("position", ["1", "2"], r"position \(string\)"),
        ("state", [[1], [2]], r"state \(list"),
        ("recorded_at", [None, None], "recorded_at"),
        ("topic", ["t", None], "a value is missing"),
    ],
)
def test_parquet_of_other_values(tmp_path: Path, name: str, values: list[object], said: str) -> None:
    """Columns of other types, and values that are missing, are no export's: nobody who reads stumbles over them."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    path = tmp_path / "events.parquet"
    write(path, Encoding.PARQUET, [Row(0, each, bytes(16), 1, "t", b"{}", each, None, "c") for each in (1, 2)])
    table = pq.read_table(path)
    pq.write_table(table.set_column(table.column_names.index(name), name, pa.array(values)), path)
    with pytest.raises(ExportError, match=said):
        list(read(path, Encoding.PARQUET))


def test_parquet_with_a_column_twice(tmp_path: Path) -> None:
    """Which of the two is meant is nobody's to say."""
    import pyarrow.parquet as pq  # noqa: PLC0415 - an extra

    path = tmp_path / "events.parquet"
    write(path, Encoding.PARQUET, [Row(0, 1, bytes(16), 1, "t", b"{}", 1, None, "c")])
    table = pq.read_table(path)
    pq.write_table(table.append_column("state", table.column("state")), path)
    with pytest.raises(ExportError, match="its columns are"):
        list(read(path, Encoding.PARQUET))


def test_parquet_without_its_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without pyarrow the error names the extra that brings it."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with WholeFile(tmp_path / "events") as file, pytest.raises(ExportError) as raised:
        writer(file, Encoding.PARQUET)
    assert raised.value.reason == "PARQUET_MISSING"
    assert "esep[parquet]" in raised.value.advice


def test_figures_hold_every_value() -> None:
    """An account's line says what is available as well, and must agree with itself."""
    figures = [
        AccountFigures(1, "bank-a", "customer", "KGS", -5, 3, 10, 1),
        AccountFigures(2, "б", "x", "Y", 0, 0, 0, 0),
    ]
    lines = figures_lines(figures)
    assert list(read_figures_lines(lines)) == figures
    assert b'"available":1,' in lines
    with pytest.raises(ValueError, match="available of account 1"):
        list(read_figures_lines(lines.replace(b'"available":1,', b'"available":2,')))
