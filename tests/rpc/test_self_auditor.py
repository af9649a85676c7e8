"""The self-audit of a server that owns several partitions: each is audited by itself, and its alarm names it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prometheus_client import CollectorRegistry
from sqlalchemy import update

from ledger.audit.self_audit import Audited, Pace, load
from ledger.audit.verify.findings import Check
from ledger.log.factory import open_tables
from ledger.log.schema import events
from ledger.rpc.self_auditor import SelfAuditProcess, file_of
from ledger.rpc.settings import ChildSettings
from tests.rpc.test_audit_partitions import Ground, ground, head_of

PATIENCE = 60.0

__all__ = ["ground"]


def eventually(wanted: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not wanted():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextmanager
def auditing(tmp_path: Path, url: str, registry: CollectorRegistry) -> Iterator[SelfAuditProcess]:
    """Give the audit of both partitions, running beside the servers."""
    pace = Pace(1.0, again_seconds=0.1)
    told = ChildSettings(url, tmp_path / "archive", url, "json", 0, tmp_path / "self-audit.json", pace, (0, 1))
    process = SelfAuditProcess(told)
    process.show(registry, several=True)
    process.start()
    try:
        yield process
    finally:
        process.stop(PATIENCE)  # It is the last to be given a processor, and keeps what it has found.


def test_each_partition_is_audited_and_its_alarm_is_its_own(ground: Ground, tmp_path: Path, store_url: str) -> None:
    """Crossings and all agree; an event of partition 1 that is changed is told of partition 1, over a restart too."""
    registry = CollectorRegistry()

    def shown(name: str, partition: int) -> float | None:
        return registry.get_sample_value(f"esep_self_audit_{name}", {"partition": str(partition)})

    with auditing(tmp_path, store_url, registry) as process:
        for partition in (0, 1):
            head = head_of(ground, partition)
            eventually(lambda: process.audited(partition).position >= head)  # noqa: B023 - waited for at once
            assert process.audited(partition).finding is None
            assert (shown("position", partition), shown("difference", partition)) == (head_of(ground, partition), 0)
        assert process.audited(2) == Audited()
        tables = open_tables(store_url)
        with tables.begin() as connection:
            change = update(events).where(events.c.partition == 1, events.c.position == 3)
            connection.execute(change.values(caller="nobody"))
        tables.dispose()
        eventually(lambda: process.audited(1).finding is not None)
        found = process.audited(1).finding
        assert found is not None
        assert (found.check, found.position) == (Check.LEAVES, 3)
        assert [shown("difference", each) for each in (0, 1)] == [0, 1]
        assert process.audited(0).finding is None
    assert load(file_of(tmp_path / "self-audit.json", 1)).finding == found
    assert load(tmp_path / "self-audit.json").finding is None
    with auditing(tmp_path, store_url, CollectorRegistry()) as process:
        assert process.audited(1).finding == found
        eventually(lambda: process.audited(0).position == head_of(ground, 0))
