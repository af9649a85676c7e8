"""A real server in a process of its own, for whoever wants to stop, pause or kill it.

Demonstration and tests drive the product from outside, as a bank would: through its settings, its one line of
readiness, its health service and signals. Nothing here reaches into the server.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Final, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

ROOT: Final = Path(__file__).resolve().parent.parent
READY: Final = "esep: listening on "
START_SECONDS: Final = 90.0
STOP_SECONDS: Final = 60.0
_KEPT_LINES: Final = 40
_POLL_SECONDS: Final = 0.02
_LAST_SECONDS: Final = 2.0
_HEALTH_SECONDS: Final = 10.0
"""So long that a server which has much to do is not taken for one that says nothing."""


class ServerError(Exception):
    """The server did not do what it was asked to; the message ends with the last it said."""


class ServerClock:
    """The file that a development server adds to its clock."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.offset_seconds = 0

    def now(self) -> float:
        """Return the server's time, in seconds since the Unix epoch."""
        return time.time() + self.offset_seconds

    def advance(self, seconds: int) -> None:
        """Let whole seconds pass at once. The file is replaced, so that nobody reads half a number."""
        self.offset_seconds += seconds
        new = self._path.with_suffix(".new")
        new.write_text(f"{self.offset_seconds}\n")
        new.replace(self._path)


def reserved_port() -> tuple[socket.socket, int]:
    """Return a port of loopback that nobody is given who asks for any, while the socket is open.

    A server that is told its number may listen there, again and again: whoever else starts meanwhile does not get it.
    """
    kept = socket.socket()
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As servers do: who only listens here may do so.
    kept.bind(("127.0.0.1", 0))
    port: int = kept.getsockname()[1]
    return kept, port


class ServerProcess:
    """``python server.py`` with settings, on a port that the system chooses at the first start."""

    def __init__(self, directory: Path, settings: Mapping[str, str] | None = None) -> None:
        self.directory = directory
        """Where its files stand, unless the settings say otherwise."""
        clock_file = directory / "clock"
        self.clock = ServerClock(clock_file)
        self.address = "127.0.0.1:0"
        """Where it listens; the same after every restart."""
        self._settings = {
            "ESEP_DEVELOPMENT": "true",
            "ESEP_DATA_DIR": str(directory),
            "ESEP_CLOCK_OFFSET_FILE": str(clock_file),
            "ESEP_CONFIG": os.devnull,
            "ESEP_SELF_AUDIT_SHARE": "0",
            **(settings or {}),
        }
        self._process: subprocess.Popen[str] | None = None
        self._said: deque[str] = deque(maxlen=_KEPT_LINES)
        self._listens = False
        self._reserved: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    def reserve(self) -> str:
        """Choose the port now, and keep it until the end; return where it will listen."""
        if self.address.endswith(":0") and sys.platform == "linux":  # Others do not let two have a port.
            self._reserved, port = reserved_port()
            self.address = f"127.0.0.1:{port}"
        return self.address

    @property
    def pid(self) -> int:
        """The id of the running process."""
        return self._running().pid

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which another program finds the same databases."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("ESEP_")}
        return {**inherited, **self._settings, "ESEP_LISTEN": self.address}

    @property
    def said(self) -> str:
        """The last lines of its output."""
        return "\n".join(self._said)

    def start(self, *, serving: bool = True) -> None:
        """Start it and wait until it listens, and with ``serving`` until its health service says so too."""
        self._listens = False
        self.reserve()
        self._process = process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-u", str(ROOT / "server.py")],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if process.stdout is None:
            raise ServerError("the output of the server cannot be read")
        listening = threading.Event()
        threading.Thread(target=self._listen, args=(process.stdout, listening), daemon=True).start()
        listening.wait(START_SECONDS)
        if not self._listens:
            with suppress(subprocess.TimeoutExpired):
                process.wait(_LAST_SECONDS)  # Its output may end a moment before it does.
            self.kill()
            raise ServerError(f"the server did not start (exit status {process.returncode})\n{self.said}")
        if serving:
            self.wait_until_serving()

    def wait_until_serving(self, timeout: float = START_SECONDS) -> None:
        """Wait until the health service answers SERVING."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.health() == "SERVING":
                return
            self._running()
            time.sleep(_POLL_SECONDS)
        raise ServerError(f"the server is not serving after {timeout:.0f} s\n{self.said}")

    def health(self) -> str:
        """Return what the health service says of the server as a whole; UNREACHABLE when it says nothing."""
        with grpc.insecure_channel(self.address) as channel:
            stub: Any = health_pb2_grpc.HealthStub(channel)  # Its annotations leave out the methods.
            try:
                answer = stub.Check(health_pb2.HealthCheckRequest(), timeout=_HEALTH_SECONDS)
            except grpc.RpcError:
                return "UNREACHABLE"
        return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))

    def stop(self) -> int:
        """Ask it to stop, wait, and return its exit code."""
        process = self._running()
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise ServerError(f"the server did not stop within {STOP_SECONDS:.0f} s\n{self.said}") from None

    def kill(self) -> None:
        """End it at once, as a power cut would. Nothing happens when it does not run."""
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()

    def pause(self) -> None:
        """Stop it in the middle of whatever it does (SIGSTOP)."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on after ``pause``, as if no time had passed (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)

    def hear(self, line: str) -> None:
        """Take in a line of its output."""
        self._said.append(line)

    def _running(self) -> subprocess.Popen[str]:
        if self._process is None or self._process.poll() is not None:
            raise ServerError(f"the server is not running\n{self.said}")
        return self._process

    def _listen(self, output: IO[str], listening: threading.Event) -> None:
        with output:
            for line in output:
                self.hear(line.rstrip())
                if line.startswith(READY):
                    self.address = line.removeprefix(READY).strip()
                    self._listens = True
                    listening.set()
        listening.set()
