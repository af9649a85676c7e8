"""Which signed tokens are believed: one that is right in everything, and none that is wrong in anything."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from ssl import PEM_cert_to_DER_cert
from time import time
from typing import Any, Final

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from structlog.testing import capture_logs

from domain.ports import Clock
from domain.refusals import Reason, Refused
from ledger.rpc.callers import Caller, KnownCaller, Role
from ledger.rpc.identity import CertificateIdentity
from ledger.rpc.token_identity import EitherIdentity, Terms, TokenIdentity
from ledger.rpc.token_keys import read_token_keys
from ledger.rpc.watched import Watched
from tests.authority import Authority
from tests.rpc.world import MovableClock
from tests.security.issuer import AUDIENCE, ISSUER, Issuer, confused, critical, encoded, replaced, unsigned
from tests.security.test_identity import Peer

LEEWAY, LIFETIME = 30, 3_600
BANK_A: Final = Caller("core.bank-a", Role.BANK, "bank-a")
NOW: Final = int(time())
FAR: Final = 1_000_000
"""Seconds that no run of the tests takes."""


@pytest.fixture
def issuer(tmp_path: Path) -> Issuer:
    """Give an issuer with an Ed25519 key."""
    return Issuer(tmp_path / "keys.json")


@pytest.fixture
def clock() -> MovableClock:
    """Give the server's clock."""
    return MovableClock()


def identity(
    issuer: Issuer, clock: Clock, known: dict[str, KnownCaller] | None = None, look_seconds: float = 0
) -> TokenIdentity:
    """Return what a server makes of tokens, looking at the issuer's file each time."""
    keys = Watched((issuer.file,), partial(read_token_keys, issuer.file), look_seconds=look_seconds)
    return TokenIdentity(keys, Terms(ISSUER, AUDIENCE, LEEWAY, LIFETIME), clock, known or {})


def named(believer: Any, token: str | bytes | None, scheme: str = "Bearer ", peer: Peer | None = None) -> Caller:
    """Return whom a token names."""
    shown: Any = {} if token is None else {"authorization": token if isinstance(token, bytes) else f"{scheme}{token}"}
    caller: Caller = believer.caller(peer or Peer(), shown)
    return caller


def distrusted(believer: Any, token: str | bytes | None, **how: Any) -> str:
    """Return what the log says of a token that is refused; the caller is told one and the same of each."""
    with capture_logs() as lines, pytest.raises(Refused) as refused:
        named(believer, token, **how)
    refusal = refused.value.refusal
    assert (refusal.reason, refusal.metadata, refusal.violations) == (Reason.UNAUTHENTICATED, {}, ())
    assert refused.value.__cause__ is None
    (line,) = lines
    assert not isinstance(token, str) or len(token) < 20 or token[:20] not in str(line)
    return str(line["problem"])


@pytest.mark.parametrize("header", [{}, {"alg": "EdDSA"}, {"typ": None}, {"typ": "at+jwt"}], ids=str)
def test_a_good_token_names_its_caller(issuer: Issuer, clock: MovableClock, header: dict[str, Any]) -> None:
    """Name, role and participant are the token's; the second time no signature is checked."""
    believer = identity(issuer, clock)
    token = issuer.token(header=header)
    assert named(believer, token) == BANK_A
    assert named(believer, token) is named(believer, token, scheme="bearer ")


def test_a_key_of_p_256_is_as_good(issuer: Issuer, clock: MovableClock) -> None:
    """Whatever kind of key the issuer has, of the two."""
    issuer.add("second", ECKey.generate_key("P-256"))
    assert named(identity(issuer, clock), issuer.token("second")) == BANK_A


def test_one_of_several_audiences_is_enough(issuer: Issuer, clock: MovableClock) -> None:
    """As the standard allows; and roles of the scheme come without a participant."""
    token = issuer.token(aud=["other.example", AUDIENCE], role="auditor", participant=None, sub="audit")
    assert named(identity(issuer, clock), token) == Caller("audit", Role.AUDITOR)


WRONG: Final[dict[str, dict[str, Any]]] = {
    "an audience of another's": {"aud": "other.example"},
    "several, none of them ours": {"aud": ["other.example", "third.example"]},
    "no audience": {"aud": None},
    "an audience of another kind": {"aud": 7},
    "another issuer": {"iss": "https://elsewhere.example"},
    "no issuer": {"iss": None},
    "expired": {"iat": NOW - 700, "exp": NOW - 100},
    "no end": {"exp": None},
    "an end that is no time": {"exp": "tomorrow"},
    "an end that is no number": {"exp": float("nan")},
    "an end beyond all numbers": {"exp": float("inf")},
    "an end beyond all fractions": {"iat": NOW - 0.5, "exp": 10**400},
    "issued before all fractions": {"iat": -(10**400), "exp": NOW + 99.5},
    "not valid yet": {"nbf": NOW + FAR},
    "issued in the future": {"iat": NOW + FAR, "exp": NOW + FAR + 600},
    "of unknown age": {"iat": None},
    "over before it was issued": {"iat": NOW + LEEWAY // 2, "exp": NOW - LEEWAY // 2},
    "too long a life": {"exp": NOW + LIFETIME + FAR},
    "no name": {"sub": None},
    "a name that is no text": {"sub": 7},
    "a name that no caller has": {"sub": "core bank a\n"},
    "no role": {"role": None},
    "a role that nobody has": {"role": "king"},
    "roles in a list": {"role": ["bank"]},
    "the developer": {"role": "developer", "participant": None},
    "a bank without a participant": {"participant": None},
    "an operator of a bank": {"role": "operator"},
    "a participant that is no text": {"participant": 7},
    "a participant that is none": {"participant": "Bank A"},
    "bound to what is not known": {"cnf": {"jkt": "x"}},
    "bound to a certificate that is not shown": {"cnf": {"x5t#S256": "x"}},
}


@pytest.mark.parametrize("claims", WRONG.values(), ids=WRONG)
def test_a_token_that_is_wrong_in_one_thing_is_refused(
    issuer: Issuer, clock: MovableClock, claims: dict[str, Any]
) -> None:
    """Though its issuer has signed it."""
    assert distrusted(identity(issuer, clock), issuer.token(**claims))


def test_a_token_may_be_bound_to_a_certificate_and_to_nothing_else(
    issuer: Issuer, clock: MovableClock, tmp_path: Path
) -> None:
    """A binding that is not understood is not passed over, though another one beside it holds."""
    certificate, _ = Authority(tmp_path, "clients").issue("core.bank-a")
    shown = certificate.read_bytes()
    thumb = urlsafe_b64encode(sha256(PEM_cert_to_DER_cert(shown.decode())).digest()).rstrip(b"=").decode()
    peer = Peer()
    peer.auth_context()["x509_pem_cert"] = [shown]
    believer = identity(issuer, clock)
    assert named(believer, issuer.token(cnf={"x5t#S256": thumb}), peer=peer) == BANK_A
    assert distrusted(believer, issuer.token(cnf={"x5t#S256": thumb, "jkt": "x"}), peer=peer)


FORGED: Final[dict[str, Callable[[Issuer], str | bytes | None]]] = {
    "unsigned": lambda _: unsigned(),
    "unsigned, with a kid": lambda _: unsigned(kid="first"),
    "unsigned, in capitals": lambda _: unsigned(kid="first", alg="NONE"),
    "the public key as a shared secret": lambda of: confused(of.keys["first"], "first"),
    "an unknown kid": lambda of: of.token(header={"kid": "third"}),
    "no kid": lambda of: of.token(header={"kid": None}),
    "a kid that is no text": lambda of: f"{encoded({'alg': 'Ed25519', 'kid': ['first']})}.{encoded({})}.AA",
    "a header that is no object": lambda _: f"{encoded([])}.{encoded({})}.AA",
    "a key of the caller's own, in the header": lambda of: of.token(
        header={"jwk": OKPKey.generate_key("Ed25519").as_dict(private=False), "kid": "mine"}
    ),
    "critical, and not understood": lambda of: critical(of.keys["first"], "first"),
    "another type": lambda of: of.token(header={"typ": "dpop+jwt"}),
    "replaced claims": lambda of: replaced(of.token(), role="operator", participant=None),
    "another's participant": lambda of: replaced(of.token(), participant="bank-b"),
    "a signature cut short": lambda of: of.token()[:-4],
    "no signature": lambda of: of.token().rpartition(".")[0] + ".",
    "two parts": lambda of: of.token().rpartition(".")[0],
    "four parts": lambda of: of.token() + ".AA",
    "not a token": lambda _: "x.y.z",
    "nothing": lambda _: "",
    "no text": lambda _: "токен",
    "bytes": lambda of: f"Bearer {of.token()}".encode(),
    "endless": lambda of: of.token(extra="x" * 5_000),
    "nested": lambda of: f"{encoded({'alg': 'Ed25519', 'kid': 'first'})}.{'W1tb' * 900}.AA",
    "none at all": lambda _: None,
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_token_is_refused(
    issuer: Issuer, clock: MovableClock, forge: Callable[[Issuer], str | bytes | None]
) -> None:
    """Each in the same words, which say nothing of what was looked at."""
    assert distrusted(identity(issuer, clock), forge(issuer))


def test_another_scheme_is_refused(issuer: Issuer, clock: MovableClock) -> None:
    """A token is shown as a bearer's."""
    believer = identity(issuer, clock)
    for scheme in ("", "Basic ", "DPoP ", "Bearer: "):
        assert distrusted(believer, issuer.token(), scheme=scheme)


def test_the_algorithm_is_the_keys_not_the_headers(issuer: Issuer, clock: MovableClock) -> None:
    """A key of one curve never checks what names the algorithm of another."""
    issuer.add("second", ECKey.generate_key("P-256"))
    _, *rest = issuer.token("second").split(".")
    for name in ("Ed25519", "EdDSA", "ES384", "RS256", "PS256", "HS512", "none"):
        assert distrusted(identity(issuer, clock), ".".join([encoded({"alg": name, "kid": "second"}), *rest]))


class StoppedClock:
    """A clock that shows what it is told to."""

    def __init__(self) -> None:
        self.seconds = 0

    def now(self) -> int:
        return self.seconds * 1_000_000


def test_clocks_may_differ_by_the_leeway_and_no_more(issuer: Issuer) -> None:
    """To the second, at both ends of a token's life, and for one that was believed before."""
    clock = StoppedClock()
    believer, token = identity(issuer, clock), issuer.token(iat=NOW, nbf=NOW, exp=NOW + 600)
    for seconds, believed in ((-LEEWAY - 1, False), (-LEEWAY, True), (600 + LEEWAY - 1, True), (600 + LEEWAY, False)):
        clock.seconds = NOW + seconds
        if believed:
            assert named(believer, token) == BANK_A
        else:
            assert distrusted(believer, token)


def test_keys_are_replaced_while_the_old_ones_count(issuer: Issuer, clock: MovableClock) -> None:
    """Old and new count side by side; when the old one is withdrawn, its tokens end, those believed before too."""
    believer, old = identity(issuer, clock), issuer.token()
    assert named(believer, old) == BANK_A
    issuer.add("second", ECKey.generate_key("P-256"))
    new = issuer.token("second")
    assert named(believer, old) == named(believer, new) == BANK_A
    issuer.withdraw("first")
    assert named(believer, new) == BANK_A
    assert distrusted(believer, old) == "no such key"


def test_a_token_under_a_new_key_is_believed_at_once(issuer: Issuer, clock: MovableClock) -> None:
    """A key that is not known yet is looked for, however short a time ago the file was looked at."""
    believer = identity(issuer, clock, look_seconds=3_600)
    issuer.add("second", ECKey.generate_key("P-256"))
    assert named(believer, issuer.token("second")) == BANK_A
    assert distrusted(believer, issuer.token(header={"kid": "third"})) == "no such key"


def test_a_file_that_cannot_be_read_leaves_the_keys_in_force(issuer: Issuer, clock: MovableClock) -> None:
    """Half written, gone, or with a secret in it: the log says so, without the content, and callers notice nothing."""
    believer, token = identity(issuer, clock), issuer.token()
    secret = OctKey.generate_key(256).as_dict(private=True)
    content = issuer.file.read_bytes()
    for wrong in (content[:20], b"{}", json.dumps({"keys": [{**secret, "kid": "s"}]}).encode(), None):
        issuer.file.unlink()
        if wrong is not None:
            issuer.file.write_bytes(wrong)
        with capture_logs() as lines:
            assert named(believer, token) == BANK_A
        assert [line["event"] for line in lines] == ["keys.not_read"]
        assert str(secret["k"]) not in str(lines)
        issuer.publish()
        assert named(believer, token) == BANK_A


def test_keys_that_are_not_for_tokens_are_passed_over(issuer: Issuer) -> None:
    """Of other kinds, or for encryption; what is left counts."""
    others: list[dict[str, Any]] = [
        {**RSAKey.generate_key(2048).as_dict(private=False), "kid": "rsa"},
        {**ECKey.generate_key("P-384").as_dict(private=False), "kid": "p384"},
        {**ECKey.generate_key("P-256").as_dict(private=False), "kid": "enc", "use": "enc"},
        {"kty": "oct"},
    ]
    issuer.publish(*others)
    assert set(read_token_keys(issuer.file)) == {"first"}


@pytest.mark.parametrize(
    ("others", "complaint"),
    [
        ([OKPKey.generate_key("Ed25519").as_dict(private=True)], "is secret"),
        ([OctKey.generate_key(256).as_dict(private=True)], "is secret"),
        ([RSAKey.generate_key(2048).as_dict(private=True)], "is secret"),
        ([{**OKPKey.generate_key("Ed25519").as_dict(private=False), "kid": "first"}], "kid of another"),
        ([{**OKPKey.generate_key("Ed25519").as_dict(private=False), "kid": ""}], "no kid"),
        ([{**OKPKey.generate_key("Ed25519").as_dict(private=False), "kid": "a", "alg": "ES256"}], "algorithm"),
        ([{"kty": "OKP", "crv": "Ed25519", "kid": "a", "x": "AA"}], "no point"),
        ([{"kty": "EC", "crv": "P-256", "kid": "a"}], "no point"),
        (["key"], "no JWK"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_set_of_keys_that_cannot_be_meant_stops_the_start(issuer: Issuer, others: Any, complaint: str) -> None:
    """It is said which key is wrong and how, and nothing of what the file holds."""
    issuer.publish(*others)
    with pytest.raises(ValueError, match=complaint) as wrong:
        read_token_keys(issuer.file)
    for each in others:
        values = each.values() if isinstance(each, dict) else ()
        assert not any(len(value) > 20 and value in str(wrong.value) for value in values)


@pytest.mark.parametrize("content", ["", "[]", '{"keys": {}}', '{"keys": []}', "null", "x" * (1 << 21)])
def test_what_is_no_set_of_keys_stops_the_start(tmp_path: Path, content: str) -> None:
    """A server that believes no token by mistake would be found out late."""
    file = tmp_path / "keys.json"
    file.write_text(content)
    with pytest.raises(ValueError, match=r"keys\.json"):
        read_token_keys(file)


def test_a_listed_name_is_whom_the_settings_say(issuer: Issuer, clock: MovableClock) -> None:
    """A token that says otherwise is refused: a name is one caller, whose outcomes are nobody else's."""
    believer = identity(issuer, clock, {"core.bank-a": KnownCaller(role=Role.BANK, participant="bank-a")})
    assert named(believer, issuer.token()) == BANK_A
    assert distrusted(believer, issuer.token(participant="bank-b"))
    assert distrusted(believer, issuer.token(role="operator", participant=None))
    assert named(believer, issuer.token(sub="other", participant="bank-b")).participant == "bank-b"


def test_who_shows_a_token_is_whom_it_names_and_nobody_else(issuer: Issuer, clock: MovableClock) -> None:
    """A bad token is not saved by a good certificate; who shows none is whom the certificate names."""
    certificates = CertificateIdentity({"core.bank-b": KnownCaller(role=Role.BANK, participant="bank-b")})
    believer, peer = EitherIdentity(identity(issuer, clock), certificates), Peer("core.bank-b")
    assert named(believer, None, peer=peer).participant == "bank-b"
    assert named(believer, issuer.token(), peer=peer) == BANK_A
    assert distrusted(believer, issuer.token(aud="x"), peer=peer)


def test_checked_tokens_are_remembered_up_to_a_bound(
    issuer: Issuer, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many tokens come by, the memory they take is bounded; and those that are refused take none."""
    monkeypatch.setattr("ledger.rpc.token_identity._KEPT", 3)
    believer = identity(issuer, clock)
    for number in range(10):
        named(believer, issuer.token(jti=str(number)))
        distrusted(believer, issuer.token(jti=str(number), aud="x"))
    assert len(believer._kept) == 3
