"""Elcart Pay at the till: taps, counters, keys and receipts (rows S30 and S35 to S37)."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from protos.esep.v1 import authorization_pb2, token_pb2
from protos.esep.v1 import authorization_service_pb2 as holds
from protos.esep.v1 import statement_service_pb2 as statements
from protos.esep.v1 import token_service_pb2 as api
from protos.esep.v1.common_pb2 import LogPosition
from scripts.demo_client import connect_plainly, new_id
from scripts.device import fiscal_receipt
from tests.holder import FUNDS, KEYED, Holder
from tests.journeys.shop import (
    ACTIVE,
    DAY,
    Shop,
    authorization,
    available,
    declined,
    shop,
)
from tests.rpc.world import Refusal, refused
from tests.serving import server_on

__all__ = ["shop"]


def test_S30_a_tap_holds_the_amount_and_clearing_captures_it(shop: Shop) -> None:
    """The payment is an authorization of the card's account for the merchant, and is captured as any other."""
    holder = shop.ready()
    paid = holder.pay(45_000).authorization
    assert (paid.account_id, paid.credit_account_id, paid.remaining_tyiyn) == (
        holder.account_id,
        holder.merchant,
        45_000,
    )
    assert (paid.card_id, paid.token_id) == (holder.card_id, holder.token_id)
    assert paid.entry_mode == authorization_pb2.ENTRY_MODE_CONTACTLESS
    capture = holds.CaptureAuthorizationRequest(
        request_id=new_id(),
        authorization_id=paid.authorization_id,
        amount_tyiyn=45_000,
        final=True,
        clearing_reference=new_id(),
    )
    captured = holder.call(holder.ledger.authorizations.CaptureAuthorization, capture)
    request = statements.GetBalanceRequest(
        account_id=holder.merchant, min_position=LogPosition(position=captured.receipt.position)
    )
    assert holder.call(holder.ledger.statements.GetBalance, request).balance.posted_tyiyn == 45_000
    assert available(holder) == FUNDS - 45_000


def test_S30_the_same_request_is_answered_again_and_the_same_tap_is_not(shop: Shop) -> None:
    """A terminal that repeats its request gets the first outcome; whoever presents the tap again gets nothing."""
    holder = shop.ready()
    tap, request_id = holder.phone.tap(100), new_id()
    first = holder.pay(100, request_id=request_id, tap=tap)
    again = holder.pay(100, request_id=request_id, tap=tap)
    assert (again.receipt.replayed, again.authorization) == (True, first.authorization)
    assert declined(holder, tap=tap).reason == "COUNTER_REPEATED"
    assert refused(lambda: holder.pay(200, request_id=request_id, tap=tap)).reason == "REQUEST_ID_REUSED"


def test_S30_a_decline_is_final_and_uses_up_the_tap(shop: Shop) -> None:
    """Too much is declined for good; the tap is worth nothing afterwards, under any other request."""
    holder = shop.ready()
    tap, request_id = holder.phone.tap(FUNDS + 1), new_id()
    for replayed in ("false", "true"):
        refusal = refused(lambda: holder.pay(FUNDS + 1, request_id=request_id, tap=tap))
        assert (refusal.reason, refusal.metadata["replayed"]) == ("INSUFFICIENT_FUNDS", replayed)
    kept = authorization(holder, request_id)
    assert kept.state == authorization_pb2.AUTHORIZATION_STATE_DECLINED
    assert (kept.decline_reason, kept.token_id) == ("INSUFFICIENT_FUNDS", holder.token_id)
    assert declined(holder, FUNDS + 1, tap=tap).reason == "COUNTER_REPEATED"
    assert (holder.token().highest_counter, holder.token().keys.uses_left) == (1, 19)
    assert holder.pay(FUNDS).authorization.remaining_tyiyn == FUNDS


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("cryptogram", b"\0" * 8),
        ("unpredictable_number", b"\0" * 4),
        ("transaction_date", "201201"),  # No day that can be today.
        ("country_number", 398),
        ("transaction_counter", 2),
        ("cardholder_verified", True),
    ],
)
def test_S30_a_tap_that_was_changed_is_refused_and_uses_up_nothing(shop: Shop, field: str, value: Any) -> None:
    """No terminal changes what the phone signed; a phone is not stopped by guesses at it."""
    holder = shop.ready()
    holder.phone.unlocked = field != "cardholder_verified"
    tap = holder.phone.tap(100)
    setattr(tap, field, value)
    version = holder.token().version
    assert declined(holder, tap=tap).reason == "CRYPTOGRAM_WRONG"
    assert holder.token().version == version
    assert available(holder) == FUNDS


def test_S30_another_amount_than_was_tapped_is_refused(shop: Shop) -> None:
    """The amount is part of the cryptogram."""
    holder = shop.ready()
    assert declined(holder, 200, tap=holder.phone.tap(100)).reason == "CRYPTOGRAM_WRONG"


def test_S30_counters_are_taken_once_each_within_their_window(shop: Shop) -> None:
    """Eight behind the highest, a hundred ahead of it, and never the same twice."""
    holder = shop.ready()

    def tapped(counter: int) -> str:
        tap = holder.phone.tap(1, counter=counter)
        try:
            holder.pay(1, tap=tap)
        except Exception as error:  # noqa: BLE001 - whatever the call ended with is told by its reason
            return Refusal(error).reason
        return ""

    found = [tapped(counter) for counter in (20, 12, 12, 11, 120, 221, 120, 119)]
    assert found == ["", "", "COUNTER_REPEATED", "COUNTER_TOO_OLD", "", "COUNTER_JUMPED", "COUNTER_REPEATED", ""]
    assert holder.token().highest_counter == 120


def test_S30_two_presentations_at_once_are_decided_one_after_another(shop: Shop) -> None:
    """However many terminals show one tap at the same moment, one payment is made."""
    holder = shop.ready()
    tap = holder.phone.tap(500)

    def present(_: int) -> str:
        try:
            return holder.pay(500, tap=tap).authorization.authorization_id
        except Exception as error:  # noqa: BLE001 - as above
            return Refusal(error).reason

    with ThreadPoolExecutor(6) as terminals:
        found = list(terminals.map(present, range(6)))
    assert found.count("COUNTER_REPEATED") == 5
    assert available(holder) == FUNDS - 500


def test_S30_a_key_is_used_up_and_replenished(shop: Shop) -> None:
    """After 20 taps (a setting) the phone asks for another key; the old one is not taken any more."""
    holder = shop.ready()
    for _ in range(20):
        holder.pay(1)
    refusal = declined(holder, 1)
    assert (refusal.reason, refusal.metadata["limit"]) == ("KEY_USED_UP", "uses")
    old = holder.phone.tap(1)
    assert holder.replenish().key.sequence == 2
    assert declined(holder, 1, tap=old).reason == "KEY_SUPERSEDED"
    assert holder.pay(1).authorization.token_id == holder.token_id
    assert holder.token().keys.uses_left == 19


def test_S30_a_key_ages(shop: Shop) -> None:
    """After 14 days a key is good for nothing; the number stays."""
    holder = shop.ready()
    number = holder.phone.number
    shop.server.clock.advance(14 * DAY + 1)
    refusal = declined(holder)
    assert (refusal.reason, refusal.metadata["limit"]) == ("KEY_USED_UP", "age")
    holder.replenish()
    holder.pay(100)
    assert holder.phone.number == number


def test_S30_a_number_keyed_in_by_hand_pays_nothing(shop: Shop) -> None:
    """A token's number is good for a tap only."""
    holder = shop.ready()
    assert declined(holder, entry_mode=KEYED).reason == "ENTRY_MODE_NOT_ALLOWED"


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        ("941799000000000", "TOKEN_NUMBER_MALFORMED"),
        ("941799000000000a", "TOKEN_NUMBER_MALFORMED"),
        ("9417990000000001", "TOKEN_NUMBER_CHECK_DIGIT"),
        ("9417001234567895", "TOKEN_NUMBER_PREFIX"),
        ("9417990000000000", "TOKEN_NOT_FOUND"),
    ],
)
def test_S30_a_number_that_is_no_tokens_is_refused(shop: Shop, number: str, reason: str) -> None:
    """Sixteen digits, the check digit, the token prefix, and a token that there is; nothing of it is recorded."""
    holder = shop.newcomer()
    holder.phone.provision(number, "12/29", token_pb2.TokenKey(sequence=1, key=bytes(range(16))))
    refusal = declined(holder)
    assert (refusal.reason, refusal.metadata["recorded"]) == (reason, "false")
    assert number not in str(refusal.details)


def test_S30_the_phones_expiry_is_compared(shop: Shop) -> None:
    """Another expiry than the token's, or none at all, is refused."""
    holder = shop.ready()
    assert declined(holder, expiry="01/27").reason == "TOKEN_EXPIRY_WRONG"
    assert declined(holder, expiry="13/27").fields == {"expiry": "PATTERN"}


def test_S35_a_phone_that_was_not_unlocked_pays_nothing(shop: Shop) -> None:
    """Unlock, then tap: the phone itself says in the cryptogram whether it was."""
    holder = shop.ready()
    holder.phone.unlocked = False
    assert declined(holder).reason == "DEVICE_LOCKED"
    holder.phone.unlocked = True
    holder.pay(100)


def test_S35_a_blocked_phone_pays_with_none_of_its_tokens(shop: Shop) -> None:
    """Blocking a phone leaves the token as it is; unblocked, it pays again."""
    holder = shop.ready()
    names: dict[str, Any] = {"customer_id": holder.customer_id, "device_id": holder.phone.device_id}
    holder.call(holder.ledger.tokens.BlockDevice, api.BlockDeviceRequest(request_id=new_id(), **names))
    assert declined(holder).reason == "DEVICE_BLOCKED"
    assert holder.token().state == ACTIVE
    assert refused(holder.tokenise).reason == "DEVICE_BLOCKED"
    holder.call(holder.ledger.tokens.UnblockDevice, api.UnblockDeviceRequest(request_id=new_id(), **names))
    holder.pay(100)


def test_S36_neither_card_nor_cash_is_needed(shop: Shop) -> None:
    """A terminal that knows number, expiry and tap of the phone pays; nobody has told it a card's number."""
    holder = shop.ready()
    request = holder.phone.pay(new_id(), 100, holder.merchant)
    assert holder.card_number not in str(request)
    assert holder.call(holder.ledger.token_payments.AuthorizeTokenPayment, request).authorization.card_id


def test_S37_a_tills_receipt_is_paid_once(shop: Shop) -> None:
    """A second payment of the same receipt is declined; another merchant's till may have the same name and number."""
    holder = shop.ready()
    till = new_id()[:8]
    paid = holder.pay(100, fiscal_receipt=fiscal_receipt(till, "000123")).authorization
    assert (paid.till_id, paid.fiscal_receipt_number) == (till, "000123")
    other = shop.ready()
    other.pay(100, fiscal_receipt=fiscal_receipt(till, "000123"))
    other.merchant = holder.merchant
    refusal = declined(other, fiscal_receipt=fiscal_receipt(till, "000123"))
    assert (refusal.reason, refusal.metadata["till_id"]) == ("FISCAL_RECEIPT_SEEN", till)
    other.pay(100, fiscal_receipt=fiscal_receipt(till, "000124"))
    assert declined(other, fiscal_receipt=fiscal_receipt(till, "")).fields == {
        "fiscal_receipt.receipt_number": "MISSING"
    }


@pytest.mark.postgres
def test_S30_phones_pay_over_postgresql_too(postgres_url: str, tmp_path: Path) -> None:
    """The same way from registration to the till, with log and vault in PostgreSQL."""
    with server_on(postgres_url, tmp_path) as server:
        server.start()
        with connect_plainly(server.address) as ledger:
            holder = Holder(ledger, tmp_path / "confirmation-codes").ready()
            tap = holder.phone.tap(100)
            holder.pay(100, tap=tap)
            assert declined(holder, tap=tap).reason == "COUNTER_REPEATED"
        server.stop()
