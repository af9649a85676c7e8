"""The process that hashes large batches: it answers what hashing here would, and nothing is lost with it."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.log import hashing
from ledger.log.api import Log
from ledger.log.errors import VersionTaken
from ledger.log.factory import open_log
from ledger.log.hashing import LEAST_ROWS, Hashing
from ledger.log.merkle import Frontier
from ledger.log.runs import Batch
from scripts.memory import peak_bytes
from tests.ledger.log.rows import id_of, row, rows
from tests.ledger.log.test_merkle import ROWS
from tests.ledger.log.test_trees import check

MANY = 3000
DEADLINE_SECONDS = 120.0


def helper_of(log: Log) -> int | None:
    helper: int | None = log._trees.helper  # type: ignore[attr-defined]
    return helper


def append(log: Log, size: int = MANY) -> None:
    head = log.head(0)
    log.append(rows(head + 1, head + size))


def with_helper(log: Log) -> int:
    """Append until the log has its process, and return that."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while (helper := helper_of(log)) is None:
        assert time.monotonic() < deadline
        append(log, LEAST_ROWS)
        time.sleep(0.05)
    return helper


def ready(process: Hashing) -> Hashing:
    """Return it when it has been started and can be asked."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not process._at_hand():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return process


def gone(process: int) -> bool:
    """Return whether a process has ended: nobody may be there to take note of it."""
    try:
        state = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state == "Z"


def end(process: int, way: signal.Signals) -> None:
    """Kill or stop a process, unless it was given up for being slow before."""
    with suppress(ProcessLookupError):
        os.kill(process, way)


def wait_until_gone(process: int) -> None:
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not gone(process):
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module", autouse=True)
def _patient() -> Iterator[None]:
    """Have nobody give it up because the machine is busy."""
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr(hashing, "_PATIENCE_SECONDS", 60.0)
        yield


@pytest.fixture(scope="module")
def beside() -> Iterator[Hashing]:
    """Give a process that can be asked."""
    with closing(Hashing()) as process:
        yield ready(process)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it given up on soon, and another one started at once."""
    monkeypatch.setattr(hashing, "_PATIENCE_SECONDS", 0.5)
    monkeypatch.setattr(hashing, "_RESTART_SECONDS", 0.0)


def a_tree(size: int) -> Frontier:
    """Return a tree of that size with made-up edges."""
    return Frontier.load(size, b"".join(bytes([bit]) * 32 for bit in range(size.bit_count())))


def in_order(written: list[Row], size: int) -> list[Row]:
    return [each._replace(position=size + place) for place, each in enumerate(written, 1)]


@settings(deadline=None)
@given(written=st.lists(ROWS, min_size=1, max_size=90), size=st.integers(0, 2**40))
def test_any_batch(beside: Hashing, written: list[Row], size: int) -> None:
    """Whatever the rows of a batch are, and whatever stands before them, the tree is the one hashed here."""
    with pytest.MonkeyPatch.context() as few:
        few.setattr(hashing, "LEAST_ROWS", 1)
        grown = beside.begin(a_tree(size), Batch(in_order(written, size)))
    assert grown is not None
    assert grown() == a_tree(size).grown([leaf_hash(each) for each in in_order(written, size)])


@pytest.mark.parametrize("_time", range(6))
def test_large_batches(beside: Hashing, _time: int) -> None:
    """Batches of thousands, of one kind of event or of many, give the tree hashed here."""
    random = Random(seed := Random().getrandbits(32))
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    size = random.choice([0, 1, random.randrange(1 << 30)])
    mixed = random.choice([0.0, 0.001, 0.5])
    written = [
        row(
            size + place,
            request=place if random.random() < mixed else None,
            version=2 if random.random() < mixed else 1,
            topic="hold.placed.v1" if random.random() < mixed else "transfer.posted.v1",
            caller=random.choice(["till", "каса", ""]) if random.random() < mixed else "till-7",
            state=random.randbytes(random.randrange(300)),
        )
        for place in range(1, random.choice([LEAST_ROWS, 2048, 2049, 8000, 20_000]) + 1)
    ]
    grown = beside.begin(a_tree(size), Batch(written))
    assert grown is not None
    assert grown() == a_tree(size).grown([leaf_hash(each) for each in written])
    assert beside.helper is not None


def test_a_log_has_one_from_its_first_large_batch(log: Log) -> None:
    """Small appends start no process, the first large one does and does not wait for it; it ends with the log."""
    append(log, LEAST_ROWS - 1)
    assert log._trees._hashing._process is None  # type: ignore[attr-defined]
    process = with_helper(log)
    append(log)
    check(log)
    assert helper_of(log) == process
    log.close()
    assert gone(process)


@pytest.mark.usefixtures("impatient")
def test_killed(log: Log) -> None:
    """A process that was killed is missed by one batch, which is hashed here, with one line in the log."""
    first = with_helper(log)
    os.kill(first, signal.SIGKILL)
    with capture_logs() as said:
        append(log)
    check(log)
    assert [line["event"] for line in said] == ["hasher.lost"]
    assert with_helper(log) != first
    check(log)


@pytest.mark.usefixtures("impatient")
def test_stopped(log: Log) -> None:
    """A process that was stopped holds an append up for a while and not for ever, and is ended."""
    process = with_helper(log)
    os.kill(process, signal.SIGSTOP)
    append(log, 30_000)
    append(log)
    check(log)
    wait_until_gone(process)


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
def test_killed_under_load(log: Log) -> None:
    """However often it is killed or stopped while batches go in, every one of them is in the log and in the tree."""
    random = Random(seed := Random().getrandbits(32))
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    for _ in range(5):
        process = with_helper(log)
        way = random.choice([signal.SIGKILL, signal.SIGSTOP])
        killer = threading.Timer(random.random() / 10, end, (process, way))
        killer.start()
        while not gone(process):
            append(log, random.randrange(LEAST_ROWS, 6000))
        killer.join()
    assert log.acknowledged(0) == check(log)


@pytest.mark.parametrize(
    "answer",
    ["bytes(65536)", "b'x' * 31", "b''", "bytes(range(256)) * 9"],
    ids=["nothing right", "too little", "nothing", "too much"],
)
@pytest.mark.usefixtures("impatient")
def test_a_wrong_answer(monkeypatch: pytest.MonkeyPatch, log: Log, answer: str) -> None:
    """A process that says something else, or says it too short or too long, is not believed."""
    program = (
        "import socket, time; s = socket.socket(fileno=0); s.sendall(b'\\x06'); s.recv(1 << 24)\n"
        f"s.sendall({answer}); s.shutdown(socket.SHUT_WR)\n"
        "while s.recv(1 << 24): pass"
    )
    monkeypatch.setattr(hashing, "_COMMAND", (sys.executable, "-c", program))
    process = ready(log._trees._hashing).helper or 0  # type: ignore[attr-defined]
    with capture_logs() as said:
        append(log)
    check(log)
    assert [line["event"] for line in said] == ["hasher.lost"]
    wait_until_gone(process)


@pytest.mark.usefixtures("impatient")
def test_an_answer_in_drops(monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """A process that goes on answering, and never ends, is given up like one that says nothing."""
    program = (
        "import socket, time; s = socket.socket(fileno=0); s.sendall(b'\\x06'); s.recv(1 << 24)\n"
        "while True: s.sendall(b'x'); time.sleep(0.3)"
    )
    monkeypatch.setattr(hashing, "_COMMAND", (sys.executable, "-c", program))
    process = ready(log._trees._hashing).helper or 0  # type: ignore[attr-defined]
    began = time.monotonic()
    with capture_logs() as said:
        append(log)
    assert time.monotonic() - began < 60, "all of its answer takes some three minutes"
    assert [(line["event"], line["reason"]) for line in said] == [("hasher.lost", "it does not answer")]
    check(log)
    wait_until_gone(process)


def test_no_process_can_be_started(monkeypatch: pytest.MonkeyPatch, log: Log) -> None:
    """Where no process can be started, batches are hashed here, and it is not tried at each of them."""
    monkeypatch.setattr(hashing, "_COMMAND", ("/nowhere/python",))
    monkeypatch.setattr(hashing, "_RESTART_SECONDS", 3_600.0)
    with capture_logs() as said:
        for _ in range(3):
            append(log)
    check(log)
    assert [line["event"] for line in said] == ["hasher.lost"]


def test_an_append_that_fails(log: Log) -> None:
    """What is said of a batch that was refused is not taken for the next one's, and nothing stays open."""
    log.append([row(1, originator=7)])
    process = with_helper(log)
    head = log.head(0)
    for _ in range(2):
        with pytest.raises(VersionTaken):
            log.append([*rows(head + 1, head + MANY), row(head + MANY + 1, originator=7)])
        assert log.acknowledged(0) == check(log)
    append(log)
    assert log.acknowledged(0) == check(log)
    assert helper_of(log) == process


def test_two_writers(log: Log, rival: Log) -> None:
    """Logs do not share a process, and large batches in turns are one tree."""
    assert with_helper(log) != with_helper(rival)
    for writer in (log, rival, rival, log):
        append(writer)
        check(writer)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="looks into /proc")
def test_it_holds_nothing(log: Log) -> None:
    """The process has its standard files and the shared memory open, nothing of the log's, and does not grow."""
    process = with_helper(log)
    for _ in range(3):
        append(log, 8000)
    before = peak_bytes(process)
    for _ in range(20):
        append(log, 8000)
    assert helper_of(log) == process
    assert peak_bytes(process) - before < 8 << 20
    held = {int(each.name): str(each.readlink()) for each in Path(f"/proc/{process}/fd").iterdir()}
    assert {number for number, name in held.items() if not name.startswith("/memfd:esep-hasher")} == {0, 1, 2}


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into /proc")
def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    """A process whose parent is killed ends by itself, also in the middle of a batch."""
    program = (
        "import sys\n"
        "from ledger.log import hashing\n"
        "from ledger.log.factory import open_log\n"
        "from tests.ledger.log.test_hashing import append, with_helper\n"
        "hashing._PATIENCE_SECONDS = 60.0\n"
        "log = open_log(sys.argv[1])\n"
        "print(with_helper(log), flush=True)\n"
        "while True: append(log)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, f"sqlite:///{tmp_path / 'log.db'}"],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
    ) as parent:
        assert parent.stdout is not None
        process = int(parent.stdout.readline())
        assert not gone(process)
        parent.kill()
    wait_until_gone(process)
    with closing(open_log(f"sqlite:///{tmp_path / 'log.db'}")) as again:
        check(again)


def test_an_event_unlike_the_others(log: Log) -> None:
    """A later event of an aggregate in a large batch is hashed with its own version, request and caller."""
    with_helper(log)
    head = log.head(0)
    written = rows(head + 1, head + MANY)
    written[17] = written[17]._replace(originator_version=3, request_id=id_of(5), caller="other", topic="t.v1")
    log.append(written)
    assert log.acknowledged(0) == check(log)
