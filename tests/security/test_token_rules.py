"""Who lifts whose suspension: the application speaks for its customer, the bank for itself, neither for the other."""

import pytest

from ledger.rpc.callers import Role
from protos.esep.v1 import token_pb2
from protos.esep.v1 import token_service_pb2 as tokens
from tests.rpc.world import World, new_id, refused
from tests.security.scenes import OWN_BANK, Caller, Scene

SERVICE = "/esep.v1.TokenService"
ISSUER = token_pb2.TOKEN_ACTOR_ISSUER
OTHERS = [token_pb2.TOKEN_ACTOR_WALLET, token_pb2.TOKEN_ACTOR_CARDHOLDER, token_pb2.TOKEN_ACTOR_DEVICE_LOCK]
BY_ISSUER = [token_pb2.TOKEN_DEACTIVATION_CAUSE_ISSUER, token_pb2.TOKEN_DEACTIVATION_CAUSE_FRAUD]
BY_OTHERS = [token_pb2.TOKEN_DEACTIVATION_CAUSE_WALLET, token_pb2.TOKEN_DEACTIVATION_CAUSE_CARDHOLDER]


def reason(caller: Caller, scene: Scene, method: str, party: token_pb2.TokenActor.ValueType) -> str:
    """Return with what a suspension, or its end, is refused: the token of the scene is in no phone yet."""
    kind = tokens.SuspendTokenRequest if method == "SuspendToken" else tokens.ResumeTokenRequest
    request = kind(request_id=new_id(), validate_only=True, token_id=scene.token, suspended_by=party)
    return refused(lambda: caller.call(f"{SERVICE}/{method}", request)).reason


@pytest.mark.parametrize("method", ["SuspendToken", "ResumeToken"])
def test_the_bank_speaks_for_the_issuer_alone(world: World, own: Scene, method: str) -> None:
    """A bank neither suspends nor resumes in the name of a cardholder, a wallet or a phone."""
    bank = Caller(world, Role.BANK, OWN_BANK)
    assert reason(bank, own, method, ISSUER) == "TOKEN_NOT_PROVISIONED"
    assert {reason(bank, own, method, party) for party in OTHERS} == {"PERMISSION_DENIED"}


@pytest.mark.parametrize("method", ["SuspendToken", "ResumeToken"])
def test_the_application_speaks_for_everybody_but_the_issuer(world: World, own: Scene, method: str) -> None:
    """What the issuer has suspended, no application lifts, whomever it acts for."""
    app = Caller(world, Role.APP, OWN_BANK, own.customer)
    assert reason(app, own, method, ISSUER) == "PERMISSION_DENIED"
    assert {reason(app, own, method, party) for party in OTHERS} == {"TOKEN_NOT_PROVISIONED"}
    stranger = Caller(world, Role.APP, OWN_BANK)
    assert {reason(stranger, own, method, party) for party in OTHERS} == {"PERMISSION_DENIED"}


@pytest.mark.parametrize(
    ("role", "denied"), [(Role.BANK, BY_OTHERS), (Role.APP, BY_ISSUER)], ids=["the bank", "the application"]
)
def test_a_token_ends_in_ones_own_name(
    world: World, own: Scene, role: Role, denied: list[token_pb2.TokenDeactivationCause.ValueType]
) -> None:
    """Fraud and the issuer's will are the bank's to say, the wallet's and the cardholder's the application's."""
    caller = Caller(world, role, OWN_BANK, own.customer if role is Role.APP else "")

    def end(cause: token_pb2.TokenDeactivationCause.ValueType) -> tokens.DeactivateTokenResponse:
        request = tokens.DeactivateTokenRequest(
            request_id=new_id(), validate_only=True, token_id=own.token, cause=cause
        )
        answer: tokens.DeactivateTokenResponse = caller.call(f"{SERVICE}/DeactivateToken", request)
        return answer

    for cause in {*BY_ISSUER, *BY_OTHERS} - set(denied):
        assert end(cause).token.deactivation_cause == cause
    for cause in denied:
        assert refused(lambda cause=cause: end(cause)).reason == "PERMISSION_DENIED"  # type: ignore[misc]
