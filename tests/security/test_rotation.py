"""Certificates and authorities that are exchanged while the server runs: nobody is cut off, nobody is let in late."""

from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

import grpc
import pytest
from cryptography import x509
from structlog.testing import capture_logs

from ledger.rpc.callers import KnownCaller, Role
from ledger.rpc.client import Ledger, connect, credentials
from ledger.rpc.listening import read_shown
from protos.esep.v1.account_service_pb2 import ListAccountsRequest
from tests.authority import Authority
from tests.rpc.world import PATIENCE, World

HERE: Final = x509.IPAddress(IPv4Address("127.0.0.1"))
LISTED: Final = {"core.bank-a": KnownCaller(role=Role.BANK, participant="bank-a")}


class Place:
    """Where the server's files stand, and two generations of those who sign."""

    def __init__(self, directory: Path) -> None:
        self.old, self.new = Authority(directory, "old-servers"), Authority(directory, "new-servers")
        self.clients, self.newer = Authority(directory, "old-clients"), Authority(directory, "new-clients")
        self.certificate, self.key = self.old.issue("ledger", HERE)
        self.authorities = directory / "authorities.pem"
        self.authorities.write_bytes(self.clients.file.read_bytes())
        self.settings: dict[str, Any] = {
            "development": False,
            "certificate_file": self.certificate,
            "key_file": self.key,
            "client_authorities_file": self.authorities,
            "callers": LISTED,
        }

    @contextmanager
    def client(self, world: World, servers: Authority, clients: Authority) -> Iterator[Ledger]:
        """Give a client that trusts a server's authority, with a certificate of a clients' authority."""
        shown = credentials(servers.file, *clients.issue("core.bank-a"))
        with connect(world.address, credentials=shown) as ledger:
            yield ledger

    def heard(self, world: World, servers: Authority, clients: Authority) -> bool:
        """Tell whether such a client gets an answer over a connection of its own."""
        with self.client(world, servers, clients) as ledger:
            return answered(ledger)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def answered(ledger: Ledger) -> bool:
    """Tell whether a question is answered; a connection that is not made is tried once."""
    try:
        ledger.accounts.ListAccounts(ListAccountsRequest(participant_id="bank-a"), timeout=PATIENCE)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


def put(file: Path, content: bytes) -> None:
    """Replace a file by another one."""
    new = file.with_suffix(".new")
    new.touch(0o600)
    new.write_bytes(content)
    new.replace(file)


def test_a_certificate_is_renewed_while_the_server_runs(place: Place, tmp_path: Path) -> None:
    """New connections are made with the new one, those that stand go on; with half of it there the old one counts."""
    with World(tmp_path, **place.settings) as world, place.client(world, place.old, place.clients) as standing:
        assert answered(standing)
        certificate, key = (file.read_bytes() for file in place.new.issue("renewed", HERE))
        put(place.certificate, certificate)
        with capture_logs() as lines:
            assert place.heard(world, place.old, place.clients)
        assert {"keys.not_read"} == {line["event"] for line in lines if line["event"].startswith("keys.")}
        put(place.key, key)
        assert place.heard(world, place.new, place.clients)
        assert not place.heard(world, place.old, place.clients)
        assert answered(standing)


def test_a_clients_authority_is_exchanged_while_the_server_runs(place: Place, tmp_path: Path) -> None:
    """For a while both count; whose authority was taken away makes no new connection."""
    with World(tmp_path, **place.settings) as world:
        assert not place.heard(world, place.old, place.newer)
        put(place.authorities, place.clients.file.read_bytes() + place.newer.file.read_bytes())
        assert place.heard(world, place.old, place.clients)
        assert place.heard(world, place.old, place.newer)
        put(place.authorities, place.newer.file.read_bytes())
        assert place.heard(world, place.old, place.newer)
        assert not place.heard(world, place.old, place.clients)


def test_files_that_do_not_go_together_stop_the_start(place: Place, tmp_path: Path) -> None:
    """It is said which, and nothing of a key."""
    _, foreign = place.new.issue("other", HERE)
    nothing = tmp_path / "nothing.pem"
    nothing.touch(0o600)
    for certificate, key, authorities, complaint in (
        (place.certificate, foreign, place.authorities, "is not the key of"),
        (place.key, place.key, place.authorities, "holds no certificate"),
        (place.certificate, place.certificate, place.authorities, "no private key"),
        (place.certificate, place.key, nothing, "holds no certificates"),
    ):
        key.chmod(0o600)
        with pytest.raises(ValueError, match=complaint) as wrong:
            read_shown(certificate, key, authorities)
        assert "PRIVATE" not in str(wrong.value)
    place.key.chmod(0o604)
    with pytest.raises(ValueError, match="chmod 600"):
        read_shown(place.certificate, place.key, None)
