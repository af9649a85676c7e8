"""The server under measurement: ``server.py`` in a process of its own, on a port that the system chooses."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_PROGRAM = Path(__file__).parent.parent / "server.py"
_READY = "esep: listening on "
_START_SECONDS = 90.0
_STOP_SECONDS = 60.0
_LAST_WORDS = 20


class ServerError(Exception):
    """The server did not start; the message holds its last words."""


class Server:
    """A running server."""

    def __init__(self, process: "subprocess.Popen[bytes]", address: str, output: Path) -> None:
        self.pid = process.pid
        self.address = address
        self._process = process
        self._output = output

    @property
    def running(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def last_words(self) -> str:
        """Return the end of what the server printed."""
        return _tail(self._output)


@contextmanager
def serve(database_url: str, directory: Path, **settings: str) -> Iterator[Server]:
    """Give a server over this database, and end it with the context. ``settings`` are more of the server's own."""
    output = directory / f"server-{time.monotonic_ns()}.txt"
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ESEP_")},
        "ESEP_DEVELOPMENT": "true",
        "ESEP_DATABASE_URL": database_url,
        "ESEP_DATA_DIR": str(directory),
        "ESEP_LISTEN": "127.0.0.1:0",
        "ESEP_BENCH_METHODS": "true",
        "ESEP_CONFIG": os.devnull,
        "PYTHONUNBUFFERED": "1",
        **settings,
    }
    with output.open("wb") as sink:
        process = subprocess.Popen(
            [sys.executable, str(_PROGRAM)], env=environment, stdout=sink, stderr=subprocess.STDOUT, cwd=_PROGRAM.parent
        )
    try:
        yield Server(process, _address(process, output), output)
    finally:
        _stop(process)


def _address(process: "subprocess.Popen[bytes]", output: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        for printed in output.read_text(errors="replace").splitlines(keepends=True):
            if printed.startswith(_READY) and printed.endswith("\n"):
                return printed.removeprefix(_READY).strip()
        time.sleep(0.02)
    raise ServerError(f"the server did not start:\n{_tail(output)}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except BaseException:
        process.kill()
        process.wait()
        raise


def _tail(output: Path) -> str:
    return "\n".join(output.read_text(errors="replace").splitlines()[-_LAST_WORDS:])
