"""Codes by which customers are paid: what is scanned is compared with what was issued."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from domain.card import CardBlocked, CardUnbound, UnboundBy
from domain.claim import Claim
from domain.ids import claim_id
from domain.qr import QrCode, read, write_elqr
from domain.refusals import Reason
from domain.rules import Operation
from domain.transfer_qr import MAX_PROVIDER, QR_CLAIM, IssueTransferQr, ScannedQr, read_id, write_id
from tests.domain.spec import uid
from tests.domain.transfer_world import (
    ADIL,
    ADILS_CARD,
    ADILS_SECOND_CARD,
    BAKYT,
    BAKYTS,
    BAKYTS_CARD,
    TransferSpec,
    to_qr,
)


def issue(**fields: Any) -> IssueTransferQr:
    """Return the command that gives Bakyt a code."""
    given = {"customer_id": BAKYT, "card_id": BAKYTS_CARD, "provider": "p2p.elcart.kg", **fields}
    return IssueTransferQr(**given)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"amount_tyiyn": 5_000},
        {"amount_tyiyn": 5_000, "amount_editable": True},
        {"amount_tyiyn": 10**15, "dynamic": True},
        {"provider": "p" * MAX_PROVIDER, "dynamic": True, "amount_tyiyn": 1},
    ],
)
def test_what_is_issued_is_read_again_from_its_link(fields: dict[str, Any]) -> None:
    """The longest code fits into a link, and the link says what was issued."""
    spec = TransferSpec()
    qr_id, scanned = spec.issued(**fields)
    code = read(write_elqr(spec.life(qr_id).code("Бакыт А.")))
    assert isinstance(code, QrCode)
    assert ScannedQr.of(code) == scanned
    assert (code.merchant_name, code.service_code) == ("Бакыт А.", "p2p")


def test_a_dynamic_code_asks_for_an_amount() -> None:
    """The national code has none without."""
    with pytest.raises(ValidationError, match="asks for an amount"):
        issue(dynamic=True)


@pytest.mark.parametrize("text", ["", "A" * 21, "A" * 23, "А" * 22, "A" * 21 + "B", "A" * 21 + "=", "*" * 22])
def test_an_id_has_one_spelling(text: str) -> None:
    """Anything but what would be written is no id: spare bits, padding, other alphabets."""
    assert read_id(text) is None
    assert read_id(write_id(b"\xff" * 16)) == b"\xff" * 16


@pytest.mark.parametrize(
    ("card", "customer", "reason"),
    [(ADILS_CARD, BAKYT, Reason.CARD_NOT_BOUND), (uid(99), BAKYT, Reason.CARD_NOT_FOUND)],
)
def test_a_code_pays_ones_own_card_only(card: UUID, customer: UUID, reason: Reason) -> None:
    """Nobody has a code for somebody else's card."""
    TransferSpec().when(issue(card_id=card, customer_id=customer)).then_refused(reason)


@pytest.mark.parametrize(
    "changed",
    [
        {"amount": 1},
        {"amount_editable": True},
        {"dynamic": False},
        {"transaction": ""},
        {"transaction": "1"},
        {"recipient_editable": True},
    ],
)
def test_a_code_that_was_edited_pays_nobody(changed: dict[str, Any]) -> None:
    """Whoever edits a code can hash it again: the log says what was issued."""
    spec = TransferSpec()
    qr_id, scanned = spec.issued(dynamic=True, amount_tyiyn=5_000)
    spec.when(spec.quote(to_qr(scanned.model_copy(update=changed)), None))
    spec.then_refused(Reason.QR_ALTERED, transfer_qr_id=str(qr_id))


@pytest.mark.parametrize("changed", [{"recipient": write_id(uid(99).bytes)}, {"recipient": "7"}, {"provider": "x"}])
def test_a_code_that_nobody_issued_is_not_found(changed: dict[str, str]) -> None:
    """Another recipient, no id at all, another provider."""
    spec = TransferSpec()
    _, scanned = spec.issued()
    spec.when(spec.quote(to_qr(scanned.model_copy(update=changed)))).then_refused(Reason.TRANSFER_QR_NOT_FOUND)


@pytest.mark.parametrize(
    ("fields", "given", "expected"),
    [
        ({}, 700, 700),
        ({}, None, Reason.INVALID_ARGUMENT),
        ({"amount_tyiyn": 5_000}, None, 5_000),
        ({"amount_tyiyn": 5_000}, 5_000, 5_000),
        ({"amount_tyiyn": 5_000}, 4_999, Reason.QR_AMOUNT_NOT_EDITABLE),
        ({"amount_tyiyn": 5_000, "amount_editable": True}, 4_999, 4_999),
        ({"amount_tyiyn": 5_000, "amount_editable": True}, None, 5_000),
        ({"amount_tyiyn": 5_000, "dynamic": True}, 4_999, Reason.QR_AMOUNT_NOT_EDITABLE),
    ],
)
def test_the_amount_follows_the_code(fields: dict[str, Any], given: int | None, expected: int | Reason) -> None:
    """Left to the payer it is required; given it holds, and changes only where the code says so."""
    spec = TransferSpec()
    _, scanned = spec.issued(**fields)
    spec.when(spec.quote(to_qr(scanned), given))
    if isinstance(expected, Reason):
        spec.then_refused(expected)
    else:
        assert (spec.event().amount, spec.event().operation) == (expected, Operation.TRANSFER_BY_QR)


def test_a_dynamic_code_is_good_for_one_transfer() -> None:
    """Two quotes may stand by one code; the first to be confirmed uses it up."""
    spec = TransferSpec()
    _, scanned = spec.issued(dynamic=True, amount_tyiyn=5_000)
    first, second = (spec.quoted(to_qr(scanned), None) for _ in range(2))
    transfer_id = spec.confirmed(first)
    key = f"8:transfer13:p2p.elcart.kg22:{scanned.transaction}"
    spec.then_claimed((QR_CLAIM, key))
    found = spec.books.aggregate(claim_id(QR_CLAIM, key))
    assert isinstance(found, Claim)
    assert found.holder == transfer_id.bytes
    spec.confirm(second).then_refused(Reason.QR_USED)
    spec.when(spec.quote(to_qr(scanned), None)).then_refused(Reason.QR_USED)
    assert spec.balances()[BAKYTS] == 5_000


def test_a_static_code_is_good_as_often_as_people_pay_by_it() -> None:
    """Nothing of it is used up."""
    spec = TransferSpec()
    _, scanned = spec.issued()
    for _ in range(2):
        spec.confirmed(spec.quoted(to_qr(scanned), 5_000))
    assert spec.balances()[BAKYTS] == 10_000


@pytest.mark.parametrize("event", [CardBlocked(), CardUnbound(customer=BAKYT, by=UnboundBy.BANK)])
def test_a_code_is_worth_what_its_card_is(event: Any) -> None:
    """A blocked card, or one that is not the customer's any more, is not paid."""
    spec = TransferSpec()
    _, scanned = spec.issued()
    quote_id = spec.quoted(to_qr(scanned), 5_000)
    spec.given((BAKYTS_CARD, event))
    spec.confirm(quote_id).then_refused(Reason.RECIPIENT_UNAVAILABLE)


def test_nobody_pays_themselves_by_a_code() -> None:
    """Another card of the same customer may pay it, the card itself may not."""
    spec = TransferSpec()
    _, scanned = spec.issued(customer_id=ADIL, card_id=ADILS_CARD)
    spec.when(spec.quote(to_qr(scanned))).then_refused(Reason.RECIPIENT_IS_PAYER)
    _, other = spec.issued(customer_id=ADIL, card_id=ADILS_SECOND_CARD)
    spec.confirmed(spec.quoted(to_qr(other)))
