"""How a process of the ledger writes its lines, and what it leaves behind when it ends."""

import json
import os
import pty
import signal
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

_CRASH = """
import ctypes
from ledger.logging import configure_logging

def read_address_zero():
    ctypes.string_at(0)

configure_logging("json")
read_address_zero()
"""

_LINE = """
import sys
import structlog
from ledger.logging import configure_logging

configure_logging(sys.argv[1])
for _ in range(int(sys.argv[3]) if sys.argv[3:] else 1):
    structlog.get_logger("esep.test").info("call", code="OK", **eval(sys.argv[2]))
print("went on", flush=True)
"""


def written(style: str, values: str = "{}") -> str:
    """Return the one line that a process writes to a pipe."""
    program = [sys.executable, "-c", _LINE, style, values]
    return subprocess.run(program, capture_output=True, text=True, check=True).stderr


def test_a_process_that_native_code_ends_says_where_it_was() -> None:
    """A segmentation fault ends a process at once: what it was about stands in its output all the same."""
    ended = subprocess.run([sys.executable, "-c", _CRASH], capture_output=True, text=True, check=False)
    assert ended.returncode == -signal.SIGSEGV
    assert "Segmentation fault" in ended.stderr
    assert "in read_address_zero" in ended.stderr


@pytest.mark.parametrize("style", ["auto", "json"])
def test_a_line_for_a_machine_is_an_object(style: str) -> None:
    """What is no terminal is a machine."""
    text = written(style, "{'method': '/esep', 'duration_ms': 0.5}")
    assert text.endswith("}\n")
    line = json.loads(text)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "call", "level": "info", "code": "OK", "method": "/esep", "duration_ms": 0.5}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (r"'\udcff'", "\udcff"),
        ("2**70", 2**70),
        ("object", "<class 'object'>"),
        ("b'\\xff'", "/w=="),
        (r"{'\udcff': 2**70, (1, 2): object}", None),
    ],
    ids=["half a character", "a large number", "anything", "bytes", "keys that are no texts"],
)
def test_no_value_keeps_a_line_from_being_written(value: str, told: object) -> None:
    """Nor the call from being answered that it is about."""
    line = json.loads(written("json", f"{{'value': {value}}}"))
    assert (line["event"], line["code"]) == ("call", "OK")
    assert told is None or line["value"] == told


@pytest.mark.parametrize("style", ["console", "json"])
@pytest.mark.parametrize("output", ["full disk", "nobody reads", "none"])
def test_nobody_needs_a_standard_error(style: str, output: str) -> None:
    """A process whose lines nobody takes goes on without them, and writes them nowhere else."""
    with full_disk() if output == "full disk" else pipe_without_reader() as taken:
        closing = ["sh", "-c", 'exec "$@" 2>&-', "sh"] if output == "none" else []
        program = [*closing, sys.executable, "-c", _LINE, style, "{}", "10000"]
        assert subprocess.run(program, stdout=subprocess.PIPE, stderr=taken, check=False).stdout == b"went on\n"


def full_disk() -> BinaryIO:
    """Return a file that takes nothing."""
    return Path("/dev/full").open("wb")


def pipe_without_reader() -> BinaryIO:
    """Return a pipe of which the other end is closed."""
    unread, pipe = os.pipe()
    os.close(unread)
    return os.fdopen(pipe, "wb")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_a_line_is_ascii_whatever_is_in_it(encoding: str) -> None:
    """It stays one line and one object, however standard error writes other characters."""
    program = [sys.executable, "-c", _LINE, "json", r"{'request_id': 'Ысык\u2028{\x85}\U0001f3d4'}"]
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    told = subprocess.run(program, stderr=subprocess.PIPE, env=environment, check=True).stderr
    assert told.isascii()
    assert json.loads(told)["request_id"] == "Ысык\u2028{\x85}\U0001f3d4"
    assert len(told.decode().splitlines()) == 1


def test_an_error_stands_in_its_line() -> None:
    """With where it came from."""
    line = json.loads(written("json", "{'exc_info': ValueError('broken')}"))
    assert "ValueError: broken" in line["exception"]


def test_on_a_terminal_lines_are_for_people() -> None:
    """In colours, unless JSON is asked for."""
    for style, begins in (("auto", b"\x1b"), ("json", b"{")):
        ours, theirs = pty.openpty()
        subprocess.run([sys.executable, "-c", _LINE, style, "{}"], stderr=theirs, check=True)
        os.close(theirs)
        assert os.read(ours, 4096).startswith(begins)
        os.close(ours)
    assert "[info" in written("console")
