"""One's own things named beside another's in one request: the one does not open the door to the other."""

from collections.abc import Iterator
from typing import Any, Final

import grpc
import pytest

from ledger.rpc.callers import OF_A_PARTICIPANT, Role
from ledger.rpc.permissions import PERMISSIONS
from tests.rpc.world import Refusal, World
from tests.security.requests import REQUESTS
from tests.security.scenes import OWN_BANK, Caller, Scene
from tests.security.test_permissions import ACTING, OTHERWISE, ROLES, expected

NOBODYS: Final = {"request_id", "login", "phone_number", "card_number", "clearing_reference", "device"}
"""Fields that are made up anew in every request."""
OTHER_SIDE: Final = {
    "/esep.v1.AuthorizationService/AdviseAuthorization": {"credit_account_id"},
    "/esep.v1.AuthorizationService/CreateAuthorization": {"account_id", "credit_account_id"},
    "/esep.v1.AuthorizationService/ForcePost": {"credit_account_id"},
    "/esep.v1.BulkService/PostBulk": {"credit_account_ids"},
    "/esep.v1.CreditService/PostCreditLines": {"lines"},
    "/esep.v1.PayeeService/RegisterPayee": {"code"},
    "/esep.v1.TransferService/CreateTransfer": {"transfer.credit_account_id"},
}
"""Fields that may name another bank's things: whoever is paid, an acquirer's cardholder, a code that is free."""


def mixed(own: Any, foreign: Any) -> Iterator[tuple[str, Any]]:
    """Yield the request about one's own things with one of its fields taken from that about another's."""
    for path in _paths(own):
        theirs = _at(foreign, path)
        if path[-1] in NOBODYS or _at(own, path) == theirs:
            continue
        request = type(own)()
        request.CopyFrom(own)
        part = _at(request, path[:-1])
        if part.DESCRIPTOR.fields_by_name[path[-1]].is_repeated:
            part.ClearField(path[-1])
            getattr(part, path[-1]).MergeFrom(theirs)
        else:
            setattr(part, path[-1], theirs)
        yield ".".join(path), request


def _paths(message: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for field, value in message.ListFields():
        if field.message_type is not None and not field.is_repeated:
            yield from _paths(value, (*before, field.name))
        else:
            yield (*before, field.name)


def _at(message: Any, path: tuple[str, ...]) -> Any:
    for name in path:
        message = getattr(message, name)
    return message


@pytest.mark.parametrize("method", sorted(PERMISSIONS))
def test_anothers_thing_beside_ones_own_is_not_reached(world: World, own: Scene, foreign: Scene, method: str) -> None:
    """Whoever may call a method about its own things is answered about another's only where that is the other side."""
    reached = set()
    for role in ROLES:
        if not expected(method, role, own=True) or expected(method, role, own=False):
            continue  # May not call it at all, or may ask about anybody.
        for path, request in mixed(*(asked(method, role, scene) for scene in (own, foreign))):
            try:
                caller(world, role, own, method).call(method, request)
            except grpc.RpcError as error:
                if Refusal(error).code is grpc.StatusCode.INTERNAL:
                    raise
            else:
                reached.add(path)
    assert reached == OTHER_SIDE.get(method, set())


def asked(method: str, role: Role, scene: Scene) -> Any:
    return (OTHERWISE if role is Role.APP else {}).get(method, REQUESTS[method])(scene)


def caller(world: World, role: Role, own: Scene, method: str) -> Caller:
    at_a_bank = role in OF_A_PARTICIPANT or role is Role.APP
    acting = PERMISSIONS[method].rules.get(role) in ACTING
    return Caller(world, role, OWN_BANK if at_a_bank else "", own.customer if acting else "")
