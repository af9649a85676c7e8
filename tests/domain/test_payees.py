"""Payees: one code stands for one payee, paid into an account of its own bank and kind."""

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from domain.account import AccountClosed
from domain.payee import PayeeKind, PayeeRegistered, PayeeUpdated, RegisterPayee, UpdatePayee, payee_id
from domain.refusals import Reason
from tests.domain.payment_world import CAFE, CAFES, MARKET, WATER, PaymentSpec
from tests.domain.spec import uid
from tests.domain.transfer_world import ADILS


def register(**fields: Any) -> RegisterPayee:
    given = {
        "kind": PayeeKind.MERCHANT,
        "code": "shop",
        "participant_id": "bank-a",
        "account_id": CAFE,
        "name": "Дүкөн",
    }
    return RegisterPayee(**{**given, **fields})


def update(**fields: Any) -> UpdatePayee:
    return UpdatePayee(**{"payee_id": CAFES, "account_id": CAFE, "name": "Кафе", "active": True, **fields})


def test_a_payee_is_known_by_its_code() -> None:
    """Its id follows from kind and code, so the same code of another kind is another payee."""
    spec = PaymentSpec().when(register(merchant_category_code="5411", reference="c-7"))
    spec.then(
        PayeeRegistered(
            kind=PayeeKind.MERCHANT,
            code="shop",
            participant="bank-a",
            account=CAFE,
            name="Дүкөн",
            merchant_category_code="5411",
            reference="c-7",
        )
    )
    found = spec.life(UUID(bytes=payee_id(PayeeKind.MERCHANT, "shop")))
    assert (found.code, found.active, found.version, found.merchant_category_code) == ("shop", True, 1, "5411")
    spec.given_done(register(kind=PayeeKind.PROVIDER, account_id=WATER))


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"account_id": 99, "code": "cafe"}, Reason.ACCOUNT_NOT_FOUND),
        ({"account_id": MARKET, "code": "cafe"}, Reason.PAYEE_ACCOUNT_UNFIT),
        ({"account_id": WATER, "code": "cafe"}, Reason.PAYEE_ACCOUNT_UNFIT),
        ({"account_id": ADILS, "code": "cafe"}, Reason.PAYEE_ACCOUNT_UNFIT),
        ({"kind": PayeeKind.PROVIDER}, Reason.PAYEE_ACCOUNT_UNFIT),
        ({"code": "cafe"}, Reason.PAYEE_CODE_TAKEN),
    ],
)
def test_what_is_wrong_with_a_registration_is_named_in_order(fields: dict[str, Any], reason: Reason) -> None:
    """The account first: known, of this bank and kind; then the code."""
    PaymentSpec().when(register(**fields)).then_refused(reason)


def test_a_closed_account_takes_no_money() -> None:
    """Neither a new payee nor an old one is paid into it."""
    spec = PaymentSpec().given((CAFE, AccountClosed()))
    spec.when(register()).then_refused(Reason.ACCOUNT_CLOSED)
    spec.when(update()).then_refused(Reason.ACCOUNT_CLOSED)


@pytest.mark.parametrize(
    "fields",
    [{"code": ""}, {"code": "a b"}, {"code": "x" * 65}, {"name": ""}, {"merchant_category_code": "541"}],
)
def test_fields_have_bounds(fields: dict[str, Any]) -> None:
    """A code is 1 to 64 printable characters without spaces, and a name is required."""
    with pytest.raises(ValidationError):
        register(**fields)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"payee_id": uid(99), "expected_version": 7, "account_id": 99}, Reason.PAYEE_NOT_FOUND),
        ({"expected_version": 7, "account_id": 99}, Reason.EXPECTED_VERSION_MISMATCH),
        ({"account_id": 99}, Reason.ACCOUNT_NOT_FOUND),
        ({"account_id": MARKET}, Reason.PAYEE_ACCOUNT_UNFIT),
    ],
)
def test_what_is_wrong_with_a_change_is_named_in_order(fields: dict[str, Any], reason: Reason) -> None:
    """Known, of the version that was seen, and an account of its own bank and kind."""
    PaymentSpec().when(update(**fields)).then_refused(reason)


def test_a_payee_is_switched_off_and_on() -> None:
    """Kind, code and bank stay for good."""
    spec = PaymentSpec().when(update(active=False, expected_version=1))
    spec.then(PayeeUpdated(account=CAFE, name="Кафе", active=False))
    spec.given_done(update(active=True, expected_version=2))
    found = spec.life(CAFES)
    assert (found.name, found.active, found.version, found.code, found.participant) == (
        "Кафе",
        True,
        3,
        "cafe",
        "bank-a",
    )
