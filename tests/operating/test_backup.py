"""Backups as docs/operating/backup.md makes them: what comes back is true, and what does not is told."""

import os
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ledger.rpc.client import Ledger
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CUSTOMER, ACCOUNT_KIND_SETTLEMENT
from scripts.demo_client import connect_plainly
from scripts.demo_server import ROOT, ServerProcess
from tests.chaos.history import esep
from tests.chaos.postgresql import USER, PostgreSQL, binaries, own, unprivileged
from tests.chaos.run import place
from tests.operating.page import commands
from tests.serving import open_account, server_on, transfer

pytestmark = pytest.mark.slow

PAGE = commands(ROOT / "docs" / "operating" / "backup.md")
COMMAND_SECONDS = 240.0


def move(ledger: Ledger, accounts: tuple[int, int], times: int) -> int:
    """Move money so many times; return the last position."""
    return [transfer(ledger, *accounts, 100) for _ in range(times)][-1]


def keep_checkpoint(server: ServerProcess, note: Path) -> None:
    assert esep(server.environment, "audit", "checkpoint", note).status == 0


def verified(server: ServerProcess, note: Path) -> tuple[int, str]:
    """Verify the history that a server has, as the page says; return the status and what was said, in one line."""
    command, option, _ = PAGE["verify"].removeprefix("esep ").rsplit(maxsplit=2)
    said = esep({**server.environment, "COLUMNS": "400"}, *command.split(), option, note)
    return said.status, " ".join(said.text.split())


def test_a_restored_file_is_told_to_lack_what_came_after_the_backup(tmp_path: Path) -> None:
    """The checkpoint that was kept says how much there was; one from before the backup misses nothing."""
    with ServerProcess(tmp_path / "live") as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            accounts = open_account(ledger, ACCOUNT_KIND_SETTLEMENT), open_account(ledger, ACCOUNT_KIND_CUSTOMER)
            saved = move(ledger, accounts, 5)
            keep_checkpoint(server, tmp_path / "before")
            back_up(tmp_path / "live", tmp_path / "backup")
            last = move(ledger, accounts, 4)
            keep_checkpoint(server, tmp_path / "after")
    with ServerProcess(tmp_path / "backup") as restored:
        assert esep(restored.environment, "rebuild").status == 0
        restored.start()
        assert verified(restored, tmp_path / "before")[0] == 0
        status, said = verified(restored, tmp_path / "after")
        assert status == 1
        head = saved + 1  # And the restored server's own first event.
        assert f"the history ends at position {head}, and {tmp_path / 'after'} says that it had {last} events" in said
        with connect_plainly(restored.address) as ledger:
            move(ledger, accounts, 6)
        assert verified(restored, tmp_path / "before")[0] == 0
        status, said = verified(restored, tmp_path / "after")
        assert status == 1
        assert "missing" not in said


def back_up(live: Path, to: Path) -> None:
    """Copy the databases beside a running server, as the page does."""
    to.mkdir()
    for name in ("log.db", "vault.db", "access.db"):
        with closing(sqlite3.connect(live / name)) as source, closing(sqlite3.connect(to / name)) as copy:
            source.backup(copy)
    for name in ("master-keys.json", "checkpoint-keys.json"):
        (to / name).write_bytes((live / name).read_bytes())
        (to / name).chmod(0o600)


@pytest.fixture
def archived() -> Iterator[tuple[PostgreSQL, Path]]:
    """Give a PostgreSQL server that archives its log, and the place of everything."""
    with place() as directory:
        own(directory / "backup")
        own(directory / "lib")
        database = PostgreSQL(directory / "db", {"max_wal_size": "32MB"})
        database.create()
        try:
            database.start()
            with database.connect() as connection:
                connection.execute("CREATE DATABASE esep")
            run("archive", directory)
            database.stop()
            database.start()
            yield database, directory
        finally:
            database.stop()


@pytest.mark.postgres
def test_postgresql_comes_back_as_of_an_instant_and_as_of_the_end(
    archived: tuple[PostgreSQL, Path], tmp_path: Path
) -> None:
    """To an instant, with what came after it told as missing; and to the last commit, with nothing missing."""
    database, directory = archived
    with server_on(url(directory, "db"), tmp_path / "server") as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            accounts = open_account(ledger, ACCOUNT_KIND_SETTLEMENT), open_account(ledger, ACCOUNT_KIND_CUSTOMER)
            move(ledger, accounts, 5)
            run("basebackup", directory)
            move(ledger, accounts, 5)
            keep_checkpoint(server, tmp_path / "before")
            instant = now(database)
            move(ledger, accounts, 5)
            keep_checkpoint(server, tmp_path / "after")
    archive_everything(database, directory)
    database.stop()

    status, said = restored(directory, tmp_path, instant, "before")
    assert (status, "missing" in said) == (0, False)
    status, said = restored(directory, tmp_path, instant, "after")
    assert status == 1, said
    assert "are missing" in said
    assert restored(directory, tmp_path, None, "after")[0] == 0


def restored(directory: Path, tmp_path: Path, instant: str | None, note: str) -> tuple[int, str]:
    """Restore to an instant, or to the end; rebuild, serve, and verify against a checkpoint."""
    run("recover", directory, instant)
    there = directory / "lib"
    database = PostgreSQL(there, {"hot_standby": "off"}, data=there / "restored")
    try:
        database.start()
        with server_on(url(directory, "lib"), tmp_path / "server") as server:
            assert esep(server.environment, "rebuild").status == 0
            assert esep(server.environment, "forget").status == 0
            server.start()
            return verified(server, tmp_path / note)
    finally:
        database.stop()
        subprocess.run(["rm", "-rf", there / "restored"], check=True)


def run(name: str, directory: Path, instant: str | None = None) -> None:
    """Run a command of the page with our own places in it, as PostgreSQL's user."""
    text = PAGE[name].replace("/backup", str(directory / "backup")).replace("/var/lib", str(directory / "lib"))
    if instant is None:
        text = "\n".join(line for line in text.splitlines() if "recovery_target" not in line)
    variables = {"ESEP_DATABASE_URL": url(directory, "db"), "INSTANT": instant or ""}
    path = f"{binaries()}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-euc", text],
        cwd=directory,
        env={"PATH": path, "HOME": str(directory), **variables},
        timeout=COMMAND_SECONDS,
        check=True,
        **unprivileged(),
    )


def url(directory: Path, name: str) -> str:
    return f"postgresql://{USER}@/esep?host={directory / name}"


def now(database: PostgreSQL) -> str:
    with database.connect() as connection:
        found = connection.execute("SELECT clock_timestamp()::text").fetchone()
        assert found is not None
        return str(found[0])


def archive_everything(database: PostgreSQL, directory: Path) -> None:
    """Let what was written be archived, as it is within a minute by itself."""
    with database.connect() as connection:
        # Named before the switch, which does nothing where PostgreSQL has just switched by itself.
        found = connection.execute("SELECT pg_walfile_name(pg_create_restore_point('everything'))").fetchone()
        assert found is not None
        connection.execute("SELECT pg_switch_wal()")
        deadline = time.monotonic() + COMMAND_SECONDS
        while not (directory / "backup" / "wal" / found[0]).exists():
            assert time.monotonic() < deadline, "nothing is archived"
            time.sleep(0.05)
