"""Paying, from the application: QR codes, services, top-ups, and providers of every temper (S13, S19, S22, S29)."""

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from protos.esep.v1 import authorization_service_pb2, payment_pb2, payment_service_pb2
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from scripts.demo_client import connect_plainly, new_id
from scripts.demo_server import ServerProcess
from scripts.provider import BENEFICIARY, Behaviour, Provider
from tests.domain.qr.sealed import elqr as sealed
from tests.paying import BAZAR, FIELDS, FUNDS, MOBILE, PASSPORT, SECONDS, WATER, Payer, Scheme, elqr, emvco
from tests.rpc.world import Refusal, refused

DELIVERED = payment_service_pb2.PAYMENT_ANSWER_DELIVERED
REFUSED = payment_service_pb2.PAYMENT_ANSWER_REFUSED
SUCCEEDED = payment_pb2.PAYMENT_STATE_SUCCEEDED
FAILED = payment_pb2.PAYMENT_STATE_FAILED
UNRESOLVED = payment_pb2.PAYMENT_STATE_UNRESOLVED
PROCESSING = payment_pb2.PAYMENT_STATE_PROCESSING
PREPARED = payment_pb2.PAYMENT_STATE_PREPARED
BY_PROVIDER = payment_pb2.PAYMENT_DECIDER_PROVIDER
BY_OPERATOR = payment_pb2.PAYMENT_DECIDER_OPERATOR
PATIENCE = 20.0


def server_with(directory: Path, provider: Provider, **settings: str) -> ServerProcess:
    """Return a server that asks a provider, and soon asks again; not started."""
    given = {
        "ESEP_PROVIDERS": json.dumps({"*": {"target": provider.target}}),
        "ESEP_PROVIDER_TIMEOUT_SECONDS": "0.4",
        "ESEP_PROVIDER_PATIENCE_SECONDS": "0.6",
        "ESEP_PROVIDER_POLL_SECONDS": "0.1",
        **settings,
    }
    directory.mkdir(parents=True, exist_ok=True)
    return ServerProcess(directory, given)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    """Give a provider for the tests of the module; each says how it behaves."""
    with Provider() as serving:
        yield serving


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("payments")


@pytest.fixture(scope="module")
def server(directory: Path, provider: Provider) -> Iterator[ServerProcess]:
    """Give a server that asks the module's provider."""
    with server_with(directory, provider) as process:
        process.start()
        yield process
        process.stop()


@pytest.fixture(scope="module")
def scheme(directory: Path, server: ServerProcess) -> Iterator[Scheme]:
    """Give two banks with payees."""
    with connect_plainly(server.address) as ledger:
        yield Scheme(ledger, directory / "confirmation-codes")


@pytest.fixture(scope="module")
def payer(scheme: Scheme) -> Payer:
    """Give somebody with a bound card and 10,000 som, who is never paid from twice in one test's figures."""
    return scheme.payer(funds=100 * FUNDS)


@pytest.fixture(autouse=True)
def _delivers(provider: Provider) -> None:
    provider.behaviour = Behaviour.DELIVERS


def until(met: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.02)


def ends(scheme: Scheme, payment_id: str, state: payment_pb2.PaymentState.ValueType) -> payment_pb2.Payment:
    """Wait until a payment stands so; return it."""
    until(lambda: scheme.get(payment_id).state == state)
    return scheme.get(payment_id)


class Figures:
    """What accounts had, to tell what came and went since."""

    def __init__(self, scheme: Scheme, *accounts: int) -> None:
        self._scheme = scheme
        self._before = {account: scheme.figures(account) for account in accounts}

    def moved(self) -> list[tuple[int, int]]:
        """Return by how much posted and held have changed, account by account."""
        return [
            (after[0] - before[0], after[1] - before[1])
            for account, before in self._before.items()
            for after in [self._scheme.figures(account)]
        ]


def figures(scheme: Scheme, payer: Payer, payee: str) -> Figures:
    return Figures(scheme, payer.account_id, scheme.payees[payee].account_id)


# QR.


@pytest.mark.parametrize(
    ("text", "payee", "entered", "paid"),
    [
        (elqr(), "kent-cafe", 12_345, 12_345),
        (elqr(amount_tyiyn=5_000), "kent-cafe", None, 5_000),
        (elqr(amount_tyiyn=5_000), "kent-cafe", 5_000, 5_000),
        (elqr(amount_tyiyn=5_000, amount_editable=True, provider_id="qr.kg", service_code="1"), "kent-cafe", 700, 700),
        (emvco(), BAZAR, 9_900, 9_900),
        (emvco(amount_tyiyn=25_050), BAZAR, None, 25_050),
    ],
    ids=["entered", "fixed", "fixed-and-entered", "edited", "emvco-entered", "emvco-fixed"],
)
def test_S19_a_merchants_code_is_paid(
    scheme: Scheme, payer: Payer, text: str, payee: str, entered: int | None, paid: int
) -> None:
    """Scan, enter or check the amount, confirm: the merchant has the money at once, at whichever bank."""
    before = figures(scheme, payer, payee)
    prepared = scheme.prepare(scheme.qr(payer, text, entered))
    assert (prepared.state, prepared.amount_tyiyn, prepared.payee_name) == (PREPARED, paid, payee)
    assert before.moved() == [(0, 0), (0, 0)]
    done = scheme.confirm(prepared)
    assert (done.payment.state, done.payment.kind) == (SUCCEEDED, payment_pb2.PAYMENT_KIND_QR)
    assert before.moved() == [(-paid, 0), (paid, 0)]


@pytest.mark.parametrize(
    ("text", "entered", "field", "rule"),
    [
        (elqr(), None, "amount_tyiyn", "MISSING"),
        (elqr(amount_tyiyn=5_000), 4_999, "amount_tyiyn", "QR_AMOUNT_FIXED"),
        (emvco(amount_tyiyn=5_000), 1, "amount_tyiyn", "QR_AMOUNT_FIXED"),
        (elqr()[:-1] + "z", 1, "qr_text", "QR_HASH_MISMATCH"),
        (sealed("00020101021133130009kent-cafe5303840"), 1, "qr_text", "QR_CURRENCY"),
        (elqr("", provider_id="p2p.elcart.kg", service_code="1", recipient_id="7"), 1, "qr_text", "QR_NOT_A_PAYMENT"),
        ("", 1, "qr_text", "MISSING"),
        (elqr(), 0, "amount_tyiyn", "GREATER_THAN"),
        (elqr("two words"), 1, "qr_text", "STRING_PATTERN_MISMATCH"),
    ],
    ids=["no-amount", "edited", "emvco-edited", "damaged", "dollars", "transfer", "empty", "zero", "odd-merchant"],
)
def test_S19_what_is_wrong_with_a_code_is_named(
    scheme: Scheme, payer: Payer, text: str, entered: int | None, field: str, rule: str
) -> None:
    """Each fault names its field and rule, and nothing is prepared."""
    request = scheme.qr(payer, text, entered)
    refusal = refused(lambda: scheme.prepare(request))
    assert (refusal.reason, list(refusal.fields)) == ("INVALID_ARGUMENT", [field])
    assert refusal.fields[field] == rule
    assert refused(lambda: scheme.get(request.request_id)).reason == "PAYMENT_NOT_FOUND"


def test_S19_a_merchant_that_nobody_registered_is_not_paid(scheme: Scheme, payer: Payer) -> None:
    """A right hash makes no merchant."""
    assert refused(lambda: scheme.prepare(scheme.qr(payer, elqr("nobody"), 1))).reason == "PAYEE_NOT_FOUND"


def test_S19_a_dynamic_code_is_paid_once(scheme: Scheme, payer: Payer) -> None:
    """Two phones confirm at the same time: one pays, the other is told; later nobody can even prepare it."""
    other = scheme.payer()
    service = {"provider_id": "qr.kg", "service_code": "1", "transaction_id": new_id()[:12]}
    text = elqr(dynamic=True, amount_tyiyn=5_000, **service)
    payments = [scheme.prepare(scheme.qr(whose, text)) for whose in (payer, other)]
    before = Figures(scheme, scheme.payees["kent-cafe"].account_id)

    def confirm(payment: payment_pb2.Payment) -> str:
        try:
            scheme.confirm(payment)
        except Exception as error:  # noqa: BLE001 - looked at by its reason
            return Refusal(error).reason
        return "paid"

    with ThreadPoolExecutor(2) as phones:
        assert sorted(phones.map(confirm, payments)) == ["QR_USED", "paid"]
    assert before.moved() == [(5_000, 0)]
    assert refused(lambda: scheme.prepare(scheme.qr(payer, text))).reason == "QR_USED"


# Services.


def test_S22_a_service_is_paid(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """The payer sees the beneficiary, confirms, and the provider has the money when it has delivered."""
    before = figures(scheme, payer, WATER)
    fields = {"account": "123456", "reading": "42"}
    prepared = scheme.prepare(scheme.service(payer, fields=fields))
    assert (prepared.beneficiary, dict(prepared.fields)) == (BENEFICIARY, fields)
    assert (prepared.kind, prepared.merchant_category_code) == (payment_pb2.PAYMENT_KIND_SERVICE, "4900")
    done = scheme.confirm(prepared).payment
    assert (done.state, done.decided_by, done.provider_reference) == (
        SUCCEEDED,
        BY_PROVIDER,
        f"p-{done.payment_id[:8]}",
    )
    order = provider.requests[done.payment_id]
    assert (order.service_id, dict(order.fields), order.amount_tyiyn, order.currency_code) == (
        WATER,
        fields,
        20_000,
        "KGS",
    )
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


def test_S22_a_service_of_a_fixed_price(scheme: Scheme, payer: Payer) -> None:
    """The amount may be left out, and is the price."""
    document = {"document": "000000000001"}
    prepared = scheme.prepare(scheme.service(payer, PASSPORT, fields=document, amount_tyiyn=None))
    assert prepared.amount_tyiyn == 120_000
    wrong = refused(lambda: scheme.prepare(scheme.service(payer, PASSPORT, fields=document, amount_tyiyn=1)))
    assert wrong.fields == {"amount_tyiyn": "PRICE"}


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"fields": {}}, {"fields.account": "MISSING"}),
        ({"fields": {"account": "12"}}, {"fields.account": "LENGTH"}),
        ({"fields": {"account": "12345x"}}, {"fields.account": "PATTERN"}),
        ({"fields": {**FIELDS, "colour": "red"}}, {"fields.colour": "UNKNOWN_FIELD"}),
        ({"amount_tyiyn": 1}, {"amount_tyiyn": "RANGE"}),
        ({"amount_tyiyn": None}, {"amount_tyiyn": "MISSING"}),
        ({"service_id": ""}, {"service_id": "MISSING"}),
        ({"customer_id": "x", "card_id": "y"}, {"customer_id": "UUID", "card_id": "UUID"}),
        ({"fields": {"account": "1"}, "amount_tyiyn": 1}, {"fields.account": "LENGTH", "amount_tyiyn": "RANGE"}),
    ],
)
def test_S22_bad_fields_hold_nothing(
    scheme: Scheme, payer: Payer, provider: Provider, given: dict[str, Any], wrong: dict[str, str]
) -> None:
    """All that is wrong is named at once, before the provider is asked anything."""
    provider.behaviour = Behaviour.SILENT
    before = figures(scheme, payer, WATER)
    refusal = refused(lambda: scheme.prepare(scheme.service(payer, **given)))
    assert (refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", wrong)
    assert before.moved() == [(0, 0), (0, 0)]


def test_S22_what_the_provider_or_the_directory_does_not_know_is_not_prepared(scheme: Scheme, payer: Payer) -> None:
    """Neither an unknown service nor an unknown account."""
    assert refused(lambda: scheme.prepare(scheme.service(payer, "none"))).reason == "SERVICE_NOT_FOUND"
    stranger = scheme.service(payer, fields={"account": "99999999"})
    assert refused(lambda: scheme.prepare(stranger)).reason == "BENEFICIARY_UNKNOWN"


def test_S29_a_phone_is_topped_up(scheme: Scheme, payer: Payer) -> None:
    """A service of a mobile operator, here at another bank."""
    before = figures(scheme, payer, "mega")
    prepared = scheme.prepare(scheme.service(payer, MOBILE, fields={"phone": "+996555123456"}))
    done = scheme.confirm(prepared).payment
    assert (done.kind, done.state) == (payment_pb2.PAYMENT_KIND_TOP_UP, SUCCEEDED)
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


def test_S13_payments_need_a_bound_card(scheme: Scheme) -> None:
    """Neither services nor codes are paid from a card before its held amount was named."""
    payer = scheme.payer(bound=False)
    for request in (scheme.service(payer), scheme.qr(payer, elqr(), 1)):
        refusal = refused(lambda request=request: scheme.prepare(request))  # type: ignore[misc]
        assert (refusal.reason, refusal.metadata["recorded"]) == ("CARD_NOT_BOUND", "true")
    scheme.bind(payer)
    assert scheme.confirm(scheme.prepare(scheme.qr(payer, elqr(), 1))).payment.state == SUCCEEDED


def test_S31_whoever_is_not_identified_pays_nothing(scheme: Scheme) -> None:
    """Nor is the card theirs yet: binding needs identification too."""
    payer = scheme.payer(identified=False)
    assert refused(lambda: scheme.prepare(scheme.qr(payer, elqr(), 1))).reason == "CARD_NOT_BOUND"


# Providers of every temper.


def test_a_provider_that_refuses_gets_nothing(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """What was held is let go, and the payer is told why."""
    provider.behaviour = Behaviour.REFUSES
    before = figures(scheme, payer, WATER)
    done = scheme.confirm(scheme.prepare(scheme.service(payer))).payment
    assert (done.state, done.decided_by, done.explanation) == (FAILED, BY_PROVIDER, "the account is closed")
    assert before.moved() == [(0, 0), (0, 0)]
    assert refused(lambda: scheme.refund(done.payment_id, 1)).reason == "PAYMENT_NOT_SUCCEEDED"


def test_a_silent_providers_late_yes_posts(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """UNRESOLVED with the hold standing; it is asked again and again, never told to deliver twice, and paid at last."""
    prepared = scheme.prepare(scheme.service(payer))
    before = figures(scheme, payer, WATER)
    provider.behaviour = Behaviour.SILENT
    done = scheme.confirm(prepared).payment
    assert done.state in (PROCESSING, UNRESOLVED)
    ends(scheme, done.payment_id, UNRESOLVED)
    until(lambda: provider.questions[done.payment_id] >= 2)
    assert before.moved() == [(0, 20_000), (0, 0)]
    provider.behaviour = Behaviour.DELIVERS
    paid = ends(scheme, done.payment_id, SUCCEEDED)
    assert paid.decided_by == BY_PROVIDER
    assert (provider.orders[done.payment_id], provider.delivered[done.payment_id]) == (1, 1)
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


@pytest.mark.parametrize(("behaviour", "orders"), [(Behaviour.LATE, 1), (Behaviour.FORGETS, 2), (Behaviour.PENDING, 1)])
def test_however_a_provider_answers_it_delivers_and_is_paid_once(
    scheme: Scheme, payer: Payer, provider: Provider, behaviour: Behaviour, orders: int
) -> None:
    """The answer was lost, the order never arrived, or it took its time."""
    prepared = scheme.prepare(scheme.service(payer))
    before = figures(scheme, payer, WATER)
    provider.behaviour = behaviour
    done = scheme.confirm(prepared).payment
    if behaviour is Behaviour.PENDING:
        ends(scheme, done.payment_id, UNRESOLVED)
        assert before.moved() == [(0, 20_000), (0, 0)]
        provider.behaviour = Behaviour.DELIVERS
    ends(scheme, done.payment_id, SUCCEEDED)
    assert (provider.orders[done.payment_id], provider.delivered[done.payment_id]) == (orders, 1)
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


def test_a_provider_that_answers_twice_is_paid_once(
    scheme: Scheme, payer: Payer, provider: Provider, server: ServerProcess
) -> None:
    """By itself and when asked: the first answer counts, and a third is refused."""
    provider.ledger = server.address
    prepared = scheme.prepare(scheme.service(payer))
    before = figures(scheme, payer, WATER)
    provider.behaviour = Behaviour.TWICE
    done = scheme.confirm(prepared).payment
    assert done.state == SUCCEEDED
    for answer in (DELIVERED, REFUSED):
        again = refused(lambda answer=answer: scheme.answer(done.payment_id, answer))  # type: ignore[misc]
        assert (again.reason, again.metadata["state"]) == ("PAYMENT_ALREADY_ANSWERED", "succeeded")
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


def test_an_operator_decides_and_a_later_delivery_still_posts(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """Given up, the hold is let go; the provider who delivered all the same is paid, and the payment says so."""
    prepared = scheme.prepare(scheme.service(payer))
    provider.behaviour = Behaviour.SILENT
    before = figures(scheme, payer, WATER)
    payment_id = scheme.confirm(prepared).payment.payment_id
    ends(scheme, payment_id, UNRESOLVED)
    assert refused(lambda: scheme.decide(payment_id, REFUSED, why=" ")).fields == {"explanation": "MISSING"}
    given_up = scheme.decide(payment_id, REFUSED).payment
    assert (given_up.state, given_up.decided_by, given_up.explanation) == (FAILED, BY_OPERATOR, "by phone")
    assert before.moved() == [(0, 0), (0, 0)]
    late = scheme.answer(payment_id, DELIVERED, provider_reference="p-7").payment
    assert (late.state, late.decided_by, late.provider_reference) == (SUCCEEDED, BY_PROVIDER, "p-7")
    assert before.moved() == [(-20_000, 0), (20_000, 0)]


def test_a_provider_that_cannot_be_asked_prepares_nothing(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """Silence about the beneficiary is an answer of its own, which may be tried again with the same id."""
    provider.behaviour = Behaviour.SILENT
    request = scheme.service(payer)
    assert refused(lambda: scheme.prepare(request)).reason == "PROVIDER_UNAVAILABLE"
    provider.behaviour = Behaviour.DELIVERS
    assert scheme.prepare(request).state == PREPARED
    provider.behaviour = Behaviour.SILENT
    assert scheme.prepare(request).beneficiary == BENEFICIARY


def test_what_is_held_for_a_payment_is_its_own(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """No method of AuthorizationService captures it or lets it go."""
    prepared = scheme.prepare(scheme.service(payer))
    provider.behaviour = Behaviour.PENDING
    held = scheme.confirm(prepared).payment.authorization_id
    request = authorization_service_pb2.CaptureAuthorizationRequest(
        request_id=new_id(), authorization_id=held, amount_tyiyn=20_000, clearing_reference=new_id()
    )
    refusal = refused(lambda: scheme.ledger.authorizations.CaptureAuthorization(request, timeout=SECONDS))
    assert (refusal.reason, refusal.metadata["payment_id"]) == ("PAYMENT_HOLD", prepared.payment_id)
    scheme.decide(prepared.payment_id, REFUSED)


# Refunds, repeats, outcomes.


def test_a_payment_is_given_back_in_parts_and_whole(scheme: Scheme, payer: Payer) -> None:
    """Never more than was paid."""
    before = figures(scheme, payer, BAZAR)
    payment_id = scheme.confirm(scheme.prepare(scheme.qr(payer, emvco(), 10_000))).payment.payment_id
    assert scheme.refund(payment_id, 4_000).payment.refunded_tyiyn == 4_000
    over = refused(lambda: scheme.refund(payment_id, 6_001))
    assert (over.reason, over.metadata["refundable_tyiyn"]) == ("OVER_REFUND", "6000")
    assert scheme.refund(payment_id, 6_000).payment.refunded_tyiyn == 10_000
    assert before.moved() == [(0, 0), (0, 0)]


def test_every_step_sent_again_is_answered_again(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """The same id is the same outcome, marked as replayed, with nothing moved twice; other content is refused."""
    payments = scheme.ledger.payments
    prepare = scheme.service(payer, fields={"account": "123456", "reading": ""})
    prepared = [payments.PrepareServicePayment(prepare, timeout=SECONDS) for _ in range(2)]
    assert [each.receipt.replayed for each in prepared] == [False, True]
    assert prepared[0].payment == prepared[1].payment
    prepare.fields["account"] = "654321"
    assert refused(lambda: scheme.prepare(prepare)).reason == "REQUEST_ID_REUSED"
    payment = prepared[0].payment
    provider.behaviour = Behaviour.PENDING
    before = figures(scheme, payer, WATER)
    confirm = new_id()
    first = scheme.confirm(payment, confirm)
    provider.behaviour = Behaviour.DELIVERS
    ends(scheme, payment.payment_id, SUCCEEDED)
    again = scheme.confirm(payment, confirm)
    assert (first.payment.state, first.receipt.replayed) == (UNRESOLVED, False)
    assert (again.payment.state, again.receipt.replayed) == (SUCCEEDED, True)
    assert refused(lambda: scheme.confirm(payment)).reason == "PAYMENT_ALREADY_CONFIRMED"
    refund = new_id()
    given_back = [scheme.refund(payment.payment_id, 5_000, request_id=refund) for _ in range(2)]
    assert [each.receipt.replayed for each in given_back] == [False, True]
    assert refused(lambda: scheme.refund(payment.payment_id, 5_001, request_id=refund)).reason == "REQUEST_ID_REUSED"
    assert before.moved() == [(-15_000, 0), (15_000, 0)]
    told = [
        scheme.ledger.transfers.GetOutcome(GetOutcomeRequest(request_id=request_id), timeout=SECONDS).payment
        for request_id in (prepare.request_id, confirm, refund)
    ]
    assert told == [payment, scheme.get(payment.payment_id), scheme.get(payment.payment_id)]
    assert told[1].refunded_tyiyn == 5_000


def test_answers_and_decisions_sent_again_are_answered_again(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """Whoever answers may lose the answer to that."""
    for send in (scheme.answer, scheme.decide):
        prepared = scheme.prepare(scheme.service(payer))
        provider.behaviour = Behaviour.PENDING
        payment_id = scheme.confirm(prepared).payment.payment_id
        request_id = new_id()
        told = [send(payment_id, DELIVERED, request_id) for _ in range(2)]
        assert [each.receipt.replayed for each in told] == [False, True]
        assert told[0].payment == told[1].payment
        assert refused(lambda: send(payment_id, REFUSED, request_id)).reason == "REQUEST_ID_REUSED"  # noqa: B023
        provider.behaviour = Behaviour.DELIVERS


def test_a_trial_confirmation_asks_nobody(scheme: Scheme, payer: Payer, provider: Provider) -> None:
    """It says what would be, and holds nothing."""
    prepared = scheme.prepare(scheme.service(payer))
    before = figures(scheme, payer, WATER)
    request = payment_service_pb2.ConfirmPaymentRequest(
        request_id=new_id(), payment_id=prepared.payment_id, customer_id=payer.customer_id, validate_only=True
    )
    answer = scheme.ledger.payments.ConfirmPayment(request, timeout=SECONDS)
    assert (answer.payment.state, answer.HasField("receipt")) == (PROCESSING, False)
    assert (provider.orders[prepared.payment_id], before.moved()) == (0, [(0, 0), (0, 0)])
    assert scheme.get(prepared.payment_id).state == PREPARED


def test_a_payment_lapses(tmp_path: Path, provider: Provider) -> None:
    """After five minutes it can only be prepared again."""
    with server_with(tmp_path, provider) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            scheme = Scheme(ledger, tmp_path / "confirmation-codes")
            payer = scheme.payer()
            prepared = scheme.prepare(scheme.qr(payer, elqr(), 100))
            server.clock.advance(300)
            assert refused(lambda: scheme.confirm(prepared)).reason == "PAYMENT_LAPSED"
            assert scheme.get(prepared.payment_id).state == payment_pb2.PAYMENT_STATE_LAPSED
        server.stop()


# A server that dies.


@pytest.mark.parametrize(("behaviour", "orders"), [(Behaviour.LATE, 1), (Behaviour.FORGETS, 2)])
def test_a_server_killed_while_it_asks_leaves_the_payment_to_the_next(
    tmp_path: Path, behaviour: Behaviour, orders: int
) -> None:
    """SIGKILL between question and answer: the next server asks for the status, and posts once."""
    with Provider() as provider, server_with(tmp_path, provider, ESEP_PROVIDER_TIMEOUT_SECONDS="10") as server:
        server.start()
        with connect_plainly(server.address) as ledger, ThreadPoolExecutor(1) as phone:
            scheme = Scheme(ledger, tmp_path / "confirmation-codes")
            payer = scheme.payer()
            prepared = scheme.prepare(scheme.service(payer))
            provider.behaviour = behaviour
            confirm = new_id()
            under_way = phone.submit(scheme.confirm, prepared, confirm)
            until(lambda: provider.orders[prepared.payment_id] == 1)
            server.kill()
            under_way.exception(timeout=PATIENCE)
            server.start()
        with connect_plainly(server.address) as ledger:
            scheme.ledger = ledger
            paid = ends(scheme, prepared.payment_id, SUCCEEDED)
            assert (paid.decided_by, paid.amount_tyiyn) == (BY_PROVIDER, 20_000)
            assert (provider.orders[paid.payment_id], provider.delivered[paid.payment_id]) == (orders, 1)
            assert scheme.figures(payer.account_id) == (FUNDS - 20_000, 0)
            assert scheme.figures(scheme.payees[WATER].account_id) == (20_000, 0)
            again = scheme.confirm(prepared, confirm)
            assert (again.payment.state, again.receipt.replayed) == (SUCCEEDED, True)
        server.stop()
