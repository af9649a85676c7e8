"""Signs of life and snapshots, over each kind of store."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection, Engine

from ledger.log import housekeeping
from ledger.log.api import Log, Mail


def test_no_beat(log: Log) -> None:
    """A partition that nobody owned has no sign of life."""
    assert log.last_beat(0) is None


def test_beat(log: Log, rival: Log) -> None:
    """A sign of life tells another server who gave it, and how long ago."""
    log.beat(0, "first")
    log.beat(1, "other")
    beat = rival.last_beat(0)
    assert beat is not None
    assert beat.owner == "first"
    assert 0 <= beat.age_seconds < 60


def test_a_beat_tells_where_its_owner_is_reached(log: Log, rival: Log) -> None:
    """The address goes with the owner: who says none is reached nowhere, whoever was before."""
    log.beat(0, "first", "10.0.0.1:50051")
    beat = rival.last_beat(0)
    assert beat is not None
    assert beat.address == "10.0.0.1:50051"
    rival.beat(0, "second")
    beat = log.last_beat(0)
    assert beat is not None
    assert beat.address == ""


def test_beat_is_renewed(log: Log, rival: Log) -> None:
    """The last sign of life counts, whoever gave it."""
    log.beat(0, "first")
    rival.beat(0, "second")
    beat = log.last_beat(0)
    assert beat is not None
    assert beat.owner == "second"


def test_release(log: Log) -> None:
    """An owner's goodbye is forgotten life; a stranger's changes nothing."""
    log.beat(0, "first")
    log.release(0, "second")
    assert log.last_beat(0) is not None
    log.release(0, "first")
    assert log.last_beat(0) is None


def test_no_snapshot(log: Log) -> None:
    """There is no snapshot before the first one."""
    assert log.load_snapshot(0, upto=10) is None


@pytest.mark.parametrize("size", [0, 1, 100, 101, 1000])
def test_snapshot(log: Log, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """A snapshot comes back whole, of however many chunks it was made."""
    monkeypatch.setattr(housekeeping, "CHUNK_BYTES", 100)
    data = bytes(i % 251 for i in range(size))
    log.save_snapshot(0, 7, data)
    assert log.load_snapshot(0, upto=7) == (7, data)


def test_newest_snapshot(log: Log) -> None:
    """The newest snapshot that is not too new is loaded; only the last two are kept."""
    for position in (10, 20, 30):
        log.save_snapshot(0, position, b"%d" % position)
    log.save_snapshot(1, 5, b"other")
    assert log.load_snapshot(0, upto=99) == (30, b"30")
    assert log.load_snapshot(0, upto=29) == (20, b"20")
    assert log.load_snapshot(0, upto=19) is None
    assert log.load_snapshot(1, upto=99) == (5, b"other")


def test_snapshot_again(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot saved again at its position replaces the first, even if it is shorter."""
    monkeypatch.setattr(housekeeping, "CHUNK_BYTES", 2)
    log.save_snapshot(0, 10, b"abcdef")
    log.save_snapshot(0, 10, b"xyz")
    assert log.load_snapshot(0, upto=10) == (10, b"xyz")


def test_unfinished_snapshot(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """A snapshot whose writer stopped before its last chunk does not exist, and the one before it still does."""
    monkeypatch.setattr(housekeeping, "CHUNK_BYTES", 2)
    log.save_snapshot(0, 10, b"abc")
    run = housekeeping.Housekeeping._run
    calls = iter(["clear", "chunk", "chunk"])

    def run_until_stopped(
        self: housekeeping.Housekeeping, work: Callable[[Connection], object], engine: Engine | None = None
    ) -> object:
        if next(calls, None) is None:
            raise KeyboardInterrupt
        return run(self, work, engine)

    monkeypatch.setattr(housekeeping.Housekeeping, "_run", run_until_stopped)
    with pytest.raises(KeyboardInterrupt):
        log.save_snapshot(0, 20, b"abcdef")
    monkeypatch.undo()
    assert log.load_snapshot(0, upto=99) == (10, b"abc")


def test_a_ledger_has_one_partition_unless_it_is_made_with_more(log: Log, rival: Log) -> None:
    """Who asks first makes it; the number stays, and whoever wants another is told."""
    assert log.partitions() == 1
    assert rival.partitions(1) == 1
    with pytest.raises(ValueError, match="made with 1 partitions"):
        rival.partitions(4)


def test_a_ledger_keeps_the_number_of_partitions_that_it_was_made_with(log: Log, rival: Log) -> None:
    """Whoever names none gets it, whoever names another is refused."""
    assert log.partitions(4) == 4
    assert rival.partitions() == 4
    with pytest.raises(ValueError, match="cannot have 1"):
        rival.partitions(1)


def test_mail_is_read_until_it_is_taken_in(log: Log, rival: Log) -> None:
    """A letter told twice is one letter; each partition has its own, and dropping some leaves the others."""
    letters = [Mail(0, 7), Mail(0, 9), Mail(2, 7)]
    log.send_mail(1, letters)
    log.send_mail(1, letters[:1])
    log.send_mail(3, letters[:1])
    assert sorted(rival.read_mail(1, 10)) == letters
    assert len(rival.read_mail(1, 2)) == 2
    rival.drop_mail(1, letters[:2])
    assert log.read_mail(1, 10) == letters[2:]
    assert log.read_mail(3, 10) == letters[:1]
