"""Every method x every role x own, foreign and unknown resources: allowed and denied exactly as the table says."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import grpc
import pytest
from google.protobuf.message import Message

from domain.refusals import Kind, Reason
from ledger.rpc.callers import OF_A_PARTICIPANT, Role
from ledger.rpc.client import method_names
from ledger.rpc.permissions import PERMISSIONS, Rule, check_complete
from ledger.rpc.serve import build_server
from protos.esep.v1 import token_pb2
from protos.esep.v1 import token_service_pb2 as tokens
from protos.esep.v1.card_service_pb2 import ListCardsRequest
from protos.esep.v1.notification_service_pb2 import ListNotificationsRequest, SubscribeRequest
from protos.esep.v1.payment_service_pb2 import ListPaymentsRequest
from protos.esep.v1.service_directory_pb2 import LANGUAGE_KY
from protos.esep.v1.statement_service_pb2 import BatchGetBalancesRequest, WatchBalancesRequest
from tests.rpc.world import Refusal, World, new_id, refused
from tests.security.requests import REQUESTS
from tests.security.scenes import OWN_BANK, Caller, Scene, nobodys

ROLES: Final = [role for role in Role if role is not Role.DEVELOPER]
ABOUT_ANYBODY: Final = {None: False, Rule.ANY: True, Rule.BY_ID: True}
"""Rules by which it does not matter whose a resource is, and what they say; the others allow what is one's own."""
INDIFFERENT: Final = {name for name, row in PERMISSIONS.items() if row.rules.get(Role.BANK) is Rule.ANY}
"""Methods of which whose a resource is does not matter to a bank."""
ACTING: Final = {Rule.CUSTOMER, Rule.HOLDER, Rule.HOLDERS, Rule.BOUND, Rule.FOLLOWER}
"""Rules for an application that says for which customer it acts."""
OTHERWISE: Final[dict[str, Callable[[Scene], Message]]] = {
    "/esep.v1.StatementService/BatchGetBalances": lambda of: BatchGetBalancesRequest(account_ids=[of.account]),
    "/esep.v1.StatementService/WatchBalances": lambda of: WatchBalancesRequest(account_ids=[of.account]),
    "/esep.v1.NotificationService/Subscribe": lambda of: SubscribeRequest(
        customer_id=of.customer, language=LANGUAGE_KY
    ),
    "/esep.v1.NotificationService/ListNotifications": lambda of: ListNotificationsRequest(
        customer_id=of.customer, language=LANGUAGE_KY
    ),
    "/esep.v1.CardService/ListCards": lambda of: ListCardsRequest(customer_id=of.customer),
    "/esep.v1.PaymentService/ListPayments": lambda of: ListPaymentsRequest(customer_id=of.customer),
    "/esep.v1.TokenService/SuspendToken": lambda of: tokens.SuspendTokenRequest(
        request_id=new_id(), validate_only=True, token_id=of.token, suspended_by=token_pb2.TOKEN_ACTOR_WALLET
    ),
    "/esep.v1.TokenService/ResumeToken": lambda of: tokens.ResumeTokenRequest(
        request_id=new_id(), validate_only=True, token_id=of.token, suspended_by=token_pb2.TOKEN_ACTOR_CARDHOLDER
    ),
    "/esep.v1.TokenService/DeactivateToken": lambda of: tokens.DeactivateTokenRequest(
        request_id=new_id(),
        validate_only=True,
        token_id=of.token,
        cause=token_pb2.TOKEN_DEACTIVATION_CAUSE_CARDHOLDER,
    ),
}
"""What an application asks about where it names something else than others do."""


def expected(method: str, role: Role, *, own: bool) -> bool:
    """Tell what the table says."""
    rule = PERMISSIONS[method].rules.get(role)
    return ABOUT_ANYBODY.get(rule, own)


WITNESSED = frozenset({"/esep.v1.AuditService/CosignCheckpoint"})
"""Methods whose request only a witness can make whole: anybody else's is found invalid, once it is let in."""
BY_PATH = frozenset({"/esep.v1.BulkService/PostBulk"})
"""Methods that name accounts which are not there by the paths of the fields that name them."""


def verdict(caller: Caller, method: str, scene: Scene) -> bool:
    """Tell whether a method may be called about a scene; whoever may is answered, or declined for its state."""
    world = caller.world
    before = world.engine.real.decided
    try:
        caller.call(method, (OTHERWISE if caller.role is Role.APP else {}).get(method, REQUESTS[method])(scene))
    except grpc.RpcError as error:
        refusal = Refusal(error)
        if refusal.code is grpc.StatusCode.PERMISSION_DENIED:
            assert refusal.reason == "PERMISSION_DENIED"
            assert world.engine.real.decided == before
            return False
        assert Reason[refusal.reason].value.kind in (Kind.STATE, Kind.NOT_FOUND) or method in WITNESSED | BY_PATH
    return True


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("method", sorted(PERMISSIONS))
def test_each_role_may_do_what_the_table_says(
    world: World, own: Scene, foreign: Scene, method: str, role: Role
) -> None:
    """Own, foreign and unknown: denied is PERMISSION_DENIED, and nothing is decided."""
    at_a_bank = role in OF_A_PARTICIPANT or role is Role.APP
    acting = PERMISSIONS[method].rules.get(role) in ACTING
    caller = Caller(world, role, OWN_BANK if at_a_bank else "", own.customer if acting else "")
    assert verdict(caller, method, own) is expected(method, role, own=True)
    assert verdict(caller, method, foreign) is expected(method, role, own=False)
    assert verdict(caller, method, nobodys()) is expected(method, role, own=False)


@pytest.mark.parametrize("method", sorted(PERMISSIONS.keys() - INDIFFERENT))
def test_what_is_foreign_and_what_does_not_exist_look_the_same(
    world: World, own: Scene, foreign: Scene, method: str
) -> None:
    """A bank that is denied learns nothing from how: the two answers are equal to the last byte."""
    bank = Caller(world, Role.BANK, OWN_BANK)

    def denied(scene: Scene) -> tuple[str, list[Any]]:
        answer = refused(partial(bank.call, method, REQUESTS[method](scene)))
        return answer.text, answer.details

    assert denied(foreign) == denied(nobodys())


@pytest.mark.parametrize("method", sorted(PERMISSIONS))
def test_the_developer_may_do_everything(world: World, own: Scene, method: str) -> None:
    """In development, who says nothing of its role is held to nothing."""
    assert verdict(Caller(world), method, own)


def test_every_method_has_a_row_and_a_request() -> None:
    """A method that is added to the contract is added to the table and to this walk."""
    methods = set(method_names())
    assert set(PERMISSIONS) == methods
    assert set(REQUESTS) == methods


def test_a_server_with_a_method_without_a_row_does_not_start(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """It would be a method that nobody has thought about."""
    monkeypatch.delitem(PERMISSIONS, "/esep.v1.AccountService/CloseAccount")
    with pytest.raises(ValueError, match=r"no row for .*CloseAccount"):
        check_complete(method_names())
    with pytest.raises(ValueError, match=r"no row for .*CloseAccount"):
        world.run(lambda: _built_anew(world))


async def _built_anew(world: World) -> None:
    build_server(
        world.engine,
        world._reader,
        world.vault,
        world.signers,
        world.access_log,
        world._settings,
        policy=world.policy,
        clock=world.clock,
        catalogue=None,  # type: ignore[arg-type] # it does not come to that
    )


def test_a_row_of_no_method_is_noticed() -> None:
    """A method that is renamed does not leave its row behind."""
    with pytest.raises(ValueError, match=r"of no method .*CloseAccount"):
        check_complete(name for name in method_names() if not name.endswith("CloseAccount"))


def test_the_developer_is_not_in_the_table() -> None:
    """What only development knows cannot be granted by a row."""
    assert not any(Role.DEVELOPER in row.rules for row in PERMISSIONS.values())
