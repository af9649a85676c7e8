"""Customers: the order of their steps, what refuses each, and what never stands in an event."""

from uuid import UUID

import msgspec
import pytest

from domain.command import Command
from domain.credentials import (
    LEAFLET_2022,
    Verdict,
    code_fits,
    login_fits,
    password_fits,
    phone_fits,
    pin_fits,
)
from domain.customer import (
    ConfirmRegistration,
    CustomerConfirmed,
    CustomerErased,
    CustomerIdentified,
    CustomerPinSet,
    CustomerRegistered,
    EraseCustomer,
    IdentifyCustomer,
    RegisterCustomer,
    SetPin,
    Taken,
    Tier,
)
from domain.event import Event
from domain.refusals import Reason
from tests.domain.spec import DAY, NOW, SECOND, Spec, uid

WHO = uid(1)
CONFIRM_BY = NOW + 600 * SECOND
REGISTERED = CustomerRegistered(participant="bank-a", login=b"\xff1", phone=b"\xff2", confirm_by=CONFIRM_BY)
CONFIRMED = (REGISTERED, CustomerConfirmed())
RIGHT = ConfirmRegistration(customer_id=WHO, verdict=Verdict.RIGHT)
PIN_RIGHT = SetPin(customer_id=WHO, verdict=Verdict.RIGHT)
REMOTE = IdentifyCustomer(customer_id=WHO, tier=Tier.REMOTE)
IN_PERSON = IdentifyCustomer(customer_id=WHO, tier=Tier.IN_PERSON)
ERASE = EraseCustomer(customer_id=WHO)


def given(*events: Event, who: UUID = WHO) -> Spec:
    return Spec().given(*((who, event) for event in events))


def register(**fields: object) -> RegisterCustomer:
    values = {"participant_id": "bank-a", "login": b"\xff1", "phone": b"\xff2", "confirm_by": CONFIRM_BY}
    return RegisterCustomer(**{**values, **fields})


def test_a_registration_makes_a_customer_of_its_own_id() -> None:
    """The request's id is the customer's, and the event holds what was encrypted."""
    Spec().when(register(), WHO).then(REGISTERED)


@pytest.mark.parametrize(("taken", "reason"), [(Taken.LOGIN, Reason.LOGIN_TAKEN), (Taken.PHONE, Reason.PHONE_TAKEN)])
def test_a_name_that_is_taken_declines_the_registration(taken: Taken, reason: Reason) -> None:
    """What could not be reserved is another customer's."""
    Spec().when(register(taken=taken)).then_refused(reason)


@pytest.mark.parametrize(
    ("events", "command", "follows"),
    [
        ((REGISTERED,), RIGHT, CustomerConfirmed()),
        (CONFIRMED, PIN_RIGHT, CustomerPinSet()),
        ((*CONFIRMED, CustomerPinSet()), PIN_RIGHT, CustomerPinSet()),
        (CONFIRMED, REMOTE, CustomerIdentified(tier=Tier.REMOTE)),
        (CONFIRMED, IN_PERSON, CustomerIdentified(tier=Tier.IN_PERSON)),
        ((*CONFIRMED, CustomerIdentified(tier=Tier.REMOTE)), IN_PERSON, CustomerIdentified(tier=Tier.IN_PERSON)),
        ((REGISTERED,), ERASE, CustomerErased()),
        (CONFIRMED, ERASE, CustomerErased()),
    ],
)
def test_a_step_follows_the_one_before_it(events: tuple[Event, ...], command: Command, follows: Event) -> None:
    """Register, confirm, then PIN and identification in any order; erase at any time."""
    given(*events).when(command).then(follows)


@pytest.mark.parametrize(
    ("events", "command", "reason"),
    [
        ((), RIGHT, Reason.CUSTOMER_NOT_FOUND),
        ((), PIN_RIGHT, Reason.CUSTOMER_NOT_FOUND),
        ((), REMOTE, Reason.CUSTOMER_NOT_FOUND),
        ((), ERASE, Reason.CUSTOMER_NOT_FOUND),
        ((*CONFIRMED, CustomerErased()), RIGHT, Reason.CUSTOMER_ERASED),
        ((*CONFIRMED, CustomerErased()), PIN_RIGHT, Reason.CUSTOMER_ERASED),
        ((*CONFIRMED, CustomerErased()), REMOTE, Reason.CUSTOMER_ERASED),
        ((*CONFIRMED, CustomerErased()), ERASE, Reason.CUSTOMER_ERASED),
        (CONFIRMED, RIGHT, Reason.CUSTOMER_ALREADY_CONFIRMED),
        ((REGISTERED,), PIN_RIGHT, Reason.CUSTOMER_NOT_CONFIRMED),
        ((REGISTERED,), REMOTE, Reason.CUSTOMER_NOT_CONFIRMED),
        ((*CONFIRMED, CustomerIdentified(tier=Tier.REMOTE)), REMOTE, Reason.CUSTOMER_ALREADY_IDENTIFIED),
        ((*CONFIRMED, CustomerIdentified(tier=Tier.IN_PERSON)), REMOTE, Reason.CUSTOMER_ALREADY_IDENTIFIED),
    ],
)
def test_a_step_out_of_order_is_refused(events: tuple[Event, ...], command: Command, reason: Reason) -> None:
    """Each step has its own reason to refuse what comes before its time, or twice."""
    given(*events).when(command).then_refused(reason)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.WRONG, Reason.CONFIRMATION_CODE_WRONG),
        (Verdict.LOCKED, Reason.CONFIRMATION_LOCKED),
        (Verdict.LAPSED, Reason.CONFIRMATION_EXPIRED),
        (Verdict.ABSENT, Reason.CONFIRMATION_EXPIRED),
    ],
)
def test_only_the_right_code_confirms(verdict: Verdict, reason: Reason) -> None:
    """Every other verdict on the code has its reason."""
    given(REGISTERED).when(ConfirmRegistration(customer_id=WHO, verdict=verdict, tries_left=3)).then_refused(reason)


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.WRONG, Reason.PASSWORD_WRONG),
        (Verdict.LOCKED, Reason.PASSWORD_LOCKED),
        (Verdict.LAPSED, Reason.PASSWORD_WRONG),
        (Verdict.ABSENT, Reason.PASSWORD_WRONG),
    ],
)
def test_only_the_right_password_sets_a_pin(verdict: Verdict, reason: Reason) -> None:
    """Every other verdict on the password has its reason."""
    given(*CONFIRMED).when(SetPin(customer_id=WHO, verdict=verdict)).then_refused(reason)


@pytest.mark.parametrize(("late", "confirmed"), [(-2, True), (-1, False), (DAY, False)])
def test_the_right_code_is_worth_nothing_after_its_time(late: int, confirmed: bool) -> None:  # noqa: FBT001
    """At the very instant the time is over the code confirms no more, as the log records time."""
    spec = given(REGISTERED).after(600 * SECOND + late).when(RIGHT)
    if confirmed:
        spec.then(CustomerConfirmed())
    else:
        spec.then_refused(Reason.CONFIRMATION_EXPIRED)


def test_a_customer_is_the_sum_of_the_events() -> None:
    """Folding a life gives its state, its version and its times."""
    customer = given(*CONFIRMED, CustomerPinSet(), CustomerIdentified(tier=Tier.REMOTE)).life(WHO)
    assert (customer.version, customer.confirmed, customer.pin_set, customer.tier) == (4, True, True, Tier.REMOTE)
    assert not customer.erased
    assert given(*CONFIRMED, CustomerErased()).life(WHO).erased


def test_no_fingerprint_depends_on_a_secret_or_on_personal_data() -> None:
    """A fingerprint under no key could be found by trying every phone number: only the bank is in it."""
    other = register(login=b"x", phone=b"y", name=b"z", confirm_by=1, taken=Taken.LOGIN)
    assert register().fingerprint() == other.fingerprint()
    assert register().fingerprint() != register(participant_id="bank-b").fingerprint()
    wrong = ConfirmRegistration(customer_id=WHO, verdict=Verdict.WRONG, tries_left=1)
    assert RIGHT.fingerprint() == wrong.fingerprint()
    assert PIN_RIGHT.fingerprint() == SetPin(customer_id=WHO, verdict=Verdict.LOCKED).fingerprint()
    assert REMOTE.fingerprint() != IN_PERSON.fingerprint()


def test_no_command_or_event_has_room_for_a_secret() -> None:
    """There is no field for a password, a PIN or a code in anything a decision sees or leaves."""
    commands = (RegisterCustomer, ConfirmRegistration, SetPin, IdentifyCustomer, EraseCustomer)
    events = (CustomerRegistered, CustomerConfirmed, CustomerPinSet, CustomerIdentified, CustomerErased)
    fields = {name for command in commands for name in command.model_fields}
    fields |= {field.name for event in events for field in msgspec.structs.fields(event)}
    assert not fields & {"password", "pin", "code", "secret", "verifier", "hash"}


@pytest.mark.parametrize(
    ("password", "fits"),
    [
        ("abcdefg1", True),
        ("ABCDEFG1", True),
        ("1234567a", True),
        ("a1" * 64, True),
        ("a1" * 64 + "a", False),
        ("abcdef1", False),
        ("abcdefgh", False),
        ("12345678", False),
        ("abcdefg1\n", False),
        ("\nabcdefg1", False),
        ("abcdefg1 ", False),
        ("abcdefg1!", False),
        ("абвгдежз1", False),
        ("abcdefgж1", False),
        ("abcdefg١", False),
        ("abcdefgh1٢", False),
        ("abcdefg\uff11", False),  # a full-width digit
        ("", False),
    ],
)
def test_the_leaflets_password_rule(password: str, fits: bool) -> None:  # noqa: FBT001
    """Eight and more ASCII letters and digits, at least one of each, and nothing else (leaflet row S02)."""
    assert password_fits(password, LEAFLET_2022) is fits


@pytest.mark.parametrize("text", ["", "123", "12345", "123\n", "1234\n", "12a4", "١٢٣٤", "\uff11234"])
def test_a_pin_is_four_ascii_digits(text: str) -> None:
    """Four digits of another script, or four with a newline, are none (leaflet row S04)."""
    assert pin_fits("0000")
    assert not pin_fits(text)


@pytest.mark.parametrize(
    ("fits", "good", "bad"),
    [
        (code_fits, ("000000", "123456"), ("", "12345", "1234567", "12345\n", "123456\n", "١٢٣٤٥٦")),
        (login_fits, ("abc", "a.b_c@d+e-1", "a" * 64), ("ab", "a" * 65, "Abc", "abc\n", "абв", "a b")),
        (phone_fits, ("+996700123456", "+12345678"), ("996700123456", "+0996700123", "+1234567", "+996700123456\n")),
    ],
)
def test_codes_logins_and_phone_numbers(fits: object, good: tuple[str, ...], bad: tuple[str, ...]) -> None:
    """What is well formed is matched to its very end, in ASCII."""
    assert callable(fits)
    assert all(fits(text) for text in good)
    assert not any(fits(text) for text in bad)
