"""The log of privileged reads: nothing is taken out of it, and what was changed in it shows."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from ledger.audit.access import AccessLog, AccessLogBrokenError, Note, accesses, check, digest
from ledger.log.errors import LogUnavailable
from ledger.log.factory import open_tables

FIELDS = {"at": 9, "caller": "x", "role": "x", "method": "x", "request": "x", "digest": bytes(32)}


def note(number: int, caller: str = "ada") -> Note:
    return Note(number, caller, "auditor", "AuditService/ReadEvents", f'{{"first_position": "{number}"}}')


@pytest.fixture
def log(store_url: str) -> Iterator[AccessLog]:
    """Give an empty log of reads."""
    opened = AccessLog(open_tables(store_url))
    yield opened
    opened.close()


def everything(log: AccessLog, **wanted: object) -> list[int]:
    return [access.number for access in log.read(after=0, upto=1_000, limit=1_000, **wanted)]  # type: ignore[arg-type]


def test_reads_are_numbered_without_gaps(log: AccessLog) -> None:
    """In the order in which they were noted, as they were noted."""
    written = [log.note(note(each)) for each in range(1, 4)]
    assert log.read(after=0, upto=3, limit=10) == written
    assert [access.number for access in written] == [1, 2, 3]
    assert log.head() == 3
    check(written)


def test_several_servers_note_in_one_log(store_url: str) -> None:
    """Their rows stand one after another in one chain, none twice and none lost."""
    servers = [AccessLog(open_tables(store_url)) for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda each: servers[each % 2].note(note(each)), range(40)))
    found = servers[0].read(after=0, upto=100, limit=100)
    for server in servers:
        server.close()
    assert sorted(access.note.at for access in found) == list(range(40))
    check(found)


def test_reads_are_found_by_caller_and_time(log: AccessLog) -> None:
    """From a time on, and before another; page by page."""
    for each in range(1, 7):
        log.note(note(each, "ada" if each % 2 else "bob"))
    assert everything(log, caller="ada") == [1, 3, 5]
    assert everything(log, start=2, end=5) == [2, 3, 4]
    assert [access.number for access in log.read(after=2, upto=5, limit=2)] == [3, 4]


@pytest.mark.parametrize("field", FIELDS)
def test_a_row_that_is_changed_shows(log: AccessLog, field: str) -> None:
    """Whatever is changed in it, behind the ledger's back."""
    for each in range(1, 4):
        log.note(note(each))
    with log._engine.begin() as connection:
        connection.execute(update(accesses).where(accesses.c.number == 2).values({field: FIELDS[field]}))
    with pytest.raises(AccessLogBrokenError) as broken:
        check(log.read(after=0, upto=3, limit=3))
    assert broken.value.number == 2


def test_a_row_that_is_taken_out_shows(log: AccessLog) -> None:
    """The rows after it do not follow from the ones before it, even when they are numbered anew."""
    for each in range(1, 5):
        log.note(note(each))
    with log._engine.begin() as connection:
        connection.execute(delete(accesses).where(accesses.c.number == 2))
        connection.execute(update(accesses).where(accesses.c.number == 3).values(number=2))
        connection.execute(update(accesses).where(accesses.c.number == 4).values(number=3))
    with pytest.raises(AccessLogBrokenError) as broken:
        check(log.read(after=0, upto=3, limit=3))
    assert broken.value.number == 2


def test_a_later_part_is_checked_against_a_digest_that_was_kept(log: AccessLog) -> None:
    """Whoever wrote a digest down needs nothing from before it."""
    written = [log.note(note(each)) for each in range(1, 6)]
    assert check(written[3:], before=written[2].digest, number=4) == written[-1].digest
    with pytest.raises(AccessLogBrokenError):
        check(written[3:], before=written[1].digest, number=4)


def test_the_digest_is_as_documented() -> None:
    """Frozen: digests that somebody wrote down must be found again by every later version."""
    assert digest(bytes(32), 1, note(1)).hex() == "40b5fdb5987555349dba9bc3a8659fe27b0e7bec4f057a3290d8eb5c16fc201e"


def test_a_log_that_is_gone_says_so(tmp_path: Path) -> None:
    """As a LogUnavailable, without the driver's own text."""
    log = AccessLog(open_tables(f"sqlite:///{tmp_path / 'access.db'}"))
    with log._engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE audit_accesses")
    with pytest.raises(LogUnavailable, match="OperationalError"):
        log.note(note(1))
    log.close()
