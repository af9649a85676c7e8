"""A server whose callers show signed tokens over TLS, with and without certificates of their own."""

import json
import os
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from ipaddress import IPv4Address
from pathlib import Path
from ssl import PEM_cert_to_DER_cert
from typing import Any

import grpc
import pytest
from cryptography import x509
from joserfc.jwk import ECKey
from pydantic import ValidationError

from ledger.rpc.callers import KnownCaller, Role
from ledger.rpc.client import Ledger, connect, credentials
from ledger.rpc.settings import RpcSettings
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.account_service_pb2 import GetAccountRequest, ListAccountsRequest, OpenAccountRequest
from protos.esep.v1.audit_service_pb2 import SubscribeEventsRequest
from tests.authority import Authority
from tests.rpc.world import PATIENCE, Refusal, World, new_id, refused
from tests.security.issuer import Issuer, confused, replaced, unsigned

QUESTION = ListAccountsRequest(participant_id="bank-a")


class Guarded:
    """A server over TLS, who signs for it, and who issues tokens for it."""

    def __init__(self, directory: Path) -> None:
        self.servers, self.clients = Authority(directory, "servers"), Authority(directory, "clients")
        self.issuer = Issuer(directory / "token-keys.json")
        self.token_file = directory / "token"
        certificate, key = self.servers.issue("ledger", x509.IPAddress(IPv4Address("127.0.0.1")))
        self.settings: dict[str, Any] = {
            "development": False,
            "certificate_file": certificate,
            "key_file": key,
            **self.issuer.settings,
        }

    @contextmanager
    def client(self, address: str, token: str | None, *shown: Path) -> Iterator[Ledger]:
        """Give a client that shows a token, a certificate, or both."""
        if token is not None:
            self.token_file.write_text(f"{token}\n")
        files = credentials(self.servers.file, *shown, token=None if token is None else self.token_file)
        with connect(address, credentials=files) as ledger:
            yield ledger


@pytest.fixture
def guarded(tmp_path: Path) -> Guarded:
    return Guarded(tmp_path)


def answer(ledger: Ledger) -> str:
    """Return the participant's account that is told first, or how the question is refused."""
    try:
        ledger.accounts.ListAccounts(QUESTION, timeout=PATIENCE)
    except grpc.RpcError as error:
        return Refusal(error).reason
    return "OK"


def test_callers_are_who_their_tokens_say(guarded: Guarded, tmp_path: Path) -> None:
    """What is done, is done in the token's name; a new token in the same file is taken up at the next call."""
    with (
        World(tmp_path, **guarded.settings) as world,
        guarded.client(world.address, guarded.issuer.token()) as ledger,
    ):
        opening = OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=ACCOUNT_KIND_CUSTOMER)
        opened = ledger.accounts.OpenAccount(opening, timeout=PATIENCE)
        assert opened.receipt.caller == "core.bank-a"
        guarded.token_file.write_text(guarded.issuer.token(sub="core.bank-b", participant="bank-b"))
        question = GetAccountRequest(account_id=opened.account.account_id)
        denied = refused(lambda: ledger.accounts.GetAccount(question, timeout=PATIENCE))
        assert denied.reason == "PERMISSION_DENIED"
        guarded.issuer.add("second", ECKey.generate_key("P-256"))
        guarded.token_file.write_text(guarded.issuer.token("second"))
        assert answer(ledger) == "OK"


def test_every_forgery_is_answered_alike(guarded: Guarded, tmp_path: Path) -> None:
    """UNAUTHENTICATED, in the same bytes, whatever is wrong; and no token at all is no better."""
    issuer = guarded.issuer
    tokens = [
        None,
        unsigned(kid="first"),
        confused(issuer.keys["first"], "first"),
        issuer.token(aud="other.example"),
        issuer.token(iat=1, exp=600),
        issuer.token(header={"kid": "unknown"}),
        replaced(issuer.token(), role="operator", participant=None),
    ]
    with World(tmp_path, **guarded.settings) as world:
        told = []
        for token in tokens:
            with guarded.client(world.address, token) as ledger:
                refusal = refused(lambda: ledger.accounts.ListAccounts(QUESTION, timeout=PATIENCE))
                told.append((refusal.code, refusal.text, [detail.value for detail in refusal.details]))
    assert told[0][0] is grpc.StatusCode.UNAUTHENTICATED
    assert told == told[:1] * len(tokens)


def test_certificates_and_tokens_side_by_side(guarded: Guarded, tmp_path: Path) -> None:
    """With clients' authorities every connection needs a certificate; a token over it goes before the certificate."""
    listed = {"core.bank-a": KnownCaller(role=Role.BANK, participant="bank-a")}
    certificate, key = guarded.clients.issue("core.bank-a")
    other = guarded.clients.issue("core.bank-b")
    der = PEM_cert_to_DER_cert(certificate.read_text())
    bound = guarded.issuer.token(cnf={"x5t#S256": urlsafe_b64encode(sha256(der).digest()).rstrip(b"=").decode()})
    settings = {**guarded.settings, "client_authorities_file": guarded.clients.file, "callers": listed}
    with World(tmp_path, **settings) as world:
        said = {}
        for name, token, shown in (
            ("certificate", None, (certificate, key)),
            ("both", guarded.issuer.token(), (certificate, key)),
            ("another's certificate", guarded.issuer.token(), other),
            ("bound to it", bound, (certificate, key)),
            ("bound to another", bound, other),
            ("a bad token", guarded.issuer.token(aud="x"), (certificate, key)),
            ("an unlisted certificate", None, other),
        ):
            with guarded.client(world.address, token, *shown) as ledger:
                said[name] = answer(ledger)
        with guarded.client(world.address, guarded.issuer.token()) as ledger, pytest.raises(grpc.RpcError) as unheard:
            ledger.accounts.ListAccounts(QUESTION, timeout=2)
    assert said == {
        "certificate": "OK",
        "both": "OK",
        "another's certificate": "OK",
        "bound to it": "OK",
        "bound to another": "UNAUTHENTICATED",
        "a bad token": "UNAUTHENTICATED",
        "an unlisted certificate": "PERMISSION_DENIED",
    }
    assert unheard.value.code() in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)


def test_a_stream_ends_with_its_token(guarded: Guarded, tmp_path: Path) -> None:
    """Whoever was let in with a token is sent nothing once the token is over."""
    auditor = guarded.issuer.token(sub="audit", role="auditor", participant=None)
    settings = {**guarded.settings, "heartbeat_seconds": 0.05, "stream_permission_seconds": 0.1}
    with World(tmp_path, **settings) as world, guarded.client(world.address, auditor) as ledger:
        stream = ledger.audit.SubscribeEvents(SubscribeEventsRequest(), timeout=PATIENCE)
        next(stream)
        world.clock.ahead = 700 * 1_000_000

        def read_on() -> None:
            for _ in stream:
                pass

        assert refused(read_on).reason == "UNAUTHENTICATED"


def test_the_command_line_shows_a_token(guarded: Guarded, tmp_path: Path) -> None:
    """From a file, with the authorities of the server and no certificate; without those it is a misuse."""
    guarded.token_file.write_text(guarded.issuer.token(sub="audit", role="auditor", participant=None))
    with World(tmp_path, **guarded.settings) as world:

        def run(*arguments: str) -> tuple[int, dict[str, Any]]:
            done = subprocess.run(
                [sys.executable, "-m", "ledger.cli", "status", "--server", world.address, "--json", *arguments],
                env={**os.environ, "ESEP_CONFIG": os.devnull, "ESEP_DATA_DIR": str(tmp_path)},
                capture_output=True,
                text=True,
                timeout=PATIENCE * 6,
                check=False,
            )
            return done.returncode, json.loads(done.stdout)

        shown = ("--token", str(guarded.token_file))
        status, told = run("--tls-ca", str(guarded.servers.file), *shown)
        assert (status, told["server"]["health"], "problem" in told["server"]) == (0, "SERVING", False)
        status, told = run(*shown)
        assert (status, told["error"]["reason"]) == (2, "INVALID_ARGUMENT")


GOOD: dict[str, Any] = {
    "certificate_file": "server.pem",
    "key_file": "server.key",
    "token_keys_file": "keys.json",
    "token_issuer": "issuer",
    "token_audience": "esep",
}


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"token_issuer": ""}, "needs token_issuer and token_audience"),
        ({"token_audience": ""}, "needs token_issuer and token_audience"),
        ({"development": True}, "over TLS only"),
        ({"token_keys_file": None}, "by what are callers known"),
        ({"certificate_file": None}, "nothing is served in plain text"),
        ({"token_leeway_seconds": 121}, "less than or equal to 120"),
        ({"token_lifetime_seconds": 86_401}, "less than or equal to 86400"),
    ],
)
def test_settings_that_would_be_unsafe_stop_the_start(settings: dict[str, Any], complaint: str) -> None:
    """Tokens without TLS, without a name for whom they are meant, or good for ever."""
    assert RpcSettings(**GOOD).token_leeway_seconds == 30
    with pytest.raises(ValidationError, match=complaint):
        RpcSettings(**{**GOOD, **settings})
