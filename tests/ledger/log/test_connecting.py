"""Everything connects to PostgreSQL alike: to the host that may be written to, and not for ever to one that is dead."""

import os
import resource
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import OperationalError

from ledger.log.connecting import CONNECTION_DEFAULTS, completed, connect, connection_parameters
from ledger.log.errors import LogUnavailable
from ledger.log.factory import open_log, open_tables
from ledger.log.postgres import PostgresLog
from ledger.settings import Settings
from tests.ledger.log.rows import row
from tests.waiting import eventually

SEVERAL = "postgresql://esep@127.0.0.1:1,127.0.0.1:2/esep"


def test_other_tables_than_the_log_s_may_be_on_several_hosts_as_well() -> None:
    """Each host of the url is tried, with its own port, as libpq reads it."""
    engine = open_tables(SEVERAL)
    with pytest.raises(OperationalError) as failed, engine.connect():
        pass
    assert "port 1 failed" in str(failed.value)
    assert "port 2 failed" in str(failed.value)


@pytest.mark.postgres
def test_a_database_that_may_only_be_read_is_not_taken(postgres_url: str) -> None:
    """After a failover the old primary, or a standby that the url names first, is left for the one that can write."""
    only_read = completed(f"{postgres_url}&options=-c%20default_transaction_read_only%3Don")
    with pytest.raises(LogUnavailable, match="read-only"):
        open_log(only_read)
    engine = open_tables(only_read)
    with pytest.raises(OperationalError, match="read-only"), engine.connect():
        pass


@pytest.mark.postgres
def test_a_process_without_files_to_spare_cannot_connect(postgres_url: str) -> None:
    """With room for the socket and for nothing to wait with, the failure is one of the driver's, as any other."""
    parameters, (soft, hard) = connection_parameters(postgres_url), resource.getrlimit(resource.RLIMIT_NOFILE)
    connect(parameters).close()  # What is imported at the first time opens files as well.
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free + 1, hard))
    try:
        with pytest.raises(psycopg.OperationalError, match="Too many open files"):
            connect(parameters)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


class Hosts:
    """Three hosts that are asked as psycopg would ask them: one is the primary, some keep whoever asks waiting."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.primary = "db1"
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self._now = 0.0
        monkeypatch.setattr(psycopg, "connect", self._answer)
        monkeypatch.setattr(time, "monotonic", lambda: self._now)

    def _answer(self, *, host: str, port: str, connect_timeout: int, **_given: Any) -> str:
        self.asked.append(f"{host}:{port}")
        if host in self.silent:
            self._now += float(connect_timeout)
            raise psycopg.errors.ConnectionTimeout(f"{host} does not answer")
        if host != self.primary:
            raise psycopg.OperationalError(f"{host} is read-only")
        return host

    def connect(self, url: str) -> tuple[object, str]:
        """Return what is connected to, or the failure, and who was asked in which order."""
        self.asked.clear()
        try:
            found: object = connect(connection_parameters(url))
        except psycopg.OperationalError as error:
            found = str(error)
        return found, " ".join(self.asked)


def test_a_host_that_is_gone_does_not_stand_before_the_new_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the last time is asked first, the one that kept waiting last, each of them for two seconds."""
    hosts, url = Hosts(monkeypatch), "postgresql://esep@db1:5,db2:6,db3:7/esep"
    assert hosts.connect(url) == ("db1", "db1:5")
    hosts.primary = "db3"
    assert hosts.connect(url) == ("db3", "db1:5 db2:6 db3:7")
    assert hosts.connect(url) == ("db3", "db3:7")
    hosts.primary, hosts.silent = "", {"db3"}
    failure = "db3 does not answer; db1 is read-only; db2 is read-only"
    assert hosts.connect(url) == (failure, "db3:7 db1:5 db2:6")
    assert hosts.connect(url)[1] == "db1:5 db2:6 db3:7"
    hosts.primary = "db2"
    assert hosts.connect(url) == ("db2", "db1:5 db2:6")
    assert hosts._now == 4.0


@pytest.mark.postgres
def test_the_host_that_answered_last_is_asked_first(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is gone costs its time once, not at every connection."""
    said = conninfo_to_dict(postgres_url)
    parameters = {**said, "host": f"/nowhere,{said['host']}", "port": f"1,{said.get('port', 5432)}"}
    connect(parameters).close()
    asked: list[Any] = []
    really = psycopg.connect

    def note(**given: Any) -> psycopg.Connection[Any]:
        asked.append(given["host"])
        return really(**given)

    monkeypatch.setattr(psycopg, "connect", note)
    connect(parameters).close()
    assert asked == [said["host"]]


@pytest.mark.postgres
def test_a_lost_writer_takes_every_connection_with_it(postgres_url: str) -> None:
    """After a failover each of them would wait for the old primary by itself, one after the other."""
    log = open_log(postgres_url)
    assert isinstance(log, PostgresLog)
    log.append([row(1)])
    log.beat(0, "somebody")
    log.head(0)
    with psycopg.connect(postgres_url, autocommit=True) as administrator:
        before = backends(administrator)
        writer = log._writing().connection.info.backend_pid
        assert len(before) == 3
        administrator.execute("SELECT pg_terminate_backend(%s)", [writer])
        with pytest.raises(LogUnavailable):
            log.append([row(2)])
        eventually(lambda: not before & backends(administrator))
    log.append([row(2)])
    log.close()


def backends(administrator: psycopg.Connection[Any]) -> set[int]:
    """Return the database's processes that serve others."""
    sql = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND backend_type = 'client backend'"  # A vacuum that the server begins by itself is none.
    )
    return {pid for (pid,) in administrator.execute(sql).fetchall()}


def test_projections_notice_a_dead_database_as_soon_as_the_log_does() -> None:
    """They are handed a url that says so."""
    said = conninfo_to_dict(Settings(database_url=SEVERAL).read_url)
    assert said["host"] == "127.0.0.1,127.0.0.1"
    defaults = {**CONNECTION_DEFAULTS, "connect_timeout": 2}
    assert {name: said[name] for name in defaults} == {name: str(value) for name, value in defaults.items()}


def test_what_the_url_says_itself_stands(tmp_path: Path) -> None:
    """A default is not forced upon anybody, and SQLite has none."""
    url = "postgresql://esep@db.example/esep?connect_timeout=1&target_session_attrs=any"
    said = conninfo_to_dict(completed(url))
    assert (said["connect_timeout"], said["target_session_attrs"]) == ("1", "any")
    assert completed(completed(url)) == completed(url)
    sqlite = f"sqlite:///{tmp_path / 'log.db'}"
    assert completed(sqlite) == sqlite
