"""Binding a card: what refuses each step and in which order, and what never stands in an event."""

from typing import Any
from uuid import UUID

import msgspec
import pytest
from pydantic import ValidationError

from domain import wallet
from domain.account import AccountClosed, AccountFrozen
from domain.aggregate import evolve
from domain.authorization import AuthorizationApproved, AuthorizationExpired, AuthorizationReversed, State
from domain.bind import Details, RequestCardBinding
from domain.binding import (
    Binding,
    BindingState,
    CardBindingCancelled,
    CardBindingConfirmed,
    CardBindingMissed,
    CardBindingRequested,
    HeldAmountDisclosed,
    UnknownBindingTried,
    unknown_id,
)
from domain.card import (
    CardBindingOpened,
    CardBlocked,
    CardBound,
    CardClosed,
    CardIssued,
    CardNotificationsSet,
    CardReportedLost,
    CardUnbound,
    Loss,
    UnboundBy,
)
from domain.command import Command
from domain.confirm import CancelCardBinding, ConfirmCardBinding, DiscloseHeldAmount
from domain.customer import CustomerConfirmed, CustomerErased, CustomerIdentified, CustomerRegistered, Tier
from domain.event import Change, Event, Policy
from domain.pan import NumberFault, ends_at
from domain.refusals import Reason
from domain.resolve import Capture, Increment, Replace, Reverse, ReversePart, expire
from domain.wallet import WalletCardAdded, WalletCardTried
from tests.domain.spec import ANA, DAY, NOW, SECOND, Spec, uid

CARD, OTHER, HOLDER, STRANGER, BINDING, HOLD = (uid(number) for number in range(1, 7))
WALLET = UUID(bytes=wallet.wallet_id(HOLDER.bytes))
EXPIRES = 2028_12
MASKED = "941700******7895"
ISSUED = CardIssued(participant="bank-b", account=ANA, masked=MASKED, expires=EXPIRES, par="A" * 29)
PERSON = (
    CustomerRegistered(participant="bank-a", login=b"\xff1", phone=b"\xff2", confirm_by=NOW),
    CustomerConfirmed(),
    CustomerIdentified(tier=Tier.REMOTE),
)
MARK = "0123456789abcdef"
AMOUNTS = (421, 422, 423, 424, 425, 426)
AMOUNT = AMOUNTS[0]
WINDOW = 72 * 3_600 * SECOND
MISS = CardBindingMissed(tries_left=2)
RELEASED = AuthorizationReversed(account=ANA, released=AMOUNT, by="cardholder")


def world(*card: Event, person: tuple[Event, ...] = PERSON, funds: int = 999, policy: Policy | None = None) -> Spec:
    """Return a world with an issued card, its funds and an identified customer."""
    spec = Spec(policy or Policy()).given(*((CARD, event) for event in (ISSUED, *card)))
    spec.given(*((HOLDER, event) for event in person), *((STRANGER, event) for event in PERSON))
    return spec.funds(ANA, funds) if funds else spec


def request(**fields: Any) -> RequestCardBinding:
    values: dict[str, Any] = {
        "customer_id": HOLDER,
        "card_id": CARD,
        "masked_number": MASKED,
        "expires": EXPIRES,
        "details": Details.RIGHT,
        "name": b"\xffname",
        "name_mark": MARK,
        "hold_id": HOLD,
        "candidates": AMOUNTS,
    }
    return RequestCardBinding(**{**values, **fields})


def confirm(amount: int = AMOUNT, customer: UUID = HOLDER, binding: UUID = BINDING) -> ConfirmCardBinding:
    return ConfirmCardBinding(binding_id=binding, customer_id=customer, amount_tyiyn=amount)


def begun(*card: Event, **options: Any) -> Spec:
    """Return a world in which a binding was begun."""
    spec = world(*card, **options).when(request(), BINDING)
    assert isinstance(spec.decided, list), spec.decided
    return spec


def test_a_binding_begins_with_a_hold_that_ends_with_it() -> None:
    """Binding, hold, card and wallet change in one append; the amount stands in the hold alone."""
    spec = begun(CardNotificationsSet(sms=True))
    expires_at = spec.now + WINDOW
    spec.then(
        CardBindingRequested(
            customer=HOLDER,
            card=CARD,
            participant="bank-b",
            masked=MASKED,
            hold=HOLD,
            expires_at=expires_at,
            tries=3,
            name=b"\xffname",
            name_mark=MARK,
            sms=True,
            rule_version="default-1",
        ),
        AuthorizationApproved(
            account=ANA,
            credit_account=ANA,
            amount=AMOUNT,
            currency="KGS",
            kind="card_verification",
            entry_mode="ecommerce",
            card=CARD,
            masked_number=MASKED,
            expires_at=expires_at,
            rule_version="default-1",
        ),
        CardBindingOpened(binding=BINDING, customer=HOLDER, hold=HOLD),
        WalletCardTried(customer=HOLDER, card=CARD),
    )
    spec.then_figures(ANA, posted=999, held=AMOUNT)
    assert isinstance(spec.decided, list)
    others = [change.event for change in spec.decided if not isinstance(change.event, AuthorizationApproved)]
    assert str(AMOUNT) not in str(others)


@pytest.mark.parametrize(
    ("person", "fields", "reason"),
    [
        ((), {"number_fault": NumberFault.MALFORMED, "masked_number": ""}, Reason.CUSTOMER_NOT_FOUND),
        ((PERSON[0],), {"number_fault": NumberFault.MALFORMED, "masked_number": ""}, Reason.CUSTOMER_NOT_CONFIRMED),
        (PERSON[:2], {"number_fault": NumberFault.MALFORMED, "masked_number": ""}, Reason.CUSTOMER_NOT_IDENTIFIED),
        ((*PERSON, CustomerErased()), {}, Reason.CUSTOMER_ERASED),
        (PERSON, {"number_fault": NumberFault.MALFORMED, "masked_number": ""}, Reason.CARD_NUMBER_MALFORMED),
        (PERSON, {"number_fault": NumberFault.CHECK_DIGIT, "expires": None}, Reason.CARD_NUMBER_CHECK_DIGIT),
        (PERSON, {"masked_number": "427600******0000", "expires": None}, Reason.CARD_NUMBER_PREFIX),
        (PERSON, {"expires": None, "cvv_malformed": True}, Reason.CARD_EXPIRY_MALFORMED),
        (PERSON, {"expires": 2020_01, "cvv_malformed": True}, Reason.CARD_EXPIRY_PAST),
        (PERSON, {"cvv_malformed": True, "card_id": None}, Reason.CVV_MALFORMED),
        (PERSON, {"card_id": None, "details": Details.LOCKED}, Reason.CARD_DETAILS_LOCKED),
        (PERSON, {"card_id": None}, Reason.CARD_DETAILS_WRONG),
        (PERSON, {"card_id": OTHER}, Reason.CARD_DETAILS_WRONG),
        (PERSON, {"details": Details.WRONG}, Reason.CARD_DETAILS_WRONG),
        (PERSON, {"expires": 2029_01}, Reason.CARD_DETAILS_WRONG),
    ],
)
def test_what_is_wrong_with_a_request_is_named_in_order(
    person: tuple[Event, ...], fields: dict[str, Any], reason: Reason
) -> None:
    """The customer's steps first (row S33), then each field, and last whether a card has all three details."""
    spec = world(CardBlocked(), person=person, funds=0).when(request(**fields))
    spec.then_refused(reason)
    spec.then_figures(ANA, posted=0)


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ((CardBlocked(),), Reason.CARD_BLOCKED),
        ((CardReportedLost(how=Loss.STOLEN),), Reason.CARD_LOST),
        ((CardBound(customer=HOLDER), CardClosed()), Reason.CARD_CLOSED),
        ((CardBound(customer=HOLDER),), Reason.CARD_ALREADY_BOUND),
        ((CardBound(customer=STRANGER),), Reason.CARD_BOUND_ELSEWHERE),
        ((), Reason.INSUFFICIENT_FUNDS),
        ((CardBound(customer=STRANGER), CardUnbound(customer=STRANGER, by=UnboundBy.BANK)), Reason.INSUFFICIENT_FUNDS),
    ],
)
def test_whoever_has_the_details_is_told_what_the_card_is(card: tuple[Event, ...], reason: Reason) -> None:
    """Status, whose it is, and last the funds."""
    world(*card, funds=0).when(request()).then_refused(reason)


def test_the_card_of_somebody_who_was_erased_is_nobodys() -> None:
    """It can be bound again."""
    spec = world(CardBound(customer=STRANGER)).given((STRANGER, CustomerErased())).when(request(), BINDING)
    assert isinstance(spec.decided, list)
    assert isinstance(spec.when(confirm()).decided, list)
    assert spec.life(CARD).customer == HOLDER.bytes


def test_an_expired_card_is_told_by_what_was_typed() -> None:
    """From the first instant after its last month the expiry lies in the past."""
    spec = world()
    spec.after(ends_at(EXPIRES, Policy().utc_offset_seconds) - spec.now)
    spec.when(request()).then_refused(Reason.CARD_EXPIRY_PAST)


@pytest.mark.parametrize("funds", [998, 1, 0])
def test_whether_there_are_funds_tells_nothing_of_the_amount(funds: int) -> None:
    """The largest amount must be there, whichever is held; the refusal has no figure, and nothing is held."""
    spec = world(funds=funds).when(request(candidates=range(100, 106))).then_refused(Reason.INSUFFICIENT_FUNDS)
    assert spec.decided.metadata == {}  # type: ignore[union-attr]
    spec.then_figures(ANA, posted=funds)


@pytest.mark.parametrize("amount", [100, 421, 999])
def test_whether_another_hold_finds_funds_tells_nothing_of_the_one_before(amount: int) -> None:
    """Whoever pays in and asks again gets the second hold at one and the same balance, whichever amount is held."""
    amounts = (amount, *(other for other in range(500, 505)))
    for funds, enough in ((2 * 999 - 1, False), (2 * 999, True)):
        spec = world(funds=funds).when(request(candidates=amounts), BINDING)
        assert isinstance(spec.decided, list)
        spec.when(request(hold_id=uid(21)), uid(41))
        if enough:
            assert isinstance(spec.decided, list)
        else:
            spec.then_refused(Reason.INSUFFICIENT_FUNDS)


@pytest.mark.parametrize(
    ("event", "reason"),
    [(AccountFrozen(debits=True), Reason.ACCOUNT_FROZEN), (AccountClosed(), Reason.ACCOUNT_CLOSED)],
)
def test_an_account_that_pays_nothing_holds_nothing(event: Event, reason: Reason) -> None:
    """A frozen or closed account is refused as such, before its funds."""
    world(funds=0).given((ANA, event)).when(request()).then_refused(reason)


def test_an_amount_does_not_come_again_soon() -> None:
    """The first candidate that none of the card's last five holds had is held."""
    spec = world(funds=99_999, policy=Policy(binding_sessions_per_day=9, binding_sessions_per_month=9))
    held = []
    for number in range(7):
        spec.when(request(hold_id=uid(20 + number)), uid(40 + number))
        assert isinstance(spec.decided, list)
        held.append(next(each.event.amount for each in spec.decided if isinstance(each.event, AuthorizationApproved)))
    assert held == [*AMOUNTS, AMOUNTS[0]]


@pytest.mark.parametrize("candidates", [(), AMOUNTS[:5], (*AMOUNTS[:5], 421), (*AMOUNTS[:5], 99), (*AMOUNTS[:5], 1000)])
def test_candidates_are_six_different_amounts_in_bounds(candidates: tuple[int, ...]) -> None:
    """Otherwise none might be left that the card did not have lately."""
    with pytest.raises(ValidationError):
        request(candidates=candidates)


def opened(times: int, *, every: int) -> tuple[Spec, int]:
    """Return a world in which one card was tried several times, and how long ago the first was."""
    spec = world(funds=99_999)
    for number in range(times):
        spec.given((CARD, CardBindingOpened(binding=uid(50 + number), customer=STRANGER, hold=uid(70 + number))))
        spec.after(every)
    return spec, times * every


def test_a_card_is_tried_three_times_a_day() -> None:
    """Whoever tried it: the fourth within 24 hours is refused, a moment after them it is not."""
    spec, ago = opened(3, every=SECOND)
    spec.when(request()).then_refused(Reason.BINDING_LIMIT, limit="card_per_day")
    assert isinstance(spec.after(DAY - ago).when(request()).decided, list)


def test_a_card_is_tried_five_times_a_month() -> None:
    """The sixth within 30 days is refused."""
    spec, ago = opened(5, every=DAY)
    spec.when(request()).then_refused(Reason.BINDING_LIMIT, limit="card_per_month")
    assert isinstance(spec.after(30 * DAY - ago).when(request()).decided, list)


def test_a_customer_tries_five_cards_a_day() -> None:
    """The sixth card within 24 hours is refused; one of the five may be tried again."""
    spec = world(funds=99_999)
    spec.given(*((WALLET, WalletCardTried(customer=HOLDER, card=uid(80 + number))) for number in range(5)))
    spec.when(request()).then_refused(Reason.BINDING_LIMIT, limit="cards_per_day")
    again = world(funds=99_999)
    again.given(*((WALLET, WalletCardTried(customer=HOLDER, card=uid(80 + number))) for number in range(4)))
    again.given((WALLET, WalletCardTried(customer=HOLDER, card=CARD)))
    assert isinstance(again.when(request()).decided, list)
    assert isinstance(spec.after(DAY).when(request()).decided, list)


def test_a_customer_has_ten_cards() -> None:
    """The eleventh is refused when it is begun, and when it is confirmed after the tenth was bound meanwhile."""
    ten = [(WALLET, WalletCardAdded(customer=HOLDER, card=uid(80 + number))) for number in range(10)]
    world().given(*ten).when(request()).then_refused(Reason.BINDING_LIMIT, limit="bound_cards")
    begun().given(*ten).when(confirm()).then_refused(Reason.BINDING_LIMIT, limit="bound_cards")


def test_the_right_amount_binds_the_card_and_lets_the_hold_go() -> None:
    """All of it in one append."""
    spec = (
        begun()
        .when(confirm())
        .then(
            CardBindingConfirmed(),
            RELEASED,
            CardBound(customer=HOLDER, binding=BINDING),
            WalletCardAdded(customer=HOLDER, card=CARD),
        )
    )
    spec.then_figures(ANA, posted=999)
    assert spec.life(BINDING).state(spec.now) is BindingState.BOUND
    assert spec.life(CARD).customer == HOLDER.bytes
    assert spec.life(WALLET).cards == (CARD.bytes,)
    assert spec.life(HOLD).state is State.REVERSED
    spec.when(confirm()).then_refused(Reason.CARD_ALREADY_BOUND)


def test_the_third_wrong_amount_locks_the_binding_and_lets_the_hold_go() -> None:
    """Each miss is an event without what was named; after the third the right amount is not compared."""
    spec = begun()
    spec.when(confirm(100)).then(MISS)
    spec.when(confirm(999)).then(CardBindingMissed(tries_left=1))
    spec.when(confirm(AMOUNT + 1)).then(CardBindingMissed(tries_left=0), msgspec.structs.replace(RELEASED, by="issuer"))
    spec.then_figures(ANA, posted=999)
    spec.when(confirm()).then_refused(Reason.BINDING_LOCKED)
    assert spec.decided.metadata == {}  # type: ignore[union-attr]


def test_a_second_try_may_be_right() -> None:
    """A miss changes nothing but the tries that are left."""
    assert isinstance(begun().when(confirm(100)).when(confirm()).decided, list)


@pytest.mark.parametrize(("customer", "binding"), [(STRANGER, BINDING), (HOLDER, uid(99)), (HOLDER, CARD)])
def test_a_binding_that_is_not_ones_own_looks_like_a_wrong_amount(customer: UUID, binding: UUID) -> None:
    """It counts down and locks as one's own would, and costs its owner nothing."""
    spec = begun()
    before = spec.life(BINDING)
    for left in (2, 1, 0):
        spec.when(confirm(AMOUNT, customer, binding)).then(
            UnknownBindingTried(binding=binding, customer=customer, tries_left=left)
        )
    spec.when(confirm(AMOUNT, customer, binding)).then_refused(Reason.BINDING_LOCKED)
    assert spec.decided.metadata == {}  # type: ignore[union-attr]
    assert spec.life(BINDING) == before
    assert isinstance(spec.when(confirm()).decided, list)


def test_tries_at_unknown_bindings_are_counted_for_each_customer_and_binding() -> None:
    """One customer's tries cost another none."""
    ids = {unknown_id(one.bytes, other.bytes) for one in (HOLDER, STRANGER) for other in (CARD, BINDING)}
    assert len(ids) == 4


@pytest.mark.parametrize(("amount", "customer"), [(99, HOLDER), (1000, HOLDER), (0, HOLDER), (-421, HOLDER)])
def test_an_amount_out_of_bounds_is_no_try(amount: int, customer: UUID) -> None:
    """What can be no held amount is malformed."""
    with pytest.raises(ValidationError):
        confirm(amount, customer)


@pytest.mark.parametrize("command", [confirm(), CancelCardBinding(binding_id=BINDING, customer_id=HOLDER)])
@pytest.mark.parametrize("recorded", [True, False])
def test_after_the_window_the_binding_is_expired(command: Command, recorded: bool) -> None:  # noqa: FBT001
    """From the exact instant on, whether the end of the hold has been recorded or not."""
    spec = begun()
    binding: Binding = spec.life(BINDING)
    spec.after(binding.expires_at - spec.now)
    assert binding.state(binding.expires_at - 1) is BindingState.OPEN
    assert binding.state(binding.expires_at) is BindingState.EXPIRED
    if recorded:
        change = expire(spec.life(HOLD))
        assert isinstance(change.event, AuthorizationExpired)
        spec.given((HOLD, change.event)).then_figures(ANA, posted=999)
    spec.when(command).then_refused(Reason.BINDING_EXPIRED)


def test_the_last_instant_of_the_window_counts() -> None:
    """A microsecond before the end the amount can still be named."""
    spec = begun()
    spec.after(spec.life(BINDING).expires_at - spec.now - 2)
    assert isinstance(spec.when(confirm()).decided, list)


@pytest.mark.parametrize(
    ("whose", "event", "reason"),
    [
        (CARD, CardBlocked(), Reason.CARD_BLOCKED),
        (CARD, CardReportedLost(how=Loss.LOST), Reason.CARD_LOST),
        (CARD, CardClosed(), Reason.CARD_CLOSED),
        (CARD, CardBound(customer=STRANGER), Reason.CARD_BOUND_ELSEWHERE),
        (CARD, CardBound(customer=HOLDER), Reason.CARD_ALREADY_BOUND),
        (HOLDER, CustomerErased(), Reason.CUSTOMER_ERASED),
    ],
)
@pytest.mark.parametrize("amount", [AMOUNT, 100])
def test_what_happened_meanwhile_refuses_whatever_amount_is_named(
    whose: UUID, event: Event, reason: Reason, amount: int
) -> None:
    """Nothing of the amount shows, and no try is used up."""
    spec = begun().given((whose, event)).when(confirm(amount)).then_refused(reason)
    assert spec.life(BINDING).tries_left == 3


def test_giving_up_lets_the_hold_go() -> None:
    """Cancelled once, a binding is over."""
    cancel = CancelCardBinding(binding_id=BINDING, customer_id=HOLDER)
    spec = begun().when(cancel).then(CardBindingCancelled(), RELEASED)
    spec.then_figures(ANA, posted=999)
    spec.when(cancel).then_refused(Reason.BINDING_CANCELLED)
    spec.when(confirm()).then_refused(Reason.BINDING_CANCELLED)


@pytest.mark.parametrize(("binding", "customer"), [(BINDING, STRANGER), (uid(99), HOLDER), (CARD, HOLDER)])
def test_only_ones_own_binding_is_given_up(binding: UUID, customer: UUID) -> None:
    """Another's and an unknown one are not found alike."""
    begun().when(CancelCardBinding(binding_id=binding, customer_id=customer)).then_refused(Reason.BINDING_NOT_FOUND)


def test_the_amount_is_disclosed_to_somebody_who_is_named() -> None:
    """The event says who asked, and not the amount; it may be asked for again."""
    ask = DiscloseHeldAmount(card_id=CARD, operator="op-17", explanation="паспорт")
    spec = begun().when(ask).then(HeldAmountDisclosed(operator="op-17", explanation="паспорт"))
    named = DiscloseHeldAmount(card_id=CARD, binding_id=BINDING, operator="op-18")
    spec.when(named).then(HeldAmountDisclosed(operator="op-18"))
    assert spec.life(BINDING).version == 3
    assert isinstance(spec.when(confirm()).decided, list)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"card_id": uid(99)}, Reason.CARD_NOT_FOUND),
        ({"card_id": OTHER}, Reason.BINDING_NOT_OPEN),
        ({"binding_id": uid(99)}, Reason.BINDING_NOT_FOUND),
        ({"card_id": OTHER, "binding_id": BINDING}, Reason.BINDING_NOT_FOUND),
    ],
)
def test_only_an_open_bindings_amount_is_disclosed(fields: dict[str, Any], reason: Reason) -> None:
    """Of the card that was asked about."""
    ask = DiscloseHeldAmount(**{"card_id": CARD, "operator": "op-17", **fields})
    begun().given((OTHER, ISSUED)).when(ask).then_refused(reason)


def test_nothing_is_disclosed_of_a_binding_that_has_ended() -> None:
    """Named, it says how it ended; by the card alone, none is open."""
    spec = begun().when(confirm())
    spec.when(DiscloseHeldAmount(card_id=CARD, operator="op-17")).then_refused(Reason.BINDING_NOT_OPEN)
    named = DiscloseHeldAmount(card_id=CARD, binding_id=BINDING, operator="op-17")
    spec.when(named).then_refused(Reason.CARD_ALREADY_BOUND)


@pytest.mark.parametrize(
    "command",
    [
        Capture(authorization_id=HOLD, amount_tyiyn=AMOUNT, clearing_reference="c1", final=True),
        Increment(authorization_id=HOLD, amount_tyiyn=1),
        Replace(authorization_id=HOLD, total_tyiyn=1),
        ReversePart(authorization_id=HOLD, amount_tyiyn=1),
        Reverse(authorization_id=HOLD),
    ],
)
@pytest.mark.parametrize("then", [None, confirm()])
def test_a_verification_hold_is_its_bindings_alone(command: Command, then: Command | None) -> None:
    """It is never captured, changed or reversed by anybody else, neither while it stands nor afterwards."""
    spec = begun()
    if then is not None:
        spec.when(then)
    spec.when(command).then_refused(Reason.VERIFICATION_HOLD)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("details", Details.WRONG),
        ("cvv_malformed", True),
        ("number_fault", NumberFault.CHECK_DIGIT),
        ("name", b"other"),
        ("hold_id", uid(98)),
        ("candidates", (100, 101, 102, 103, 104, 105)),
    ],
)
def test_secrets_and_chance_are_no_part_of_a_request(field: str, value: object) -> None:
    """Neither a CVV nor what was drawn tells one request from another."""
    assert request(**{field: value}).fingerprint() == request().fingerprint()


def test_what_was_meant_is_part_of_a_request() -> None:
    """Another card, number, expiry or name is another request; a tried amount is not."""
    others: list[dict[str, Any]] = [{"card_id": OTHER}, {"masked_number": ""}, {"expires": 2029_01}, {"name_mark": "x"}]
    assert len({request().fingerprint(), *(request(**fields).fingerprint() for fields in others)}) == 5
    assert confirm(100).fingerprint() == confirm(999).fingerprint()
    assert confirm(customer=STRANGER).fingerprint() != confirm().fingerprint()


def test_a_life_begins_at_its_beginning() -> None:
    """A binding's later event without its first is an error."""
    with pytest.raises(ValueError, match=r"before card_binding\.requested"):
        evolve(None, Change(BINDING.bytes, 1, MISS), NOW)
