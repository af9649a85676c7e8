"""Runs of rows: what is told by few values is the same rows again, on every store."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.ports import Row
from ledger.log.api import Log
from ledger.log.packing import CopyPacker
from ledger.log.runs import Batch, Run
from tests.ledger.log.rows import id_of, row, rows

DIFFERENT: dict[str, dict[str, Any]] = {
    "partition": {"partition": 1},
    "originator_version": {"originator_version": 2},
    "topic": {"topic": "transfer.declined.v1"},
    "recorded_at": {"recorded_at": 1},
    "request_id": {"request_id": id_of(7)},
    "caller": {"caller": "till-8"},
}


def pieces(written: list[Row]) -> list[Run | Sequence[Row]]:
    return Batch(written).pieces()


def told(piece: Run | Sequence[Row]) -> list[Row]:
    """Return the rows that a piece stands for."""
    if not isinstance(piece, Run):
        return list(piece)
    first, ids = piece.first, piece.originator_ids
    assert piece.joined_states == b"".join(piece.states)
    assert piece.lengths.tolist() == [len(state) for state in piece.states]
    return [
        first._replace(
            position=first.position + index,
            originator_id=ids[16 * index : 16 * (index + 1)],
            state=state,
            recorded_at=first.recorded_at + index,
        )
        for index, state in enumerate(piece.states)
    ]


def test_transfers_in_a_row_are_one_run() -> None:
    """First events of one topic and caller, a microsecond apart, are told by their ids and states."""
    (run,) = pieces(rows(1, 500))
    assert isinstance(run, Run)
    assert told(run) == rows(1, 500)


def test_few_rows_are_no_run() -> None:
    """A short append goes as it is."""
    assert pieces(rows(1, 5)) == [rows(1, 5)]


@pytest.mark.parametrize("field", ["originator_version", "request_id"])
def test_what_is_no_first_event_under_its_own_id_is_no_run(field: str) -> None:
    """Later events, and those with a request id beside their own, go as they are, however alike they be."""
    written = [one._replace(**DIFFERENT[field]) for one in rows(1, 500)]
    assert pieces(written) == [written]


@pytest.mark.parametrize("field", DIFFERENT)
@pytest.mark.parametrize("index", [0, 250, 499])
def test_a_row_that_differs_keeps_what_is_its_own(field: str, index: int) -> None:
    """A row that shares something less with the others is never told by them."""
    written = rows(1, 500)
    written[index] = written[index]._replace(**DIFFERENT[field])
    cut = pieces(written)
    assert [one for piece in cut for one in told(piece)] == written
    assert sum(len(piece) for piece in cut if isinstance(piece, Run)) >= 498


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, 150), st.sampled_from(["a", "b"]), st.integers(1, 2)), max_size=6))
def test_pieces_stand_for_the_rows(stretches: list[tuple[int, str, int]]) -> None:
    """However rows are cut, the pieces are the rows again, in their order."""
    written: list[Row] = []
    time = 0
    for count, caller, step in stretches:
        time += step
        for _ in range(count):
            time += 1
            written.append(row(len(written) + 1, caller=caller)._replace(recorded_at=time))
    assert [one for piece in pieces(written) for one in told(piece)] == written


def test_stretches_behind_one_another_are_runs_each() -> None:
    """Batches of several calls in one append are a run each."""
    later = [one._replace(recorded_at=one.recorded_at + 1) for one in rows(101, 200)]
    assert [type(piece) for piece in pieces([*rows(1, 100), *later])] == [Run, Run]


@pytest.mark.parametrize("state", [b"", b'{"reference":"\xc3\xa9"}', bytes(300)], ids=["empty", "text", "long"])
def test_a_run_is_read_back(log: Log, state: bytes) -> None:
    """Every log keeps the rows of a run as those of any other append, whatever the lengths of their states."""
    written = [row(position, state=state[: position % (len(state) + 1)]) for position in range(1, 400)]
    written[:3] = [row(position, request=position) for position in (1, 2, 3)]
    log.append(written)
    assert log.read(0, 0, 1_000) == written


def test_a_run_is_packed_as_its_rows_are() -> None:
    """The COPY of many rows is the same bytes, packed together or one by one."""
    written = [row(position, state=bytes(position % 90)) for position in range(1, 400)]
    packer = CopyPacker()
    one_by_one = [packer.pack(Batch([one]))[19:-2] for one in written]
    assert packer.pack(Batch(written))[19:-2] == b"".join(one_by_one)
