"""Whoever calls too often is told to wait: by caller, and by whom or what a call is about."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any, Final

import pytest
from google.protobuf import descriptor_pool, message_factory
from google.rpc.error_details_pb2 import RetryInfo
from structlog.testing import capture_logs

from domain.refusals import Refused
from ledger.rpc.callers import Caller as Known
from ledger.rpc.callers import KnownCaller, Role
from ledger.rpc.client import method_names
from ledger.rpc.rates import LOOKUPS, PACED, SECOND, TRIES, Buckets, Rates
from ledger.rpc.settings import RpcSettings
from protos.esep.v1.customer_service_pb2 import GetCustomerRequest, VerifyPinRequest
from protos.esep.v1.quote_service_pb2 import CreateQuoteRequest
from tests.rpc.world import World, new_id, refused
from tests.security.scenes import OTHER_BANK, OWN_BANK, Caller, Scene, make_scene

TENTH: Final = SECOND // 10
VERIFY: Final = "/esep.v1.CustomerService/VerifyPin"
SET_PIN: Final = "/esep.v1.CustomerService/SetPin"
GET: Final = "/esep.v1.CustomerService/GetCustomer"
CATEGORIES: Final = "/esep.v1.DirectoryService/ListServiceCategories"
QUOTE: Final = "/esep.v1.QuoteService/CreateQuote"
SECRETS: Final = {"pin", "password", "code", "cvv"}
ITS_OWN: Final = {
    "/esep.v1.CustomerService/RegisterCustomer",  # gives a password, and tries none
    "/esep.v1.PayeeService/RegisterPayee",  # the code of a payee is no secret
    "/esep.v1.PayeeService/GetPayee",
}


class Clock:
    """A clock that is moved by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        monkeypatch.setattr("ledger.rpc.rates.monotonic_ns", lambda: round(self.now * SECOND))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def settings() -> dict[str, Any]:
    """Give the limits of ``hasty``; a test parametrizes it."""
    return {}


@pytest.fixture
def hasty(tmp_path_factory: pytest.TempPathFactory, clock: Clock, settings: dict[str, Any]) -> Iterator[World]:
    """Give a ledger whose limits are told by a clock that is moved by hand."""
    with World(tmp_path_factory.mktemp("ledger"), **settings) as world:
        yield world


def test_a_bucket_gives_a_burst_and_then_its_rate() -> None:
    """As many at once as it holds; then one for each interval, and never more saved than it holds."""
    buckets = Buckets(10, 3)
    assert [buckets.wait("a", 0) for _ in range(3)] == [0, 0, 0]
    assert [buckets.wait("a", now) for now in (0, TENTH // 2, TENTH - 1)] == [TENTH, TENTH // 2, 1]
    assert [buckets.wait("a", TENTH) for _ in range(2)] == [0, TENTH]
    assert [buckets.wait("a", 1_000 * TENTH) for _ in range(4)] == [0, 0, 0, TENTH]


def test_buckets_do_not_touch_one_another() -> None:
    """Whose is empty waits; nobody else does."""
    buckets = Buckets(1, 1)
    assert [buckets.wait(whose, 0) for whose in "aab"] == [0, SECOND, 0]


def test_buckets_take_bounded_memory() -> None:
    """Those that are full again are forgotten first; an empty one is remembered while there is room."""
    buckets = Buckets(1, 1, kept=100)
    for number in range(101):
        buckets.wait(str(number), number * TENTH)
    assert buckets.wait("99", 100 * TENTH) > 0
    for number in range(101, 1_000):
        buckets.wait(str(number), number * TENTH)
    assert len(buckets._full_at) <= 100
    assert buckets.wait("999", 1_000 * TENTH) > 0
    for number in range(1_000):
        buckets.wait(f"x{number}", 1_000 * TENTH)
    assert len(buckets._full_at) <= 100


def test_what_names_nobody_takes_little_memory(clock: Clock) -> None:
    """Of a subject whose name cannot be one no more is remembered than of others, however long it is."""
    rates = Rates(RpcSettings(development=True, tries_per_minute=1))
    app = Known("app", Role.APP)
    for letter in "abc":
        rates.admit_subject(VERIFY, VerifyPinRequest(customer_id=letter * 1_000_000), app)
    assert max(map(len, rates._subjects[TRIES]._full_at)) < 100
    names = [new_id() for _ in range(10)]
    for name in names:
        rates.admit_subject(VERIFY, VerifyPinRequest(customer_id=name), app)
        with pytest.raises(Refused):
            rates.admit_subject(VERIFY, VerifyPinRequest(customer_id=name.upper().replace("-", "")), app)


@pytest.mark.parametrize("settings", [{"caller_calls_per_second": 5}])
def test_a_caller_that_calls_too_often_is_told_when_to_try_again(hasty: World, clock: Clock) -> None:
    """By RetryInfo, and in the metadata; others are not affected, and later it is answered again."""
    bank, other = Caller(hasty, Role.BANK, OWN_BANK), Caller(hasty, Role.BANK, OWN_BANK)
    other.metadata = (("esep-caller", "another"), *other.metadata[1:])
    question, asked = GetCustomerRequest(customer_id=new_id()), CATEGORIES
    empty = _empty(asked)
    for _ in range(10):  # Two seconds' worth at once.
        bank.call(asked, empty)
    refusal = refused(lambda: bank.call(asked, empty))
    assert (refusal.reason, refusal.metadata["limited"]) == ("RATE_LIMITED", "caller")
    assert refusal.code.name == "RESOURCE_EXHAUSTED"
    assert refusal.detail(RetryInfo()).retry_delay.ToMilliseconds() == 200
    assert refusal.metadata["retry_after_seconds"] == "0.2"
    with capture_logs() as lines:
        assert refused(lambda: bank.call(GET, question)).reason == "RATE_LIMITED"
    assert [line["caller"] for line in lines] == ["somebody"]
    other.call(asked, empty)
    clock.now += 0.2
    bank.call(asked, empty)
    assert refused(lambda: bank.call(asked, empty)).reason == "RATE_LIMITED"


def _empty(method: str) -> Any:
    _, service, name = method.split("/")
    described = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
    return message_factory.GetMessageClass(described.input_type)()


@pytest.mark.parametrize("settings", [{"caller_calls_per_second": 1}])
def test_the_developer_is_held_to_no_rate(hasty: World) -> None:
    """Who says nothing of a role, which only development lets, is measured by benchmarks and moves on."""
    developer = Caller(hasty)
    for _ in range(20):
        developer.call(CATEGORIES, _empty(CATEGORIES))


def test_a_caller_may_have_a_rate_of_its_own(clock: Clock) -> None:
    """More, less, or none at all, by the settings' list; 0 for all means that nobody is held to any."""
    listed = {
        "slow": KnownCaller(role=Role.AUDITOR, calls_per_second=1),
        "free": KnownCaller(role=Role.AUDITOR, calls_per_second=0),
    }

    def let(rates: Rates, name: str) -> int:
        for number in range(100):
            try:
                rates.admit_caller(Known(name, Role.AUDITOR))
            except Refused:
                return number
        return 100

    rates = Rates(RpcSettings(development=True, caller_calls_per_second=10, callers=listed))
    assert [let(rates, name) for name in ("slow", "other", "free")] == [2, 20, 100]
    assert let(Rates(RpcSettings(development=True, caller_calls_per_second=0)), "other") == 100


TRIED = (
    *("CustomerService/ConfirmRegistration", "CustomerService/SetPin", "CustomerService/VerifyPin"),
    *("AliasService/SendAliasCode", "AliasService/LinkPhone", "CardBindingService/RequestCardBinding"),
    *("CardBindingService/ConfirmCardBinding", "CardBindingService/DiscloseHeldAmount"),
)
LOOKED_UP = ("QuoteService/CreateQuote", "PaymentService/PrepareServicePayment", "PaymentService/PrepareQrPayment")


@pytest.mark.parametrize(("names", "limit"), [(TRIED, "tries_per_minute"), (LOOKED_UP, "lookups_per_minute")])
def test_every_method_about_secrets_and_other_people_has_its_limit(names: Sequence[str], limit: str) -> None:
    """Of the subject that its request names; the developer alone is held to none."""
    assert {f"/esep.v1.{name}" for name in (*TRIED, *LOOKED_UP)} == PACED.keys()
    for name in names:
        wide: dict[str, Any] = {"tries_per_minute": 1_000, "lookups_per_minute": 1_000, limit: 1}
        rates = Rates(RpcSettings(development=True, **wide))
        method, subject = f"/esep.v1.{name}", SimpleNamespace(customer_id=new_id(), card_id=new_id())
        for _ in range(3):
            rates.admit_subject(method, subject, Known("dev", Role.DEVELOPER))
        rates.admit_subject(method, subject, Known("app", Role.APP))
        with pytest.raises(Refused):
            rates.admit_subject(method, subject, Known("app", Role.APP))


@pytest.fixture
def own(hasty: World) -> Scene:
    return make_scene(hasty, OWN_BANK)


@pytest.mark.parametrize("settings", [{"tries_per_minute": 3}])
def test_what_tries_a_persons_secrets_is_limited_by_person(hasty: World, clock: Clock, own: Scene) -> None:
    """Whatever the secret and the caller, tries of one customer draw on one limit; others are not affected."""
    app, bank_app = (Caller(hasty, Role.APP, participant) for participant in ("", OWN_BANK))
    foreign = make_scene(hasty, OTHER_BANK)
    tries = VerifyPinRequest(customer_id=own.customer, pin="8305")
    assert [app.call(VERIFY, tries).result for _ in range(2)]
    bank_app.call(VERIFY, VerifyPinRequest(customer_id=own.customer.upper(), pin="8305"))
    refusal = refused(lambda: app.call(VERIFY, tries))
    assert (refusal.reason, refusal.metadata["limited"]) == ("RATE_LIMITED", "customer_id")
    assert refusal.metadata["retry_after_seconds"] == "20.0"
    app.call(VERIFY, VerifyPinRequest(customer_id=foreign.customer, pin="8305"))
    clock.now += 20
    app.call(VERIFY, tries)


@pytest.mark.parametrize("settings", [{"tries_per_minute": 1}])
def test_who_may_not_try_uses_up_nobodys_tries(hasty: World, own: Scene) -> None:
    """Another bank's application, or a bank, that is denied does not keep the customer out."""
    tries = VerifyPinRequest(customer_id=own.customer, pin="8305")
    for stranger in (Caller(hasty, Role.APP, OTHER_BANK), Caller(hasty, Role.BANK, OWN_BANK)):
        for _ in range(3):
            assert refused(lambda: stranger.call(VERIFY, tries)).reason == "PERMISSION_DENIED"  # noqa: B023
    Caller(hasty, Role.APP).call(VERIFY, tries)


@pytest.mark.parametrize("settings", [{"lookups_per_minute": 2}])
def test_lookups_of_other_people_are_limited_by_who_looks_up(hasty: World, own: Scene) -> None:
    """So that nobody makes a list of who has which telephone number; tries are counted apart."""
    app = Caller(hasty, Role.APP)
    quote = CreateQuoteRequest(
        request_id=new_id(), customer_id=own.customer, card_id=own.card, amount_tyiyn=100, phone_number="+996700000001"
    )
    reasons = [refused(lambda: app.call(QUOTE, quote)).reason for _ in range(3)]
    assert "RATE_LIMITED" not in reasons[:2]
    assert reasons[2] == "RATE_LIMITED"
    app.call(VERIFY, VerifyPinRequest(customer_id=own.customer, pin="8305"))


def test_every_method_that_takes_a_secret_is_limited() -> None:
    """A method that is added to the contract with a PIN, a password, a code or a CVV is added to the table."""
    found = set()
    for method in method_names():
        names = {field.name for field in _empty(method).DESCRIPTOR.fields}
        if names & SECRETS and method not in ITS_OWN:
            found.add(method)
    assert found <= PACED.keys()
    assert found >= {VERIFY, SET_PIN}
    for method, paced in PACED.items():
        assert paced.field in _empty(method).DESCRIPTOR.fields_by_name
        assert paced.limit in (TRIES, LOOKUPS)
