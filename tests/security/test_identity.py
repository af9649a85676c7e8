"""Who is believed to be whom: the metadata in development, certificates and the settings' list elsewhere."""

from typing import Any

import pytest
from pydantic import ValidationError

from domain.refusals import Reason, Refused
from ledger.rpc.callers import Caller, KnownCaller, Role
from ledger.rpc.identity import CertificateIdentity, DevelopmentIdentity
from ledger.settings import Settings

BANK = KnownCaller(role=Role.BANK, participant="bank-a")


class Peer:
    """A context that knows what the peer's certificate says."""

    def __init__(self, *alternative_names: str, common_name: str = "") -> None:
        self._names = {
            "x509_subject_alternative_name": [name.encode() for name in alternative_names],
            "x509_common_name": [common_name.encode()] if common_name else [],
        }

    def auth_context(self) -> Any:
        return self._names


def test_a_listed_certificate_brings_role_and_participant() -> None:
    """The name in the certificate is the caller's; the list says the rest."""
    identity = CertificateIdentity({"core.bank-a": BANK})
    expected = Caller("core.bank-a", Role.BANK, "bank-a")
    assert identity.caller(Peer("core.bank-a"), {}) == expected  # type: ignore[arg-type]
    assert identity.caller(Peer(common_name="core.bank-a"), {}) == expected  # type: ignore[arg-type]


def test_the_first_listed_name_of_a_certificate_counts() -> None:
    """Alternative names come before the common name, and names that nobody listed are passed over."""
    identity = CertificateIdentity({"b": BANK, "c": KnownCaller(role=Role.AUDITOR)})
    assert identity.caller(Peer("a", "b", common_name="c"), {}).name == "b"  # type: ignore[arg-type]
    assert identity.caller(Peer("a", common_name="c"), {}).name == "c"  # type: ignore[arg-type]


@pytest.mark.parametrize("peer", [Peer(), Peer("stranger"), Peer("core.bank-b", common_name="stranger")])
def test_who_is_not_listed_is_denied(peer: Peer) -> None:
    """Whatever authority has signed the certificate; and metadata changes nothing."""
    claims: dict[str, str | bytes] = {"esep-caller": "core.bank-a", "esep-role": "operator"}
    with pytest.raises(Refused) as refused:
        CertificateIdentity({"core.bank-a": BANK}).caller(peer, claims)  # type: ignore[arg-type]
    assert refused.value.refusal.reason is Reason.PERMISSION_DENIED


def test_metadata_does_not_change_what_a_certificate_says() -> None:
    """Outside development nobody names a role for themselves."""
    claims: dict[str, str | bytes] = {"esep-role": "operator", "esep-participant": "bank-b"}
    found = CertificateIdentity({"core.bank-a": BANK}).caller(Peer("core.bank-a"), claims)  # type: ignore[arg-type]
    assert found == Caller("core.bank-a", Role.BANK, "bank-a")


def test_in_development_the_metadata_is_believed() -> None:
    """Who says nothing is the developer."""
    identity = DevelopmentIdentity()
    assert identity.caller(Peer(), {}) == Caller("dev", Role.DEVELOPER)  # type: ignore[arg-type]
    said: dict[str, str | bytes] = {"esep-caller": "x", "esep-role": "bank", "esep-participant": "bank-a"}
    assert identity.caller(Peer(), said) == Caller("x", Role.BANK, "bank-a")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "said",
    [
        {"esep-role": "king"},
        {"esep-role": ""},
        {"esep-role": b"bank"},
        {"esep-role": "bank"},
        {"esep-role": "bank", "esep-participant": "Bank A"},
        {"esep-role": "operator", "esep-participant": "bank-a"},
        {"esep-participant": "bank-a"},
        {"esep-caller": ""},
    ],
    ids=str,
)
def test_what_does_not_fit_together_is_denied(said: dict[str, str | bytes]) -> None:
    """A bank without a participant could own what is nobody's; an operator with one would mean two things."""
    with pytest.raises(Refused) as refused:
        DevelopmentIdentity().caller(Peer(), said)  # type: ignore[arg-type]
    assert refused.value.refusal.reason is Reason.PERMISSION_DENIED


@pytest.mark.parametrize(
    ("listed", "complaint"),
    [
        ({"role": "developer"}, "for development only"),
        ({"role": "bank"}, "needs a participant"),
        ({"role": "pos", "participant": ""}, "participant"),
        ({"role": "auditor", "participant": "bank-a"}, "works for no participant"),
        ({"role": "king"}, "role"),
        ({"role": "app", "customer": "x"}, "customer"),
    ],
)
def test_a_list_that_cannot_be_meant_stops_the_start(listed: dict[str, str], complaint: str) -> None:
    """A wrong role must not wait for its first call to be noticed."""
    with pytest.raises(ValidationError, match=complaint):
        Settings(callers={"name": listed})


def test_the_list_is_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """As JSON, like every list; the edge gets what the server's settings say."""
    monkeypatch.setenv("ESEP_DEVELOPMENT", "true")
    monkeypatch.setenv("ESEP_CALLERS", '{"app.example": {"role": "app"}}')
    assert Settings().rpc.callers == {"app.example": KnownCaller(role=Role.APP)}
