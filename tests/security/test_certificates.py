"""A server as it runs outside development: TLS both ways, and roles by certificate."""

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from pathlib import Path

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from ledger.rpc.callers import KnownCaller, Role
from ledger.rpc.client import Ledger, connect, credentials
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.account_service_pb2 import GetAccountRequest, ListAccountsRequest, OpenAccountRequest
from tests.rpc.world import PATIENCE, World, new_id, refused

LISTED = {
    "core.bank-a": KnownCaller(role=Role.BANK, participant="bank-a"),
    "core.bank-b": KnownCaller(role=Role.BANK, participant="bank-b"),
}


class Authority:
    """Signs certificates into a directory."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.file = directory / f"{name}.pem"
        made = self._builder(self._name, self._key).add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        self._write(self.file, made.sign(self._key, hashes.SHA256()))

    def issue(self, name: str, *alternatives: x509.GeneralName) -> tuple[Path, Path]:
        """Return the files of a certificate and its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        made = self._builder(subject, key)
        if alternatives:
            made = made.add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        certificate, key_file = self._directory / f"{name}.crt", self._directory / f"{name}.key"
        self._write(certificate, made.sign(self._key, hashes.SHA256()))
        key_file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        return certificate, key_file

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    @staticmethod
    def _write(path: Path, certificate: x509.Certificate) -> None:
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


def test_callers_are_who_their_certificates_say(tmp_path: Path) -> None:
    """A listed bank has its own; an unlisted one is denied, and one of another authority is not even heard."""
    servers, clients, strangers = (Authority(tmp_path, name) for name in ("servers", "clients", "strangers"))
    certificate, key = servers.issue("ledger", x509.IPAddress(IPv4Address("127.0.0.1")))
    with World(
        tmp_path,
        development=False,
        certificate_file=certificate,
        key_file=key,
        client_authorities_file=clients.file,
        callers=LISTED,
    ) as world:

        def client(authority: Authority, name: str, *alternatives: x509.GeneralName) -> Ledger:
            files = authority.issue(name, *alternatives)
            return connect(world.address, caller="core.bank-a", credentials=credentials(servers.file, *files))

        opening = OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=ACCOUNT_KIND_CUSTOMER)
        with client(clients, "core.bank-a") as bank_a:
            opened = bank_a.accounts.OpenAccount(opening, metadata=bank_a.metadata, timeout=PATIENCE)
            assert opened.receipt.caller == "core.bank-a"
        question = GetAccountRequest(account_id=opened.account.account_id)
        with client(clients, "b", x509.DNSName("core.bank-b")) as bank_b:
            assert _code(bank_b, question) is grpc.StatusCode.PERMISSION_DENIED
            bank_b.accounts.ListAccounts(ListAccountsRequest(participant_id="bank-b"), timeout=PATIENCE)
        with client(clients, "core.bank-c") as unlisted:
            assert _code(unlisted, question) is grpc.StatusCode.PERMISSION_DENIED
        with client(strangers, "core.bank-a") as stranger, pytest.raises(grpc.RpcError) as unheard:
            stranger.accounts.GetAccount(question, timeout=2)
        assert unheard.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def _code(ledger: Ledger, question: GetAccountRequest) -> grpc.StatusCode:
    """Return the code of a refused question; the metadata claims to be bank A's, and an operator's."""
    claims = (*ledger.metadata, ("esep-role", "operator"))
    return refused(lambda: ledger.accounts.GetAccount(question, metadata=claims, timeout=PATIENCE)).code
