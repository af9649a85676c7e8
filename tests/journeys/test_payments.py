"""Paying, from the application: QR codes, services and top-ups (rows S13, S19, S22, S29, S31)."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from protos.esep.v1 import payment_pb2
from scripts.demo_client import new_id
from scripts.provider import BENEFICIARY, Behaviour, Provider
from tests.domain.qr.sealed import elqr as sealed
from tests.journeys.payments import (
    BY_PROVIDER,
    PREPARED,
    SUCCEEDED,
    Figures,
    delivers,
    directory,
    figures,
    patience,
    payer,
    provider,
    scheme,
    server,
)
from tests.paying import BAZAR, FIELDS, MOBILE, PASSPORT, WATER, Scheme, elqr, emvco
from tests.people import Person
from tests.rpc.world import Refusal, refused

__all__ = ["delivers", "directory", "patience", "payer", "provider", "scheme", "server"]

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
    scheme: Scheme, payer: Person, text: str, payee: str, entered: int | None, paid: int
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
    scheme: Scheme, payer: Person, text: str, entered: int | None, field: str, rule: str
) -> None:
    """Each fault names its field and rule, and nothing is prepared."""
    request = scheme.qr(payer, text, entered)
    refusal = refused(lambda: scheme.prepare(request))
    assert (refusal.reason, list(refusal.fields)) == ("INVALID_ARGUMENT", [field])
    assert refusal.fields[field] == rule
    assert refused(lambda: scheme.get(request.request_id)).reason == "PAYMENT_NOT_FOUND"


def test_S19_a_merchant_that_nobody_registered_is_not_paid(scheme: Scheme, payer: Person) -> None:
    """A right hash makes no merchant."""
    assert refused(lambda: scheme.prepare(scheme.qr(payer, elqr("nobody"), 1))).reason == "PAYEE_NOT_FOUND"


def test_S19_a_dynamic_code_is_paid_once(scheme: Scheme, payer: Person) -> None:
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


def test_S19_a_code_that_somebody_made_up_uses_up_no_other(scheme: Scheme, payer: Person) -> None:
    """Not another merchant's with its number, nor one whose provider and number read the same when run together."""
    number = new_id()[:12]
    forged = emvco(dynamic=True, amount_tyiyn=1, transaction_id=number)
    scheme.confirm(scheme.prepare(scheme.qr(payer, forged)))
    for issuer, transaction in (("qr.kg", number), ("qr.kg/a", number), ("qr.kg", f"a/{number}")):
        service = {"provider_id": issuer, "service_code": "1", "transaction_id": transaction}
        text = elqr(dynamic=True, amount_tyiyn=5_000, **service)
        assert scheme.confirm(scheme.prepare(scheme.qr(payer, text))).payment.state == SUCCEEDED


# Services.


def test_S22_a_service_is_paid(scheme: Scheme, payer: Person, provider: Provider) -> None:
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


def test_S22_a_service_of_a_fixed_price(scheme: Scheme, payer: Person) -> None:
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
    scheme: Scheme, payer: Person, provider: Provider, given: dict[str, Any], wrong: dict[str, str]
) -> None:
    """All that is wrong is named at once, before the provider is asked anything."""
    provider.behaviour = Behaviour.SILENT
    before = figures(scheme, payer, WATER)
    refusal = refused(lambda: scheme.prepare(scheme.service(payer, **given)))
    assert (refusal.reason, refusal.fields) == ("INVALID_ARGUMENT", wrong)
    assert before.moved() == [(0, 0), (0, 0)]


def test_S22_what_the_provider_or_the_directory_does_not_know_is_not_prepared(scheme: Scheme, payer: Person) -> None:
    """Neither an unknown service nor an unknown account."""
    assert refused(lambda: scheme.prepare(scheme.service(payer, "none"))).reason == "SERVICE_NOT_FOUND"
    stranger = scheme.service(payer, fields={"account": "99999999"})
    assert refused(lambda: scheme.prepare(stranger)).reason == "BENEFICIARY_UNKNOWN"


def test_S29_a_phone_is_topped_up(scheme: Scheme, payer: Person) -> None:
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


def test_S13_nobody_is_named_to_whoever_could_not_pay(scheme: Scheme, provider: Provider) -> None:
    """A provider is asked for a beneficiary's name by payers only: names are not told by numbers to anybody."""
    stranger, payer = scheme.payer(bound=False), scheme.payer()
    before = provider.checks
    refused(lambda: scheme.prepare(scheme.service(stranger)))
    assert provider.checks == before
    assert scheme.prepare(scheme.service(payer)).beneficiary == BENEFICIARY
    assert provider.checks == before + 1


def test_S31_whoever_is_not_identified_pays_nothing(scheme: Scheme) -> None:
    """Nor is the card theirs yet: binding needs identification too."""
    payer = scheme.payer(identified=False)
    assert refused(lambda: scheme.prepare(scheme.qr(payer, elqr(), 1))).reason == "CARD_NOT_BOUND"
