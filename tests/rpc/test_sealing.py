"""Seals of forwarded calls: believed as they were made, by the server they were made for, once."""

from hashlib import sha256
from itertools import pairwise
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from domain.refusals import Reason, Refused
from ledger.rpc.callers import Caller, Role
from ledger.rpc.sealing import LEEWAY_SECONDS, MAX_SEAL, Forwarded, Seals, read_forwarding_keys

OLD, NEW = b"o" * 32, b"n" * 32
METHOD, REQUEST = "/esep.v1.TransferService/CreateTransfer", b"what is asked"
HERE, THERE = "10.0.0.1:50051", "10.0.0.2:50051"
BANK = Caller("core.bank-a", Role.BANK, "bank-a")
APP = Caller("app", Role.APP, "", bytes(range(16)))


class Clock:
    """The time of one server."""

    def __init__(self) -> None:
        self.seconds = 1_900_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def seals(clock: Clock, *keys: bytes) -> Seals:
    return Seals(lambda: keys or (OLD,), clock=clock)


def sealed(clock: Clock, who: Caller = BANK, *keys: bytes) -> bytes:
    return seals(clock, *keys).seal(who, HERE, THERE, METHOD, REQUEST)


def opened(
    at: Seals, seal: object, *, method: str = METHOD, request: bytes = REQUEST, receiver: str = THERE
) -> Forwarded:
    return at.open(seal, method, sha256(request).digest(), receiver)


def distrusted(at: Seals, seal: object, **other: object) -> str:
    """Return what the log says of a seal that is not believed."""
    with capture_logs() as lines, pytest.raises(Refused) as refused:
        opened(at, seal, **other)  # type: ignore[arg-type]
    assert refused.value.refusal.reason is Reason.UNAUTHENTICATED
    assert not refused.value.refusal.metadata
    (line,) = lines
    assert line["event"] == "forwarded.refused"
    return str(line["problem"])


@pytest.mark.parametrize("who", [BANK, APP])
def test_a_seal_tells_who_calls(clock: Clock, who: Caller) -> None:
    """Name, role, participant and customer arrive as they were sealed, and so does who forwards."""
    said = opened(seals(clock), sealed(clock, who))
    assert (said.who, said.sender) == (who, HERE)


def test_a_seal_is_for_one_call_to_one_server(clock: Clock) -> None:
    """It fits no other method, request or server."""
    seal, at = sealed(clock), seals(clock)
    another = "sealed by none of our servers, or for another call"
    assert distrusted(at, seal, method="/esep.v1.TransferService/ReverseTransfer") == another
    assert distrusted(at, seal, request=b"something else") == another
    assert distrusted(at, seal, receiver=HERE) == "meant for another server"
    assert opened(at, seal).who == BANK


def test_nothing_of_a_seal_can_be_changed(clock: Clock) -> None:
    """Whichever of its bytes is another one, it is not believed."""
    seal, at = sealed(clock), seals(clock)
    for index in range(len(seal)):
        changed = bytearray(seal)
        changed[index] ^= 1
        assert "none of our servers" in distrusted(at, bytes(changed))


@pytest.mark.parametrize(
    "seal", [None, "text", b"", b"x" * 32, b"x" * (MAX_SEAL + 1), b"x" * 100_000], ids=lambda seal: repr(seal)[:12]
)
def test_what_is_no_seal_is_not_looked_at(clock: Clock, seal: object) -> None:
    """Neither what is too short to be one, nor what is too long."""
    assert distrusted(seals(clock), seal) == "not a seal"


def test_a_seal_is_believed_once(clock: Clock) -> None:
    """Who has seen one gets nothing by it, for as long as it counts; the same call is sealed anew every time."""
    at, seal = seals(clock), sealed(clock)
    clock.seconds -= LEEWAY_SECONDS  # It came from a server whose clock is ahead.
    assert opened(at, seal).who == BANK
    assert opened(at, sealed(clock)).who == BANK
    for _ in range(2 * LEEWAY_SECONDS):
        assert distrusted(at, seal) == "seen before"
        opened(at, sealed(clock))  # Others come meanwhile.
        clock.seconds += 1
    clock.seconds += 1
    assert distrusted(at, seal) == "too old, or from the future"


def test_a_seal_is_believed_once_though_others_are_forgotten(clock: Clock) -> None:
    """What was seen is let go in turns, and none of them before its seals have ceased to count."""
    at = seals(clock)
    opened(at, sealed(clock))
    clock.seconds += 2 * LEEWAY_SECONDS - 1
    seal = sealed(clock)
    opened(at, seal)
    for _ in range(2):
        clock.seconds += LEEWAY_SECONDS / 2
        opened(at, sealed(clock))
        assert distrusted(at, seal) == "seen before"


@pytest.mark.parametrize("seconds", [-LEEWAY_SECONDS - 1, LEEWAY_SECONDS + 1])
def test_a_seal_counts_for_a_moment(clock: Clock, seconds: int) -> None:
    """Clocks may be apart by the leeway, and no more."""
    seal = sealed(clock)
    clock.seconds += seconds
    assert distrusted(seals(clock), seal) == "too old, or from the future"


def test_a_key_is_exchanged(clock: Clock) -> None:
    """The first key seals, all are believed: no call is refused on the way from the old one to the new one."""
    stages = [(OLD,), (OLD, NEW), (NEW, OLD), (NEW,)]
    for one, next_one in pairwise(stages):
        assert opened(seals(clock, *next_one), sealed(clock, BANK, *one)).who == BANK
        assert opened(seals(clock, *one), sealed(clock, BANK, *next_one)).who == BANK
    assert "none of our servers" in distrusted(seals(clock, NEW), sealed(clock, BANK, OLD))


def test_nobody_is_the_developer_outside_development(clock: Clock) -> None:
    """Not even with a seal of the right key."""
    developer = Caller("dev", Role.DEVELOPER)
    assert distrusted(seals(clock), sealed(clock, developer)) == "a role of development"
    there = Seals.of(None)
    assert opened(there, Seals.of(None).seal(developer, HERE, THERE, METHOD, REQUEST)).who == developer


@pytest.mark.parametrize(
    ("content", "mode", "problem"),
    [
        ("", 0o600, "holds no key"),
        ("\n \n", 0o600, "holds no key"),
        ("secret-" * 5 + "\nsecret", 0o600, "fewer than 32 characters"),
        ("secret-" * 5, 0o640, "chmod 600"),
    ],
)
def test_a_file_of_keys_that_will_not_do_is_told_of(tmp_path: Path, content: str, mode: int, problem: str) -> None:
    """What is wrong is said, without a word of the keys."""
    file = tmp_path / "forwarding-keys"
    file.write_text(content)
    file.chmod(mode)
    with pytest.raises(ValueError, match=problem) as wrong:
        Seals.of(file)
    assert "secret" not in str(wrong.value)


def test_a_file_holds_a_key_on_each_line(tmp_path: Path) -> None:
    """Whatever ends the lines."""
    file = tmp_path / "forwarding-keys"
    file.touch(0o600)
    file.write_bytes(NEW + b"\r\n" + OLD)
    assert read_forwarding_keys(file) == (NEW, OLD)
    with pytest.raises(FileNotFoundError):
        Seals.of(tmp_path / "nowhere")
