"""Servers that forward to each other outside development: over TLS both ways, and sealed with keys that they share."""

from collections.abc import Iterator
from contextlib import ExitStack
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from cryptography import x509
from pydantic import ValidationError
from structlog.testing import capture_logs

from ledger.rpc.callers import Caller, KnownCaller, Role
from ledger.rpc.client import Ledger, connect, credentials
from ledger.rpc.sealing import SEAL_KEY, Seals
from ledger.rpc.settings import RpcSettings
from ledger.settings import complaints
from protos.esep.v1 import account_pb2
from protos.esep.v1.account_service_pb2 import OpenAccountRequest, OpenAccountResponse
from tests.authority import Authority
from tests.rpc.neighbours import forwarded, taken_in
from tests.rpc.world import PATIENCE, World, new_id, refused
from tests.security.test_rotation import put
from tests.waiting import eventually

HERE: Final = x509.IPAddress(IPv4Address("127.0.0.1"))
LISTED: Final = {"core.bank-a": KnownCaller(role=Role.BANK, participant="bank-a")}
OPERATOR: Final = Caller("back-office", Role.OPERATOR)
METHOD: Final = "/esep.v1.AccountService/OpenAccount"
KEY, OTHER_KEY = b"k" * 40, b"o" * 40


class Place:
    """Where the files of two servers stand; clients and servers have certificates of the same authority."""

    def __init__(self, directory: Path, open_worlds: ExitStack) -> None:
        self.directory = directory
        self.ours = Authority(directory, "ours")
        self._open = open_worlds

    def keys(self, name: str, *keys: bytes) -> Path:
        """Return a file of keys."""
        file = self.directory / f"{name}-keys"
        file.touch(0o600)
        file.write_bytes(b"\n".join(keys))
        return file

    def server(self, name: str, owned: int, *keys: bytes, authority: Authority | None = None, **settings: Any) -> World:
        """Return a running server that decides for a partition."""
        certificate, key = (authority or self.ours).issue(name, HERE)
        world = World(
            self.directory,
            owned=owned,
            partitions=2,
            **{
                "development": False,
                "certificate_file": certificate,
                "key_file": key,
                "client_authorities_file": self.ours.file,
                "callers": LISTED,
                "forwarding_keys_file": self.keys(name, *(keys or (KEY,))),
                "server_authorities_file": self.ours.file,
                **settings,
            },
        )
        return self._open.enter_context(world)

    def client(self, world: World) -> Ledger:
        """Return a client that is known by its certificate as a bank."""
        shown = credentials(self.ours.file, *self.ours.issue("core.bank-a"))
        return self._open.enter_context(connect(world.address, credentials=shown))


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with ExitStack() as open_worlds:
        yield Place(tmp_path, open_worlds)


def opening() -> OpenAccountRequest:
    return OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=account_pb2.ACCOUNT_KIND_CUSTOMER)


def open_account(client: Ledger) -> OpenAccountResponse:
    answer: OpenAccountResponse = client.accounts.OpenAccount(opening(), timeout=PATIENCE)
    return answer


def test_a_call_is_forwarded_over_tls(place: Place) -> None:
    """The owner hears whose certificate the caller has shown; the server's own opens it the door."""
    here, there = place.server("first", 0), place.server("second", 1)
    assert open_account(place.client(there)).receipt.caller == "core.bank-a"
    assert (taken_in(here), forwarded(there)) == (1, {"OK": 1})


def test_nobody_else_says_who_calls(place: Place) -> None:
    """A client that seals its own calls, or has seen a seal, is answered UNAUTHENTICATED: whatever it seals with."""
    here = place.server("first", 0)
    client = place.client(here)
    ours = Seals.of(place.keys("copied", KEY))
    request, there = opening(), "127.0.0.1:1"
    body = request.SerializeToString()

    def sent(seal: bytes, what: OpenAccountRequest = request, method: Any = client.accounts.OpenAccount) -> Any:
        return method(what, metadata=((SEAL_KEY, seal),), timeout=PATIENCE)

    def made(by: Seals = ours, receiver: str = here.address, method: str = METHOD) -> bytes:
        return by.seal(OPERATOR, there, receiver, method, body)

    seen = made()
    forgeries = {
        "another key": made(Seals.of(place.keys("guessed", OTHER_KEY))),
        "development": made(Seals.of(None)),
        "for another server": made(receiver=there),
        "for another method": made(method="/esep.v1.AccountService/CloseAccount"),
        "nothing": b"",
        "noise": bytes(range(200)),
        "too large": bytes(2_000),
    }
    for forgery, seal in forgeries.items():
        answer = refused(lambda seal=seal: sent(seal))  # type: ignore[misc]
        assert (forgery, answer.reason) == (forgery, "UNAUTHENTICATED")
        assert not answer.metadata.keys() - {"recorded"}
    assert refused(lambda: sent(seen, opening())).reason == "UNAUTHENTICATED"
    assert taken_in(here) == 0
    assert sent(seen).receipt.caller == OPERATOR.name  # Whoever has the key is a server of ours.
    assert refused(lambda: sent(seen)).reason == "UNAUTHENTICATED"
    assert taken_in(here) == 1


def test_a_seal_says_nothing_where_nothing_is_forwarded(place: Place) -> None:
    """A server without keys looks at no seal: the caller is whom its certificate names."""
    here = place.server("first", 0, forwarding_keys_file=None, server_authorities_file=None)
    request = opening()
    seal = Seals.of(None).seal(OPERATOR, "127.0.0.1:1", here.address, METHOD, request.SerializeToString())
    client = place.client(here)
    answer = client.accounts.OpenAccount(request, metadata=((SEAL_KEY, seal),), timeout=PATIENCE)
    assert answer.receipt.caller == "core.bank-a"
    assert not taken_in(here)


def test_servers_that_share_no_key(place: Place) -> None:
    """The caller is told to come again, the log says why; with the key of both it is forwarded, without a start."""
    here, there = place.server("first", 0), place.server("second", 1, OTHER_KEY)
    client = place.client(there)
    with capture_logs() as lines:
        assert refused(lambda: open_account(client)).reason == "OWNER_UNREACHABLE"
    events = {line["event"] for line in lines}
    assert {"forwarded.refused", "forwarding.distrusted"} <= events
    assert taken_in(here) == 0
    put(place.directory / "first-keys", KEY + b"\n" + OTHER_KEY)
    eventually(lambda: is_open(client))


def is_open(client: Ledger) -> bool:
    """Open an account; tell whether that was done."""
    try:
        open_account(client)
    except grpc.RpcError:
        return False
    return True


@pytest.mark.parametrize("stranger", ["first", "second"])
def test_a_server_of_another_authority(place: Place, stranger: str) -> None:
    """Neither is it forwarded to, nor does it forward: nothing of the call leaves."""
    others = Authority(place.directory, "others")
    worlds = {
        name: place.server(
            name,
            owned,
            authority=others if name == stranger else None,  # It takes ours itself: the other one has to refuse.
        )
        for owned, name in enumerate(("first", "second"))
    }
    shown = credentials((others if stranger == "second" else place.ours).file, *place.ours.issue("core.bank-a"))
    with connect(worlds["second"].address, credentials=shown) as client:
        answer = refused(lambda: client.accounts.OpenAccount(opening(), timeout=PATIENCE))
    assert answer.reason == "OWNER_UNREACHABLE"
    assert taken_in(worlds["first"]) == 0


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"forwarding_keys_file": "keys"}, "are needed both"),
        ({"server_authorities_file": "ours.pem"}, "are needed both"),
        ({"advertise": "10.0.0.1:50051"}, "advertise is of no use without"),
        ({"advertise": "10.0.0.1"}, "is not host:port"),
        ({"advertise": "10.0.0.1:65536"}, "is not host:port"),
        ({"advertise": "http://10.0.0.1:50051"}, "is not host:port"),
        ({"development": True, "advertise": "10.0.0.1:50051"}, "loopback only"),
        ({"development": True, "forwarding_keys_file": "keys"}, "without keys"),
        ({"development": True, "server_authorities_file": "ours.pem"}, "without keys"),
    ],
)
def test_half_of_it_is_refused(settings: dict[str, Any], problem: str) -> None:
    """Settings that somebody believes in and that would do nothing are told of at the start."""
    whole = {"certificate_file": "c", "key_file": "k", "client_authorities_file": "a"}
    with pytest.raises(ValidationError) as wrong:
        RpcSettings(**{**({} if settings.get("development") else whole), **settings})
    assert problem in complaints(wrong.value)


def test_a_server_that_cannot_be_reached_does_not_start(place: Place) -> None:
    """Who listens everywhere says where; authorities and keys that cannot be read are told of."""
    with pytest.raises(ValueError, match="advertise is needed"):
        place.server("first", 0, listen="0.0.0.0:0")
    nothing = place.directory / "nothing.pem"
    nothing.write_text("nothing")
    with pytest.raises(ValueError, match="holds no certificates"):
        place.server("second", 0, server_authorities_file=nothing)
    with pytest.raises(ValueError, match="fewer than 32"):
        place.server("third", 0, b"short")
    assert place.server("fourth", 0, listen="0.0.0.0:0", advertise="127.0.0.1:9").edge.address == "127.0.0.1:9"
