"""Everything connects to PostgreSQL alike: to the host that may be written to, and not for ever to one that is dead."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy.exc import OperationalError

from ledger.log.connecting import CONNECTION_DEFAULTS, completed, connect
from ledger.log.errors import LogUnavailable
from ledger.log.factory import open_log, open_tables
from ledger.log.postgres import PostgresLog
from ledger.settings import Settings
from tests.ledger.engine.world import eventually
from tests.ledger.log.rows import row

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
def test_the_host_that_answered_last_is_asked_first(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that is gone costs its time once, not at every connection; and after a failure another one is first."""
    said = conninfo_to_dict(postgres_url)
    parameters = {**said, "host": f"/nowhere,{said['host']}", "port": f"1,{said.get('port', 5432)}"}
    connect(parameters).close()
    asked: list[dict[str, Any]] = []

    def refuse(**given: Any) -> None:
        asked.append(given)
        raise psycopg.OperationalError("nobody is there")

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(psycopg.OperationalError):
        connect(parameters)
    with pytest.raises(psycopg.OperationalError):
        connect(parameters)
    assert [(each["host"], each["port"]) for each in asked] == [
        (f"{said['host']},/nowhere", f"{said.get('port', 5432)},1"),
        (f"/nowhere,{said['host']}", f"1,{said.get('port', 5432)}"),
    ]


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
    sql = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    return {pid for (pid,) in administrator.execute(sql).fetchall()}


def test_projections_notice_a_dead_database_as_soon_as_the_log_does() -> None:
    """They are handed a url that says so."""
    said = conninfo_to_dict(Settings(database_url=SEVERAL).read_url)
    assert said["host"] == "127.0.0.1,127.0.0.1"
    assert {name: said[name] for name in CONNECTION_DEFAULTS} == {
        name: str(value) for name, value in CONNECTION_DEFAULTS.items()
    }


def test_what_the_url_says_itself_stands(tmp_path: Path) -> None:
    """A default is not forced upon anybody, and SQLite has none."""
    url = "postgresql://esep@db.example/esep?connect_timeout=1&target_session_attrs=any"
    said = conninfo_to_dict(completed(url))
    assert (said["connect_timeout"], said["target_session_attrs"]) == ("1", "any")
    assert completed(completed(url)) == completed(url)
    sqlite = f"sqlite:///{tmp_path / 'log.db'}"
    assert completed(sqlite) == sqlite
