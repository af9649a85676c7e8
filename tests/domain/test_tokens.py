"""Tokens: the order of their steps, what refuses each, who suspends them, and how they follow their card."""

from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.card import (
    CardBlocked,
    CardBound,
    CardClosed,
    CardReportedLost,
    CardTokensLinked,
    Loss,
)
from domain.command import Command
from domain.customer import CustomerErased, CustomerIdentified
from domain.device import BlockDevice, DeviceBlocked, DeviceRegistered, DeviceUnblocked, UnblockDevice, too_old
from domain.event import Event, Policy
from domain.refusals import Reason
from domain.token import (
    Actor,
    Cause,
    State,
    Token,
    TokenActivated,
    TokenDeactivated,
    TokenDeclined,
    TokenKeysReplenished,
    TokenProvisioned,
    TokenRelinked,
    TokenRequested,
    TokenResumed,
    TokenSuspended,
)
from domain.token_policy import TokenPolicy
from domain.tokenise import (
    ActivateToken,
    DeactivateToken,
    DeclineToken,
    Ender,
    ProvisionToken,
    RecordInactivity,
    RelinkToken,
    ReplenishKeys,
    RequestToken,
    ResumeToken,
    SuspendToken,
)
from tests.domain.spec import DAY, NOW, SECOND, Spec, uid
from tests.domain.tokens import (
    CARD,
    DEVICE,
    DEVICE_ID,
    HOLDER,
    OTHER_CARD,
    OTHER_TOKEN,
    PAR,
    PERSON,
    TOKEN,
    active,
    bound,
    card,
    device,
    provision,
    provisioned,
    request,
    requested,
)

ACTIVATE = ActivateToken(token_id=TOKEN)
REPLENISH = ReplenishKeys(token_id=TOKEN, sequence=2, master_key_id="1")
DECLINE = DeclineToken(token_id=TOKEN)
DEACTIVATE = DeactivateToken(token_id=TOKEN, by=Ender.WALLET)
INACTIVITY = RecordInactivity(token_id=TOKEN)
RELINK = RelinkToken(token_id=TOKEN, card_id=OTHER_CARD)
BLOCK_DEVICE = BlockDevice(customer_id=HOLDER, device_id=DEVICE_ID)
UNBLOCK_DEVICE = UnblockDevice(customer_id=HOLDER, device_id=DEVICE_ID)
LIFE = 30 * DAY


def suspend(by: Actor) -> SuspendToken:
    return SuspendToken(token_id=TOKEN, by=by)


def resume(by: Actor) -> ResumeToken:
    return ResumeToken(token_id=TOKEN, by=by)


def token(spec: Spec, token_id: UUID = TOKEN) -> Token:
    found = spec.life(token_id)
    assert isinstance(found, Token)
    return found


def state(spec: Spec, token_id: UUID = TOKEN) -> State:
    return token(spec, token_id).state(spec.now)


def test_a_request_makes_a_token_and_records_the_phone() -> None:
    """The token stands under the request's id, the card knows of it, and the phone is recorded as it is."""
    spec = requested()
    assert isinstance(spec.decided, list)
    first, linked, registered = (change.event for change in spec.decided)
    assert first == TokenRequested(
        participant="bank-a",
        card=CARD,
        customer=HOLDER,
        device=DEVICE,
        device_id=DEVICE_ID,
        masked="941799******0001",
        par=PAR,
        fingerprint=request().fingerprint(),
    )
    assert linked == CardTokensLinked(tokens=(TOKEN,))
    assert registered == DeviceRegistered(
        customer=HOLDER, device_id=DEVICE_ID, model="Pixel 7", android_version="13", nfc=True
    )
    assert spec.life(CARD).tokens == (TOKEN.bytes,)


def test_a_card_has_many_tokens_and_a_phone_is_recorded_once() -> None:
    """A second token in the same phone records the phone anew only where it has changed."""
    spec = requested().when(request(), OTHER_TOKEN)
    assert isinstance(spec.decided, list)
    assert len(spec.decided) == 2
    assert spec.life(CARD).tokens == (TOKEN.bytes, OTHER_TOKEN.bytes)
    spec.when(request(device=device(android_version="14")), uid(13))
    assert spec.life(DEVICE).android_version == "14"


@pytest.mark.parametrize(
    ("version", "old"),
    [
        ("6.0.1", False),
        ("6.0.1.0", False),
        ("6.0.2", False),
        ("6.1", False),
        ("7", False),
        ("10", False),
        ("16.0", False),
        ("6.0", True),
        ("6", True),
        ("6.0.0.9", True),
        ("5.9.9", True),
        ("4.4.4", True),
    ],
)
def test_versions_compare_by_their_numbers(version: str, old: bool) -> None:  # noqa: FBT001
    """Android 10 is newer than 6.0.1, though its text sorts before (row S32)."""
    assert too_old(version, "6.0.1") is old


def test_zeros_at_the_end_of_a_version_say_nothing() -> None:
    """6 is 6.0.0, whichever of the two is the oldest that will do."""
    assert not too_old("6", "6.0.0")
    assert too_old("5.9", "6.0.0")


@pytest.mark.parametrize("version", ["", "6.", ".6", "6..1", "six", "6.0.1\n", "٦", "6.0.1.1.1", "10000"])
def test_what_is_no_version_is_not_compared(version: str) -> None:
    """A version is one to four numbers with points between."""
    with pytest.raises(ValueError, match="android_version"):
        device(android_version=version)


@pytest.mark.parametrize(
    ("events", "fields", "reason"),
    [
        ((), {"device": device(nfc=False, android_version="4.4")}, Reason.DEVICE_WITHOUT_NFC),
        ((), {"device": device(android_version="6.0"), "card_id": OTHER_CARD}, Reason.ANDROID_TOO_OLD),
        ((), {"card_id": OTHER_CARD}, Reason.CARD_NOT_FOUND),
        ((), {"customer_id": uid(9)}, Reason.CARD_NOT_BOUND),
        (((CARD, CardBlocked()),), {}, Reason.CARD_BLOCKED),
        (((CARD, CardReportedLost(how=Loss.STOLEN)),), {}, Reason.CARD_LOST),
        (((CARD, CardClosed()),), {}, Reason.CARD_CLOSED),
        (((HOLDER, CustomerErased()),), {}, Reason.CUSTOMER_ERASED),
    ],
)
def test_a_token_is_refused_before_what_it_follows(
    events: tuple[tuple[UUID, Event], ...], fields: dict[str, Any], reason: Reason
) -> None:
    """Phone, card, customer: each refuses with its own reason, in this order (rows S31 to S33)."""
    bound().given(*events).when(request(**fields)).then_refused(reason)


def test_only_an_identified_customer_is_given_a_token() -> None:
    """Confirmed is not enough: a bound card of a customer who is not identified is not tokenised (row S31)."""
    spec = Spec().given(*((HOLDER, event) for event in PERSON if not isinstance(event, CustomerIdentified)))
    spec.given(*bound_card()).when(request()).then_refused(Reason.CUSTOMER_NOT_IDENTIFIED)


def bound_card() -> list[tuple[UUID, Event]]:
    return [(CARD, card()), (CARD, CardBound(customer=HOLDER))]


def test_a_card_has_so_many_tokens_and_no_more() -> None:
    """The bound of a list that every block of the card goes through."""
    spec = requested(Spec(Policy(tokens=TokenPolicy(per_card=1))))
    spec.when(request(), OTHER_TOKEN).then_refused(Reason.TOO_MANY_TOKENS, maximum="1")


def test_the_steps_lead_from_the_request_to_paying() -> None:
    """Requested, put into the phone, switched on (rows S33 and S34)."""
    spec = requested()
    assert state(spec) is State.REQUESTED
    spec.when(provision())
    provisioned_at = spec.now
    spec.then(
        TokenProvisioned(
            sequence=1,
            master_key_id="1",
            max_uses=50,
            max_amount=5_000_000,
            keys_until=provisioned_at + 14 * DAY,
            expires=2029_09,
            activate_by=provisioned_at + LIFE,
        )
    )
    assert state(spec) is State.INACTIVE
    spec.when(ACTIVATE).then(TokenActivated())
    assert state(spec) is State.ACTIVE


@pytest.mark.parametrize(
    ("given", "command", "reason"),
    [
        (bound, provision(), Reason.TOKEN_NOT_FOUND),
        (bound, ACTIVATE, Reason.TOKEN_NOT_FOUND),
        (bound, REPLENISH, Reason.TOKEN_NOT_FOUND),
        (bound, suspend(Actor.WALLET), Reason.TOKEN_NOT_FOUND),
        (bound, resume(Actor.WALLET), Reason.TOKEN_NOT_FOUND),
        (bound, DEACTIVATE, Reason.TOKEN_NOT_FOUND),
        (bound, DECLINE, Reason.TOKEN_NOT_FOUND),
        (bound, RELINK, Reason.TOKEN_NOT_FOUND),
        (bound, BLOCK_DEVICE, Reason.DEVICE_NOT_FOUND),
        (requested, ACTIVATE, Reason.TOKEN_NOT_PROVISIONED),
        (requested, REPLENISH, Reason.TOKEN_NOT_PROVISIONED),
        (requested, suspend(Actor.WALLET), Reason.TOKEN_NOT_PROVISIONED),
        (requested, resume(Actor.WALLET), Reason.TOKEN_NOT_PROVISIONED),
        (requested, UNBLOCK_DEVICE, Reason.DEVICE_NOT_BLOCKED),
        (provisioned, DECLINE, Reason.TOKEN_ALREADY_PROVISIONED),
        (provisioned, provision(), Reason.KEY_SUPERSEDED),
        (provisioned, resume(Actor.ISSUER), Reason.TOKEN_NOT_SUSPENDED),
        (active, ACTIVATE, Reason.TOKEN_ALREADY_ACTIVE),
        (active, DECLINE, Reason.TOKEN_ALREADY_PROVISIONED),
        (active, RELINK, Reason.CARD_NOT_LOST),
        (active, INACTIVITY, Reason.TOKEN_ALREADY_ACTIVE),
        (provisioned, INACTIVITY, Reason.TOKEN_NOT_ACTIVE),
    ],
)
def test_a_step_out_of_order_is_refused(given: Any, command: Command, reason: Reason) -> None:
    """Each step has its own reason to refuse what comes before its time, or twice."""
    given().when(command).then_refused(reason)


@pytest.mark.parametrize("command", [provision(sequence=2), ACTIVATE, REPLENISH])
@pytest.mark.parametrize(
    ("event", "reason"),
    [
        ((CARD, CardBlocked()), Reason.CARD_BLOCKED),
        ((HOLDER, CustomerErased()), Reason.CUSTOMER_ERASED),
        ((DEVICE, DeviceBlocked()), Reason.DEVICE_BLOCKED),
    ],
)
def test_no_phone_is_made_ready_for_what_could_not_pay(
    command: Command, event: tuple[UUID, Event], reason: Reason
) -> None:
    """Keys are given and contactless is switched on only for a usable card, a live customer and a phone not blocked."""
    provisioned().given(event).when(command).then_refused(reason)


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (TokenDeclined(), Reason.TOKEN_DECLINED),
        (TokenDeactivated(cause=Cause.WALLET), Reason.TOKEN_DEACTIVATED),
    ],
)
@pytest.mark.parametrize(
    "command",
    [provision(), ACTIVATE, REPLENISH, suspend(Actor.ISSUER), resume(Actor.ISSUER), DEACTIVATE, DECLINE, RELINK],
)
def test_what_has_ended_stays_so(command: Command, event: Event, reason: Reason) -> None:
    """A token that was declined or deactivated takes no command any more."""
    requested().given((TOKEN, event)).when(command).then_refused(reason)


def test_the_issuer_may_decline_a_request() -> None:
    """A request may end declined, before anything is in the phone."""
    assert state(requested().when(DECLINE).then(TokenDeclined())) is State.DECLINED


@pytest.mark.parametrize(("late", "lives"), [(-3, True), (-1, False), (DAY, False)])
def test_thirty_days_without_switching_on_end_a_token(late: int, lives: bool) -> None:  # noqa: FBT001
    """At the very instant the time is over nothing can be done to it, though nobody has recorded that yet."""
    spec = provisioned()
    spec.after(token(spec).activate_by - spec.now + late)
    spec.when(ACTIVATE)
    if lives:
        spec.then(TokenActivated())
    else:
        spec.then_refused(Reason.TOKEN_DEACTIVATED)


def test_the_record_of_inactivity_says_when_it_ended() -> None:
    """However late it is recorded, the token ended at the instant; a second record is refused."""
    spec = provisioned()
    ended_at = token(spec).activate_by
    spec.after(LIFE + 5 * DAY).when(INACTIVITY).then(TokenDeactivated(cause=Cause.INACTIVITY, at=ended_at))
    assert (token(spec).ended_at, token(spec).cause) == (ended_at, Cause.INACTIVITY)
    spec.when(INACTIVITY).then_refused(Reason.TOKEN_DEACTIVATED)


def test_a_token_that_is_switched_on_does_not_lapse() -> None:
    """Thirty days count until it is switched on, and not after."""
    assert state(active().after(LIFE + DAY)) is State.ACTIVE


def test_each_lifts_only_its_own_suspension() -> None:
    """The token pays again when nobody's is left."""
    spec = active()
    for actor in Actor:
        spec.when(suspend(actor)).then(TokenSuspended(by=actor))
        spec.when(suspend(actor)).then_refused(Reason.TOKEN_ALREADY_SUSPENDED, suspended_by=actor.value)
    for actor in Actor:
        assert state(spec) is State.SUSPENDED
        spec.when(resume(actor)).then(TokenResumed(by=actor))
        spec.when(resume(actor)).then_refused(Reason.TOKEN_NOT_SUSPENDED, by=actor.value)
    assert state(spec) is State.ACTIVE


def test_a_suspended_token_says_by_whom_and_is_not_switched_on() -> None:
    """Keys are not given to it, and the refusal names everybody who suspended it."""
    spec = active().given_done(suspend(Actor.ISSUER), suspend(Actor.CARDHOLDER))
    spec.when(REPLENISH).then_refused(Reason.TOKEN_SUSPENDED, suspended_by="issuer,cardholder")
    spec.when(ACTIVATE).then_refused(Reason.TOKEN_ALREADY_ACTIVE)


def test_a_token_suspended_before_it_is_switched_on_stays_suspended() -> None:
    """Switching on does not lift what somebody else has put on it."""
    spec = provisioned().given_done(suspend(Actor.ISSUER), ACTIVATE)
    assert state(spec) is State.SUSPENDED
    assert state(spec.given_done(resume(Actor.ISSUER))) is State.ACTIVE


@pytest.mark.parametrize("command", [provision(sequence=2), REPLENISH])
def test_a_suspended_phone_gets_no_key(command: Command) -> None:
    """Switched on or not: whoever suspended the token has not said that it may be made ready."""
    for given in (provisioned, active):
        given().given_done(suspend(Actor.ISSUER)).when(command).then_refused(Reason.TOKEN_SUSPENDED)


def test_new_keys_take_the_place_of_the_old_ones() -> None:
    """Replenishing keeps the counter; provisioning anew begins it again, and keeps contactless switched on."""
    spec = active().when(REPLENISH)
    spec.then(
        TokenKeysReplenished(
            sequence=2, master_key_id="1", max_uses=50, max_amount=5_000_000, keys_until=spec.now + 14 * DAY
        )
    )
    spec.when(ReplenishKeys(token_id=TOKEN, sequence=1, master_key_id="1")).then_refused(Reason.KEY_SUPERSEDED)
    spec.given_done(provision(sequence=3))
    assert state(spec) is State.ACTIVE
    assert token(spec).counter == (0, 0)


@pytest.mark.parametrize("command", [ReplenishKeys, ProvisionToken])
def test_a_token_has_no_more_keys_than_have_numbers(command: type[ReplenishKeys | ProvisionToken]) -> None:
    """The number of a key has two bytes: past the last the phone needs another token."""
    spec = active()
    spec.when(command(token_id=TOKEN, sequence=65_536, master_key_id="1")).then_refused(Reason.KEYS_EXHAUSTED)
    spec.given_done(command(token_id=TOKEN, sequence=65_535, master_key_id="1"))


def test_the_expected_version_is_compared() -> None:
    """A caller whose picture of the token is old is told both versions."""
    spec = active()
    stale = SuspendToken(token_id=TOKEN, by=Actor.WALLET, expected_version=2)
    spec.when(stale).then_refused(Reason.EXPECTED_VERSION_MISMATCH, expected="2", actual="3")


def two_tokens() -> Spec:
    """Give a card with one token that pays and one that was only asked for."""
    return active().when(request(), OTHER_TOKEN)


def test_acting_on_a_token_touches_neither_the_card_nor_its_other_tokens() -> None:
    """Suspending, resuming and ending a token are events of that token alone."""
    spec = two_tokens()
    before = spec.life(CARD), token(spec, OTHER_TOKEN)
    spec.given_done(suspend(Actor.ISSUER), resume(Actor.ISSUER), REPLENISH, DEACTIVATE)
    assert (spec.life(CARD), token(spec, OTHER_TOKEN)) == before


# Phones.


def test_a_blocked_phone_gets_no_token_until_it_is_unblocked() -> None:
    """Blocking leaves the tokens as they are; it is told twice to nobody."""
    spec = active().when(BLOCK_DEVICE).then(DeviceBlocked())
    assert state(spec) is State.ACTIVE
    spec.when(BLOCK_DEVICE).then_refused(Reason.DEVICE_BLOCKED)
    spec.when(request(), OTHER_TOKEN).then_refused(Reason.DEVICE_BLOCKED)
    spec.when(UNBLOCK_DEVICE).then(DeviceUnblocked())
    spec.given_done(request())


def test_a_phone_that_is_recorded_anew_stays_blocked() -> None:
    """Only unblocking lifts a block, whatever else the history tells of the phone."""
    again = DeviceRegistered(customer=HOLDER, device_id=DEVICE_ID, model="Pixel 7", android_version="14", nfc=True)
    assert requested().given((DEVICE, DeviceBlocked()), (DEVICE, again)).life(DEVICE).blocked


def test_no_fingerprint_depends_on_what_the_vault_made() -> None:
    """The number, the keys' numbers and the master key are the vault's: the same request has the same fingerprint."""
    assert request().fingerprint() == request(masked_number="941799******9999").fingerprint()
    assert provision().fingerprint() == provision(sequence=9).fingerprint()
    assert provision().fingerprint() != provision(OTHER_TOKEN).fingerprint()


def test_no_event_has_room_for_a_number_or_a_key() -> None:
    """There is no field for a token's number or a key in anything a decision leaves."""
    events = (TokenRequested, TokenProvisioned, TokenKeysReplenished, TokenActivated, TokenRelinked)
    commands = (RequestToken, ProvisionToken, ReplenishKeys)
    fields = {field.name for event in events for field in msgspec.structs.fields(event)}
    fields |= {name for command in commands for name in command.model_fields}
    assert not fields & {"number", "token_number", "key", "keys", "cryptogram", "pan"}


def test_the_clock_of_the_tests_is_in_september_2026() -> None:
    """The expiries in these tests follow from it: 36 months later is September 2029."""
    assert NOW == 1_790_000_000 * SECOND
