"""Holding callers to the table of permissions, before anything that they ask for is looked at.

A refusal is always the same PERMISSION_DENIED, whether the caller's role may not call the method at all, or what the
request names is another's, or does not exist: so nobody learns from it what there is.
"""

from typing import Any, Final

import msgspec

from domain.refusals import Refusal
from ledger.rpc import calls
from ledger.rpc.callers import Caller, Role
from ledger.rpc.calls import Call
from ledger.rpc.errors import denied
from ledger.rpc.permissions import Row, Rule, Subject
from ledger.rpc.subjects import Subjects, Whose
from protos.esep.v1.customer_pb2 import CUSTOMER_TIER_REMOTE
from protos.esep.v1.notification_pb2 import NOTIFICATION_CHANNEL_PUSH
from protos.esep.v1.token_pb2 import (
    TOKEN_ACTOR_ISSUER,
    TOKEN_DEACTIVATION_CAUSE_FRAUD,
    TOKEN_DEACTIVATION_CAUSE_ISSUER,
)

AMOUNT: Final = "_tyiyn"
"""How the names of amounts end in the metadata of a refusal."""
_ISSUERS_CAUSES: Final = frozenset({TOKEN_DEACTIVATION_CAUSE_ISSUER, TOKEN_DEACTIVATION_CAUSE_FRAUD})
_TOLD_AMOUNTS: Final = frozenset({Role.AUDITOR, Role.OPERATOR, Role.DEVELOPER})
"""Roles that read every account, and so may hear of any amount."""


class Guard:
    """Says whether a caller may do what a request asks for."""

    def __init__(self, subjects: Subjects) -> None:
        self._subjects = subjects

    async def admit(self, row: Row, rule: Rule, request: Any, call: Call) -> None:
        """Return if the rule that the row has for the caller's role allows the request; else raise Refused.

        Whose accounts a batch debits is looked at by the gateway, which has them in columns: here it would take as
        long as all that the edge does with a batch.
        """
        await self._subjects.settle(row.subject, request)
        if rule is Rule.ANY:
            return
        caller = call.who
        if row.subject is Subject.NEW_TRANSFERS:
            call.payer, call.told_amounts = caller.participant, caller.role is Role.BANK
            return
        whose = await self._subjects.whose(row.subject, request)
        if not await self._allowed(rule, request, caller, whose):
            raise denied()
        call.told_amounts = caller.role is Role.BANK and _all_own(caller, whose.owners)

    async def _allowed(self, rule: Rule, request: Any, caller: Caller, whose: Whose) -> bool:
        match rule:
            case Rule.ANY:
                return True
            case Rule.BY_ID:
                return bool(request.WhichOneof("customer") == "customer_id")
            case Rule.OWN:
                return _all_own(caller, whose.owners)
            case Rule.PARTY:
                return bool(caller.participant) and caller.participant in (*whose.owners, *whose.counterparties)
            case Rule.ACQUIRER:
                return _all_own(caller, whose.counterparties)
            case Rule.SERVED:
                return _served(caller, whose)
            case Rule.REMOTE:
                return _served(caller, whose) and request.tier == CUSTOMER_TIER_REMOTE
            case Rule.ISSUERS:
                return _all_own(caller, whose.owners) and _of_issuer(request)
            case Rule.HOLDERS if _of_issuer(request):
                return False
            case Rule.FOLLOWER if caller.customer is None:
                # An application's back end: never a text message, in which the amount that shows a cardholder may be.
                by_push = request.channel == NOTIFICATION_CHANNEL_PUSH and not request.customer_id
                return by_push and _all_own(caller, whose.owners)
            case Rule.CUSTOMER | Rule.HOLDER | Rule.HOLDERS | Rule.FOLLOWER:
                return whose.customer is not None and whose.customer == await self._acting_for(caller)
            case Rule.BOUND:
                customer = await self._acting_for(caller)
                if customer is None or not whose.accounts:
                    return False
                return await self._subjects.accounts_of(customer) >= set(whose.accounts)

    async def _acting_for(self, caller: Caller) -> bytes | None:
        """Return the customer whom an app acts for, None when there is none whom it serves."""
        if caller.customer is None:
            return None
        customer = await self._subjects.customer(caller.customer)
        if customer is None or caller.participant not in ("", customer.participant):
            return None
        return customer.customer_id


def _of_issuer(request: Any) -> bool:
    """Tell whether the party that a request about a token names is the issuer; one that it leaves out is nobody's."""
    if "cause" in request.DESCRIPTOR.fields_by_name:
        return request.cause in _ISSUERS_CAUSES
    return bool(request.suspended_by == TOKEN_ACTOR_ISSUER)


def rule_of(row: Row, role: Role) -> Rule:
    """Return the rule under which a role may call a method; raises Refused when it may not call it at all."""
    if role is Role.DEVELOPER:
        return Rule.ANY
    rule = row.rules.get(role)
    if rule is None:
        raise denied()
    return rule


def opened(call: Call) -> Call:
    """Return a call with what follows from the caller's role alone."""
    call.told_amounts = call.who.role in _TOLD_AMOUNTS
    return call


def told(refusal: Refusal) -> Refusal:
    """Return a refusal without the amounts of accounts that this task's caller may not read."""
    if not any(key.endswith(AMOUNT) for key in refusal.metadata) or calls.current().told_amounts:
        return refusal
    kept = {key: value for key, value in refusal.metadata.items() if not key.endswith(AMOUNT)}
    return msgspec.structs.replace(refusal, metadata=kept)


def _all_own(caller: Caller, participants: tuple[str | None, ...]) -> bool:
    return bool(caller.participant) and all(each == caller.participant for each in participants)


def _served(caller: Caller, whose: Whose) -> bool:
    if caller.customer is not None and whose.customer != caller.customer:
        return False
    return not caller.participant or _all_own(caller, whose.owners)
