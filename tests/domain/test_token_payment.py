"""Paying with a token: which reason comes first, and what a tap uses up whatever becomes of it (rows S30, S35, S37)."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest

from domain.account import AccountFrozen
from domain.authorization import AuthorizationApproved, AuthorizationDeclined
from domain.card import CardBlocked, CardRenewed
from domain.credentials import Verdict
from domain.customer import CustomerErased
from domain.device import DeviceBlocked
from domain.event import Context, Event, Policy
from domain.limits import Spending
from domain.refusals import Reason, Refusal
from domain.rules import Operation
from domain.token import (
    Actor,
    Cause,
    Token,
    TokenDeactivated,
    TokenKeysReplenished,
    TokenResumed,
    TokenSuspended,
    TokenUsed,
    following,
)
from domain.token_payment import AuthorizeTokenPayment
from domain.token_policy import TokenPolicy
from domain.tokenise import ReplenishKeys
from tests.domain.spec import ANA, DAY, DOLLARS, NOBODY, SECOND, SETTLEMENT, SHOP, Spec, uid
from tests.domain.tokens import (
    CARD,
    DEVICE,
    FUNDS,
    HOLDER,
    TODAY,
    TOKEN,
    active,
    bound,
    provision,
    provisioned,
    requested,
    tap,
)

PAYMENT = uid(21)
SUSPENDED = TokenSuspended(by=Actor.CARDHOLDER)
WRONG = {"verdict": Verdict.WRONG}
EVERYTHING_WRONG: dict[str, Any] = {
    "expires": 2020_01,
    "entry_mode": "manual",
    "cardholder_verified": False,
    "verdict": Verdict.WRONG,
    "counter": 0,
    "amount_tyiyn": 900_000_000,
    "transaction_date": date(2020, 1, 1),
    "till_id": "till-1",
    "fiscal_receipt_number": "1",
}


def token(spec: Spec) -> Token:
    found = spec.life(TOKEN)
    assert isinstance(found, Token)
    return found


def decline(spec: Spec, command: AuthorizeTokenPayment, request: UUID = PAYMENT) -> list[Event]:
    """Decide a tap that is refused, and take in the record of that, as the engine does."""
    spec.when(command, request)
    assert isinstance(spec.decided, Refusal), spec.decided
    assert spec.decided.reason.value.recorded, spec.decided
    changes = command.declined(spec.books, spec.decided, Context(request.bytes, spec.now, spec.policy))
    for change in changes:
        spec._take(change)
    return [change.event for change in changes]


def test_a_tap_holds_the_amount_and_uses_up_its_counter() -> None:
    """One append: the authorisation of the card's account, and the token's own event."""
    spec = active().when(tap(), PAYMENT)
    assert isinstance(spec.decided, list)
    approved, used = spec.decided
    assert isinstance(approved.event, AuthorizationApproved)
    assert (approved.event.account, approved.event.credit_account, approved.event.amount) == (ANA, SHOP, 4_500)
    assert (approved.event.card, approved.event.token, approved.event.entry_mode) == (CARD, TOKEN, "contactless")
    assert approved.event.spending == Spending(Operation.POS_PAYMENT, 4_500, HOLDER, CARD, TOKEN, "default-1")
    assert approved.event.fingerprint == tap().fingerprint()
    assert used.event == TokenUsed(counter=1, authorization=PAYMENT, amount=4_500)
    spec.then_figures(ANA, posted=FUNDS, held=4_500)


def test_the_first_thing_that_is_wrong_is_the_reason() -> None:
    """With everything wrong at once, each reason shows once those before it are gone, in the documented order."""
    blocked_card, blocked_phone = (CARD, CardBlocked()), (DEVICE, DeviceBlocked())
    suspended = (TOKEN, SUSPENDED)
    everything = [suspended, blocked_card, blocked_phone]
    fields = dict(EVERYTHING_WRONG)
    found: list[Reason] = []

    def look() -> None:
        spec = active(Spec(Policy(tokens=TokenPolicy(key_amount=1_000)))).given(*everything).when(tap(**fields))
        assert isinstance(spec.decided, Refusal)
        found.append(spec.decided.reason)

    look()
    for gone in ({"expires": 2029_09}, suspended, blocked_card, {"entry_mode": "contactless"}, blocked_phone):
        if isinstance(gone, dict):
            fields |= gone
        else:
            everything.remove(gone)
        look()
    for right in ({"cardholder_verified": True}, {"verdict": Verdict.RIGHT}, {"counter": 1}, {"amount_tyiyn": 900}):
        fields |= right
        look()
    assert found == [
        Reason.TOKEN_EXPIRY_WRONG,
        Reason.TOKEN_SUSPENDED,
        Reason.CARD_BLOCKED,
        Reason.ENTRY_MODE_NOT_ALLOWED,
        Reason.DEVICE_BLOCKED,
        Reason.DEVICE_LOCKED,
        Reason.CRYPTOGRAM_WRONG,
        Reason.COUNTER_REPEATED,
        Reason.KEY_USED_UP,
        Reason.TAP_DATE_WRONG,
    ]


@pytest.mark.parametrize(
    ("given", "fields", "reason"),
    [
        (bound, {}, Reason.TOKEN_NOT_FOUND),
        (requested, {}, Reason.TOKEN_NOT_PROVISIONED),
        (provisioned, {}, Reason.TOKEN_NOT_ACTIVE),
        (active, {"expires": 2029_10}, Reason.TOKEN_EXPIRY_WRONG),
        (active, {"entry_mode": "manual"}, Reason.ENTRY_MODE_NOT_ALLOWED),
        (active, {"entry_mode": ""}, Reason.ENTRY_MODE_NOT_ALLOWED),
        (active, {"cardholder_verified": False}, Reason.DEVICE_LOCKED),
        (active, {"verdict": Verdict.WRONG}, Reason.CRYPTOGRAM_WRONG),
        (active, {"verdict": Verdict.ABSENT}, Reason.CRYPTOGRAM_WRONG),
        (active, {"key_sequence": 2}, Reason.CRYPTOGRAM_WRONG),
        (active, {"counter": 0}, Reason.COUNTER_REPEATED),
        (active, {"counter": 101}, Reason.COUNTER_JUMPED),
        (active, {"amount_tyiyn": 5_000_001}, Reason.KEY_USED_UP),
        (active, {"credit_account_id": ANA}, Reason.INVALID_ARGUMENT),
        (active, {"credit_account_id": NOBODY}, Reason.ACCOUNT_NOT_FOUND),
        (active, {"credit_account_id": DOLLARS}, Reason.CURRENCY_MISMATCH),
        (active, {"amount_tyiyn": FUNDS + 1}, Reason.INSUFFICIENT_FUNDS),
    ],
)
def test_what_is_wrong_with_a_tap_is_its_reason(given: Any, fields: dict[str, Any], reason: Reason) -> None:
    """Every guard has a reason of its own, and the tap holds nothing."""
    given().when(tap(**fields)).then_refused(reason).then_figures(ANA, posted=FUNDS, held=0)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ((TOKEN, SUSPENDED), Reason.TOKEN_SUSPENDED),
        ((TOKEN, TokenDeactivated(cause=Cause.FRAUD)), Reason.TOKEN_DEACTIVATED),
        ((CARD, CardBlocked()), Reason.CARD_BLOCKED),
        ((HOLDER, CustomerErased()), Reason.CUSTOMER_ERASED),
        ((DEVICE, DeviceBlocked()), Reason.DEVICE_BLOCKED),
        ((ANA, AccountFrozen(debits=True)), Reason.ACCOUNT_FROZEN),
    ],
)
def test_a_right_cryptogram_uses_up_its_counter_in_a_decline(event: tuple[Any, Event], reason: Reason) -> None:
    """What a terminal has heard is worth nothing later, whatever the decline was for."""
    spec = active().given(event)
    declined, used = decline(spec, tap())
    assert isinstance(declined, AuthorizationDeclined)
    assert (declined.reason, declined.token, declined.card, declined.account) == (reason.name, TOKEN, CARD, ANA)
    assert used == TokenUsed(counter=1, authorization=PAYMENT)
    assert token(spec).counter.highest == 1


@pytest.mark.parametrize(
    "fields",
    [WRONG, {"key_sequence": 2}, {"counter": 101}, {"counter": 0}, {**WRONG, "cardholder_verified": False}],
    ids=["wrong", "another key", "a jump", "a repeat", "wrong and locked"],
)
def test_a_tap_that_proves_nothing_uses_up_nothing(fields: dict[str, Any]) -> None:
    """A wrong cryptogram, or a counter that is not taken, leaves the token as it was: guessing stops no phone."""
    spec = active()
    before = token(spec)
    (declined,) = decline(spec, tap(**fields))
    assert isinstance(declined, AuthorizationDeclined)
    assert token(spec) == before
    spec.given_done(tap())


def test_a_declined_tap_is_not_presented_again() -> None:
    """Suspended, heard, resumed: the same tap under another request is a repeat."""
    spec = active().given((TOKEN, SUSPENDED))
    decline(spec, tap())
    spec.given((TOKEN, TokenResumed(by=Actor.CARDHOLDER))).when(tap()).then_refused(Reason.COUNTER_REPEATED)
    spec.given_done(tap(counter=2))


def test_taps_out_of_order_are_taken_once_each() -> None:
    """Eight values behind the highest may still come; what is further behind may not."""
    spec = active().given_done(tap(counter=20), tap(counter=12))
    spec.when(tap(counter=12)).then_refused(Reason.COUNTER_REPEATED)
    spec.when(tap(counter=11)).then_refused(Reason.COUNTER_TOO_OLD)
    spec.given_done(tap(counter=120))
    spec.when(tap(counter=221)).then_refused(Reason.COUNTER_JUMPED)


def test_near_its_end_the_counter_asks_for_provisioning() -> None:
    """Provisioned anew, the phone counts from 1 again, with the same number."""
    spec = active(Spec(Policy(tokens=TokenPolicy(key_uses=10**6, key_amount=10**12))))
    number = token(spec).masked
    for counter in range(100, 65_436, 100):
        spec._take(spec_used(spec, counter))
    spec._take(spec_used(spec, 65_435))
    spec.when(tap(counter=65_436)).then_refused(Reason.COUNTER_NEAR_END)
    spec.given_done(provision(sequence=2), tap(counter=1, key_sequence=2))
    assert token(spec).masked == number


def spec_used(spec: Spec, counter: int) -> Any:
    """Return the change that uses up a counter."""
    return following(token(spec), TokenUsed(counter=counter, authorization=PAYMENT))


@pytest.mark.parametrize(
    ("limit", "policy"), [("uses", TokenPolicy(key_uses=2)), ("amount", TokenPolicy(key_amount=9_000))]
)
def test_a_key_is_good_for_so_much(limit: str, policy: TokenPolicy) -> None:
    """Past its uses or its amount the phone replenishes; the counter goes on."""
    spec = active(Spec(Policy(tokens=policy))).given_done(tap(counter=1), tap(counter=2))
    spec.when(tap(counter=3)).then_refused(Reason.KEY_USED_UP, limit=limit)
    spec.given_done(ReplenishKeys(token_id=TOKEN, sequence=2, master_key_id="1"))
    spec.when(tap(counter=3)).then_refused(Reason.KEY_SUPERSEDED)
    spec.when(tap(counter=2, key_sequence=2)).then_refused(Reason.COUNTER_REPEATED)
    spec.given_done(tap(counter=3, key_sequence=2))


def test_declined_taps_count_as_uses_and_not_as_money() -> None:
    """A key is worn by every right cryptogram; its amount only by what was approved."""
    spec = active(Spec(Policy(tokens=TokenPolicy(key_uses=2)))).given((ANA, AccountFrozen(debits=True)))
    decline(spec, tap(counter=1), uid(31))
    assert (token(spec).uses, token(spec).spent) == (1, 0)
    decline(spec, tap(counter=2), uid(32))
    spec.when(tap(counter=3)).then_refused(Reason.KEY_USED_UP, limit="uses")


@pytest.mark.parametrize(("late", "good"), [(-2, True), (-1, False), (DAY, False)])
def test_a_key_ends_at_its_instant(late: int, good: bool) -> None:  # noqa: FBT001
    """After 14 days the phone replenishes, to the microsecond."""
    spec = active()
    keys = token(spec).keys
    assert keys is not None
    spec.after(keys.until - spec.now + late).when(tap(transaction_date=TODAY + timedelta(14)))
    if good:
        assert isinstance(spec.decided, list)
    else:
        spec.then_refused(Reason.KEY_USED_UP, limit="age")


def test_a_token_number_expires_with_its_month() -> None:
    """On the last day of its month it pays, on the next it does not; provisioned anew, it does."""
    spec = active().given((CARD, CardRenewed(expires=2031_12)))
    spec.given_done(ReplenishKeys(token_id=TOKEN, sequence=2, master_key_id="1"))
    ends = 1_885_485_600 * 1_000_000  # 1 October 2029, 00:00 in Bishkek
    spec.after(ends - 10 - spec.now).given_done(ReplenishKeys(token_id=TOKEN, sequence=3, master_key_id="1"))
    spec.given_done(tap(key_sequence=3, transaction_date=date(2029, 9, 30)))
    october = date(2029, 10, 1)
    spec.after(10).when(tap(counter=2, key_sequence=3, transaction_date=october)).then_refused(Reason.TOKEN_EXPIRED)
    spec.given_done(provision(sequence=4), tap(key_sequence=4, expires=2032_10, transaction_date=october))


@pytest.mark.parametrize(
    ("tolerance", "days", "good"),
    [(1, -1, True), (1, 1, True), (1, -2, False), (1, 2, False), (0, 0, True), (0, 1, False)],
)
def test_a_tap_is_of_the_day(tolerance: int, days: int, good: bool) -> None:  # noqa: FBT001
    """A terminal's date may differ by so many days, either way; a tap of another time is used up all the same."""
    spec = active(Spec(Policy(tokens=TokenPolicy(tap_days=tolerance))))
    command = tap(transaction_date=TODAY + timedelta(days))
    if good:
        spec.given_done(command)
    else:
        declined, used = decline(spec, command)
        assert isinstance(declined, AuthorizationDeclined)
        assert (declined.reason, used) == ("TAP_DATE_WRONG", TokenUsed(counter=1, authorization=PAYMENT))
    assert token(spec).counter.highest == 1


def test_the_day_is_that_of_bishkek() -> None:
    """It begins six hours before it does in UTC."""
    spec = active(Spec(Policy(tokens=TokenPolicy(tap_days=0))))
    spec.after(4 * 3_600 * SECOND).when(tap()).then_refused(Reason.TAP_DATE_WRONG, transaction_date=TODAY)
    spec.given_done(tap(transaction_date=TODAY + timedelta(1)))


def test_a_fiscal_receipt_is_paid_once() -> None:
    """Till and receipt number are unique together, for the account that is credited (row S37)."""
    receipt = {"till_id": "till-1", "fiscal_receipt_number": "000123"}
    spec = active().when(tap(**receipt)).then_claimed(("fiscal_receipt", "1:46:till-16:000123"))
    assert spec.event().till_id == "till-1"
    again = spec.when(tap(counter=2, **receipt))
    again.then_refused(Reason.FISCAL_RECEIPT_SEEN, till_id="till-1", receipt="000123")
    spec.given_done(tap(counter=2, till_id="till-2", fiscal_receipt_number="000123"))
    spec.given_done(tap(counter=3, credit_account_id=SETTLEMENT, **receipt))


def test_a_decline_leaves_the_fiscal_receipt_free() -> None:
    """The cashier may let the same receipt be paid by another tap."""
    receipt = {"till_id": "till-1", "fiscal_receipt_number": "000123"}
    spec = active()
    events = decline(spec, tap(amount_tyiyn=FUNDS + 1, **receipt))
    assert [type(event) for event in events] == [AuthorizationDeclined, TokenUsed]
    spec.given_done(tap(counter=2, **receipt))


@pytest.mark.parametrize("fields", [{"till_id": "till-1"}, {"fiscal_receipt_number": "1"}])
def test_a_till_and_its_receipt_come_together(fields: dict[str, str]) -> None:
    """One without the other is no fiscal receipt."""
    with pytest.raises(ValueError, match="without the other"):
        tap(**fields)


def test_limits_of_the_token_count() -> None:
    """More than one tap may take by the rules is refused before the funds are looked at."""
    policy = Policy(tokens=TokenPolicy(key_amount=10**12))
    active(Spec(policy)).when(tap(amount_tyiyn=5_000_001)).then_refused(Reason.LIMIT_EXCEEDED)


def test_the_verdict_is_no_part_of_what_was_asked() -> None:
    """The same tap sent again is the same request, whatever became of the cryptogram meanwhile."""
    assert tap().fingerprint() == tap(**WRONG).fingerprint()
    assert tap().fingerprint() != tap(counter=2).fingerprint()


def test_new_keys_do_not_bring_a_counter_back() -> None:
    """The counter goes on over a replenishment, also as a fold of events."""
    spec = active().given_done(tap(counter=9))
    replenished = TokenKeysReplenished(sequence=2, master_key_id="1", max_uses=1, max_amount=1, keys_until=spec.now)
    assert token(spec.given((TOKEN, replenished))).counter == (9, 0)
