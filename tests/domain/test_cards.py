"""Cards: what a bank does with them, what refuses each step, and who may spend from one."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain import wallet
from domain.account import AccountClosed
from domain.aggregate import evolve
from domain.card import (
    Card,
    CardBindingOpened,
    CardBlocked,
    CardBound,
    CardClosed,
    CardIssued,
    CardNotificationsSet,
    CardRenewed,
    CardReplaced,
    CardReportedLost,
    CardUnblocked,
    CardUnbound,
    Loss,
    UnboundBy,
    usable,
)
from domain.card_commands import (
    BlockCard,
    CloseCard,
    IssueCard,
    RenewCard,
    ReplaceCard,
    ReportCardLost,
    SetCardNotifications,
    UnbindCard,
    UnblockCard,
)
from domain.command import Command
from domain.customer import CustomerConfirmed, CustomerErased, CustomerIdentified, CustomerRegistered, Tier
from domain.event import Change, Event, Policy
from domain.pan import NumberFault, ends_at
from domain.refusals import Reason, Refusal
from domain.wallet import Wallet, WalletCardAdded, WalletCardRemoved
from tests.domain.spec import ANA, BEK, DAY, DOLLARS, NOBODY, NOW, SETTLEMENT, Spec, uid

CARD, OTHER, HOLDER, STRANGER = uid(1), uid(2), uid(3), uid(4)
EXPIRES = 2028_12
END = ends_at(EXPIRES, Policy().utc_offset_seconds)
PAR = "A" * 29
MASKED = "941700******7895"
ISSUED = CardIssued(participant="bank-a", account=ANA, masked=MASKED, expires=EXPIRES, par=PAR)
BOUND = (ISSUED, CardBound(customer=HOLDER))
BLOCKED = (ISSUED, CardBlocked())
LOST = (ISSUED, CardReportedLost(how=Loss.LOST))
CLOSED = (ISSUED, CardClosed())
IN_WALLET = WalletCardAdded(customer=HOLDER, card=CARD)
WALLET = UUID(bytes=wallet.wallet_id(HOLDER.bytes))
PERSON = (
    CustomerRegistered(participant="bank-a", login=b"\xff1", phone=b"\xff2", confirm_by=NOW),
    CustomerConfirmed(),
    CustomerIdentified(tier=Tier.REMOTE),
)

BLOCK = BlockCard(card_id=CARD)
UNBLOCK = UnblockCard(card_id=CARD)
LOSE = ReportCardLost(card_id=CARD, how=Loss.LOST)
REPLACE = ReplaceCard(card_id=CARD, replacement_card_id=OTHER)
RENEW = RenewCard(card_id=CARD, expires=2031_12)
CLOSE = CloseCard(card_id=CARD)
UNBIND = UnbindCard(card_id=CARD)
SMS = SetCardNotifications(card_id=CARD, sms=True)


def given(*events: Event) -> Spec:
    return Spec().given(*((CARD, event) for event in events))


def issue(**fields: Any) -> IssueCard:
    values = {"participant_id": "bank-a", "account_id": ANA, "masked_number": MASKED, "expires": EXPIRES, "par": PAR}
    return IssueCard(**{**values, **fields})


def test_a_card_is_issued_under_the_requests_own_id() -> None:
    """The event holds the masked number and what is not secret of the rest."""
    Spec().when(issue(), CARD).then(ISSUED)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"masked_number": "", "number_fault": NumberFault.MALFORMED}, Reason.CARD_NUMBER_MALFORMED),
        ({"number_fault": NumberFault.CHECK_DIGIT, "account_id": NOBODY}, Reason.CARD_NUMBER_CHECK_DIGIT),
        ({"masked_number": "427600******0000"}, Reason.CARD_NUMBER_PREFIX),
        ({"expires": 2020_01, "account_id": NOBODY}, Reason.CARD_EXPIRY_PAST),
        ({"account_id": NOBODY}, Reason.ACCOUNT_NOT_FOUND),
        ({"participant_id": "bank-b", "account_id": SETTLEMENT}, Reason.ACCOUNT_OF_ANOTHER_BANK),
        ({"account_id": SETTLEMENT, "taken": True}, Reason.ACCOUNT_NOT_FOR_CARDS),
        ({"taken": True}, Reason.CARD_ALREADY_ISSUED),
    ],
)
def test_what_is_wrong_with_an_issue_is_named_in_order(fields: dict[str, Any], reason: Reason) -> None:
    """The number, the expiry, the account, and last whether another card has the number."""
    Spec().when(issue(**fields)).then_refused(reason)


def test_no_card_is_issued_for_a_closed_account() -> None:
    """A closed account is refused before a number that is taken."""
    Spec().given((BEK, AccountClosed())).when(issue(account_id=BEK, taken=True)).then_refused(Reason.ACCOUNT_CLOSED)


@pytest.mark.parametrize("field", ["par", "taken", "number_fault"])
def test_what_the_vault_said_is_no_part_of_the_request(field: str) -> None:
    """The same request stays the same whatever was found in the vault."""
    other = {"par": "B" * 29, "taken": True, "number_fault": NumberFault.CHECK_DIGIT}
    assert issue(**{field: other[field]}).fingerprint() == issue().fingerprint()


def test_another_number_is_another_request() -> None:
    """What is shown of the number, and the expiry, tell one request from another."""
    assert len({issue().fingerprint(), issue(masked_number="941700******0001").fingerprint()}) == 2
    assert issue(expires=2029_01).fingerprint() != issue().fingerprint()


@pytest.mark.parametrize(
    ("events", "command", "follows"),
    [
        ((ISSUED,), BLOCK, CardBlocked()),
        (BLOCKED, UNBLOCK, CardUnblocked()),
        ((ISSUED,), LOSE, CardReportedLost(how=Loss.LOST)),
        (BLOCKED, ReportCardLost(card_id=CARD, how=Loss.STOLEN), CardReportedLost(how=Loss.STOLEN)),
        ((ISSUED,), RENEW, CardRenewed(expires=2031_12)),
        (BLOCKED, RENEW, CardRenewed(expires=2031_12)),
        ((ISSUED,), CLOSE, CardClosed()),
        (LOST, CLOSE, CardClosed()),
        ((ISSUED,), SMS, CardNotificationsSet(sms=True)),
        (BOUND, UNBIND, CardUnbound(customer=HOLDER, by=UnboundBy.BANK)),
        (
            BOUND,
            UnbindCard(card_id=CARD, customer_id=HOLDER),
            CardUnbound(customer=HOLDER, by=UnboundBy.CUSTOMER),
        ),
    ],
)
def test_a_step_that_the_card_allows(events: tuple[Event, ...], command: Command, follows: Event) -> None:
    """Each command leads to its one event."""
    given(*events).when(command).then(follows)


@pytest.mark.parametrize(
    ("events", "command", "reason"),
    [
        ((), BLOCK, Reason.CARD_NOT_FOUND),
        (BLOCKED, BLOCK, Reason.CARD_BLOCKED),
        (LOST, BLOCK, Reason.CARD_LOST),
        (CLOSED, BLOCK, Reason.CARD_CLOSED),
        ((ISSUED,), UNBLOCK, Reason.CARD_NOT_BLOCKED),
        (LOST, UNBLOCK, Reason.CARD_LOST),
        (LOST, LOSE, Reason.CARD_LOST),
        (CLOSED, LOSE, Reason.CARD_CLOSED),
        (LOST, RENEW, Reason.CARD_LOST),
        ((ISSUED,), RenewCard(card_id=CARD, expires=2020_01), Reason.CARD_EXPIRY_PAST),
        ((ISSUED,), RenewCard(card_id=CARD, expires=EXPIRES), Reason.CARD_EXPIRY_NOT_LATER),
        (CLOSED, CLOSE, Reason.CARD_CLOSED),
        (CLOSED, SMS, Reason.CARD_CLOSED),
        ((ISSUED,), UNBIND, Reason.CARD_NOT_BOUND),
        (BOUND, UnbindCard(card_id=CARD, customer_id=STRANGER), Reason.CARD_NOT_BOUND),
        ((), REPLACE, Reason.CARD_NOT_FOUND),
        ((ISSUED,), REPLACE, Reason.CARD_NOT_LOST),
        (BLOCKED, REPLACE, Reason.CARD_NOT_LOST),
        (CLOSED, REPLACE, Reason.CARD_CLOSED),
        (LOST, REPLACE, Reason.CARD_NOT_FOUND),
    ],
)
def test_a_step_that_the_card_forbids(events: tuple[Event, ...], command: Command, reason: Reason) -> None:
    """The refusal names the card's state, or what is asked too much."""
    given(*events).when(command).then_refused(reason)


@pytest.mark.parametrize("command", [BLOCK, LOSE, RENEW, CLOSE, SMS, UNBIND])
def test_a_card_that_changed_meanwhile_is_not_changed(command: Command) -> None:
    """A version that is not the card's is refused before anything else of it."""
    stale = command.model_copy(update={"expected_version": 7})
    given(*CLOSED).when(stale).then_refused(Reason.EXPECTED_VERSION_MISMATCH, expected="7", actual="2")
    fresh = command.model_copy(update={"expected_version": 2})
    assert isinstance(given(*BOUND).when(fresh).decided, list)


@pytest.mark.parametrize("command", [CLOSE, UNBIND])
def test_a_card_that_is_closed_or_unbound_leaves_the_wallet(command: Command) -> None:
    """The customer's wallet changes in the same append."""
    spec = given(*BOUND).given((WALLET, IN_WALLET)).when(command)
    assert spec.life(WALLET) == Wallet(HOLDER.bytes, version=2)


def test_a_replacement_takes_the_customer_along() -> None:
    """The bank vouches for the new card: it is bound at once, and stands in the wallet instead of the old one."""
    spec = given(*BOUND, CardReportedLost(how=Loss.STOLEN)).given((WALLET, IN_WALLET), (OTHER, ISSUED))
    spec.when(REPLACE).then(
        CardReplaced(by=OTHER),
        CardBound(customer=HOLDER, replaces=CARD),
        WalletCardRemoved(customer=HOLDER, card=CARD),
        WalletCardAdded(customer=HOLDER, card=OTHER),
    )
    old, new = spec.life(CARD), spec.life(OTHER)
    assert (old.replaced_by, old.customer) == (OTHER.bytes, None)
    assert (new.replaces, new.customer) == (CARD.bytes, HOLDER.bytes)
    assert spec.life(WALLET).cards == (OTHER.bytes,)
    spec.when(REPLACE).then_refused(Reason.CARD_ALREADY_REPLACED)


def test_a_card_that_is_nobodys_is_replaced_without_binding_anything() -> None:
    """Only the link is recorded."""
    given(*LOST).given((OTHER, ISSUED)).when(REPLACE).then(CardReplaced(by=OTHER))


@pytest.mark.parametrize(
    "events",
    [
        (CardIssued(participant="bank-a", account=BEK, masked=MASKED, expires=EXPIRES, par=PAR),),
        (CardIssued(participant="bank-a", account=ANA, masked=MASKED, expires=2020_01, par=PAR),),
        (ISSUED, CardBlocked()),
        (ISSUED, CardBound(customer=STRANGER)),
        (ISSUED, CardBound(customer=STRANGER, replaces=HOLDER), CardUnbound(customer=STRANGER, by=UnboundBy.BANK)),
    ],
)
def test_only_a_fresh_card_of_the_same_account_replaces(events: tuple[Event, ...]) -> None:
    """Another account, an expiry in the past, a block, a customer and an earlier replacement each forbid it."""
    spec = given(*LOST).given(*((OTHER, event) for event in events))
    spec.when(REPLACE).then_refused(Reason.CARD_REPLACEMENT_UNFIT, card_id=str(OTHER))


def test_a_card_remembers_its_last_five_holds_and_a_month_of_sessions() -> None:
    """Older ones are forgotten as new ones come."""
    spec = given(ISSUED)
    for number in range(7):
        spec.given((CARD, CardBindingOpened(binding=uid(10 + number), customer=HOLDER, hold=uid(20 + number))))
        spec.after(10 * DAY)
    card = spec.life(CARD)
    assert card.holds == tuple(uid(number).bytes for number in range(22, 27))
    assert [session.binding for session in card.sessions] == [uid(number).bytes for number in (14, 15, 16)]


def with_person(*events: Event, person: tuple[Event, ...] = PERSON, policy: Policy | None = None) -> Spec:
    spec = Spec(policy or Policy()).given(*((CARD, event) for event in events))
    return spec.given(*((HOLDER, event) for event in person))


def try_usable(spec: Spec, now: int = NOW) -> tuple[Card, object] | Refusal:
    for needed in (CARD, HOLDER):
        spec._bring(needed.bytes)
    return usable(spec.books, CARD.bytes, HOLDER.bytes, now)


def test_a_bound_card_is_usable_by_its_customer() -> None:
    """Whoever spends is handed both, as they are."""
    spec = with_person(*BOUND)
    found = try_usable(spec)
    assert found == (spec.life(CARD), spec.life(HOLDER))


@pytest.mark.parametrize(
    ("events", "person", "now", "reason"),
    [
        ((), PERSON, NOW, Reason.CARD_NOT_FOUND),
        ((ISSUED,), PERSON, NOW, Reason.CARD_NOT_BOUND),
        ((ISSUED, CardBound(customer=STRANGER), CardClosed()), PERSON, NOW, Reason.CARD_NOT_BOUND),
        ((*BOUND, CardBlocked()), PERSON, END, Reason.CARD_BLOCKED),
        ((*BOUND, CardReportedLost(how=Loss.LOST)), PERSON, NOW, Reason.CARD_LOST),
        ((*BOUND, CardReportedLost(how=Loss.STOLEN)), PERSON, NOW, Reason.CARD_LOST),
        ((*BOUND, CardClosed()), PERSON, NOW, Reason.CARD_CLOSED),
        (BOUND, (*PERSON, CustomerErased()), END, Reason.CARD_EXPIRED),
        (BOUND, (*PERSON[:2], CustomerErased()), NOW, Reason.CUSTOMER_ERASED),
        (BOUND, PERSON[:2], NOW, Reason.CUSTOMER_NOT_IDENTIFIED),
    ],
)
def test_whoever_may_not_spend_is_told_why_in_order(
    events: tuple[Event, ...], person: tuple[Event, ...], now: int, reason: Reason
) -> None:
    """The card, whose it is, its status, its expiry, then the customer."""
    found = try_usable(with_person(*events, person=person), now)
    assert isinstance(found, Refusal)
    assert found.reason is reason


def test_an_expired_card_is_usable_until_the_last_instant_of_its_month() -> None:
    """A renewal makes it usable again."""
    spec = with_person(*BOUND)
    assert not isinstance(try_usable(spec, END - 1), Refusal)
    assert not isinstance(try_usable(with_person(*BOUND, CardRenewed(expires=2031_12)), END), Refusal)


@pytest.mark.parametrize("offset", [-10 * 3_600, 0, 5 * 3_600 + 45 * 60, 14 * 3_600])
def test_a_cards_last_day_ends_where_the_policy_says(offset: int) -> None:
    """At midnight of the policy's time zone, to the microsecond: one before, everything accepts the card still."""
    policy = Policy(utc_offset_seconds=offset)
    end = END + (Policy().utc_offset_seconds - offset) * 1_000_000
    for now, usable_still in ((end - 1, True), (end, False)):
        spec = with_person(*BOUND, policy=policy)
        assert isinstance(try_usable(spec, now), Refusal) is not usable_still
        other = Spec(policy)
        other.now = now - 1  # Deciding takes a microsecond there.
        assert isinstance(other.when(issue()).decided, Refusal) is not usable_still


def test_a_life_begins_at_its_beginning() -> None:
    """A card's later event without its first is an error."""
    with pytest.raises(ValueError, match=r"before card\.issued"):
        evolve(None, Change(CARD.bytes, 1, CardBlocked()), NOW)


def test_accounts_in_another_currency_have_cards_too() -> None:
    """A card's currency is its account's."""
    Spec().when(issue(account_id=DOLLARS)).then(msgspec.structs.replace(ISSUED, account=DOLLARS))
