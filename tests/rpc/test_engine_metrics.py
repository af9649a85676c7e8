"""What Prometheus is told of an engine. The names are API."""

import threading
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from ledger.engine.engine import Engine
from ledger.engine.modes import Mode
from ledger.log.api import Log
from ledger.log.factory import open_log
from ledger.rpc.engine_metrics import EngineMetrics
from scripts.demo_server import reserved_port
from tests.ledger.engine.faults import Fault, FaultyLog
from tests.ledger.engine.world import BRISK, Desk, HandClock
from tests.serving import server_on
from tests.waiting import eventually


class Watched(Desk):
    """A desk whose engine is watched."""

    def __init__(self, log: Log, clock: HandClock) -> None:
        super().__init__(log, clock)
        self.stop()
        self.metrics = EngineMetrics()
        self.registry = CollectorRegistry()
        self.engine = Engine(log, clock, settings=BRISK, observer=self.metrics.commits[0])
        self.metrics.watch({0: self.engine}, self.registry)
        self.engine.start()

    def sample(self, name: str, **labels: str) -> float:
        value = self.registry.get_sample_value(name, labels)
        assert value is not None, name
        return value


@pytest.fixture
def faulty(sqlite_url: str) -> Iterator[FaultyLog]:
    log = open_log(sqlite_url)
    yield FaultyLog(log)
    log.close()


@pytest.fixture
def watched(faulty: FaultyLog) -> Iterator[Watched]:
    desk = Watched(faulty.as_log(), HandClock())
    desk.serving()
    yield desk
    faulty.let_go()
    desk.stop()


def test_every_commit_is_counted_with_its_events(watched: Watched) -> None:
    """The histograms hold each commit once, and the events of all commits together are those of the log."""
    cash, one = watched.open("cash"), watched.open()
    before = watched.sample("esep_engine_commit_events_sum")
    commits = watched.sample("esep_engine_commit_seconds_count")
    watched.clock.advance(1_000)
    watched.ask_many([watched.transfer(cash, one, 1) for _ in range(7)])
    eventually(lambda: watched.sample("esep_engine_commit_events_sum") == before + 7)
    assert watched.sample("esep_engine_commit_seconds_count") == commits + 1
    assert watched.sample("esep_engine_commit_seconds_sum") > 0
    assert watched.sample("esep_engine_position") == watched.log.head(0)


def test_a_commit_that_failed_is_not_counted(watched: Watched, faulty: FaultyLog) -> None:
    """What did not become durable is in no histogram."""
    cash, one = watched.open("cash"), watched.open()
    commits = watched.sample("esep_engine_commit_seconds_count")
    watched.clock.advance(1_000)
    faulty.faults.append(Fault.FULL)
    watched.ask(watched.transfer(cash, one, 1))
    assert watched.sample("esep_engine_commit_seconds_count") == commits


def test_requests_that_wait_are_shown(watched: Watched, faulty: FaultyLog) -> None:
    """The queue's gauge counts each transfer of a batch that is not answered yet."""
    cash, one = watched.open("cash"), watched.open()
    watched.clock.advance(1_000)
    faulty.faults.append(Fault.SLOW)
    asking = threading.Thread(target=watched.ask_many, args=([watched.transfer(cash, one, 1) for _ in range(5)],))
    asking.start()
    assert faulty.hung.wait(20)
    assert watched.sample("esep_engine_queued_requests") == 5
    faulty.let_go()
    asking.join()
    eventually(lambda: watched.sample("esep_engine_queued_requests") == 0)


def test_an_engine_is_in_one_mode_and_epoch(watched: Watched) -> None:
    """Exactly one mode is 1, and the epoch counts the log's owners."""
    assert watched.sample("esep_engine_mode", mode="owner") == 1
    assert watched.sample("esep_engine_mode", mode="standby") == 0
    started = [row for row in watched.rows() if row.topic == "engine.started.v1"]
    assert watched.sample("esep_engine_epoch") == len(started) >= 1
    watched.stop()
    assert watched.sample("esep_engine_mode", mode="owner") == 0
    assert watched.sample("esep_engine_mode", mode="stopping") == 1


@pytest.mark.parametrize("owned", [(5,), (0, 1)])
def test_engines_of_a_ledger_of_several_partitions_are_told_apart(owned: tuple[int, ...]) -> None:
    """Each sample bears its partition, also where the server owns a single one: other servers own the others."""
    registry, metrics = CollectorRegistry(), EngineMetrics(owned, several=True)
    engines = {each: SimpleNamespace(mode=Mode.OWNER, epoch=each + 1, queued=0, durable=0) for each in owned}
    metrics.watch(cast("Mapping[int, Any]", engines), registry)
    for each in owned:
        metrics.commits[each].committed(3, 0.1)
        labels = {"partition": str(each)}
        assert registry.get_sample_value("esep_engine_epoch", labels) == each + 1
        assert registry.get_sample_value("esep_engine_mode", {**labels, "mode": "owner"}) == 1
        assert registry.get_sample_value("esep_engine_commit_events_sum", labels) == 3


def test_a_server_shows_its_engine(sqlite_url: str, tmp_path: Path) -> None:
    """A running server's endpoint tells of its engine and of its calls."""
    kept, port = reserved_port()
    with kept, server_on(sqlite_url, tmp_path / "server", metrics_listen=f"127.0.0.1:{port}") as server:
        server.start()
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
            names = {family.name for family in text_string_to_metric_families(answer.read().decode())}
    assert {"esep_engine_commit_seconds", "esep_engine_mode", "esep_engine_epoch", "esep_rpc_calls"} <= names
