"""Elcart Pay: a phone in the place of a card, from the bound card to a phone that pays (rows S30 to S34)."""

import re
import subprocess
import sys
from typing import Any

import pytest

from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import customer_service_pb2 as customers
from protos.esep.v1 import token_pb2
from protos.esep.v1 import token_service_pb2 as api
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.transfer_service_pb2 import GetOutcomeRequest
from scripts.demo_client import new_id
from scripts.device import Phone
from tests.journeys.shop import (
    ACTIVE,
    CARDHOLDER,
    DAY,
    DEACTIVATED,
    DEVICE_LOCK,
    ISSUER,
    SUSPENDED,
    WALLET,
    Shop,
    declined,
    shop,
)
from tests.rpc.world import refused

__all__ = ["shop"]


def test_S30_each_party_lifts_only_its_own_suspension(shop: Shop) -> None:
    """Issuer, wallet, cardholder, phone: the token pays when none of them has it suspended."""
    holder = shop.ready()
    parties = (ISSUER, WALLET, CARDHOLDER, DEVICE_LOCK)
    for party in parties:
        assert holder.suspend(party).state == SUSPENDED
        assert refused(lambda party=party: holder.suspend(party)).reason == "TOKEN_ALREADY_SUSPENDED"  # type: ignore[misc]
    refusal = declined(holder)
    assert (refusal.reason, refusal.metadata["suspended_by"]) == (
        "TOKEN_SUSPENDED",
        "issuer,wallet,cardholder,device_lock",
    )
    for party in parties[:-1]:
        assert holder.resume(party).state == SUSPENDED
        assert refused(lambda party=party: holder.resume(party)).reason == "TOKEN_NOT_SUSPENDED"  # type: ignore[misc]
        assert declined(holder).reason == "TOKEN_SUSPENDED"
    assert holder.resume(DEVICE_LOCK).state == ACTIVE
    holder.pay(100)


def test_S30_what_happens_to_the_card_happens_to_its_token(shop: Shop) -> None:
    """Blocked, the token is suspended by the issuer; unblocked, it pays; closed, it ends."""
    holder = shop.ready()
    service, card = holder.ledger.cards, holder.card_id
    holder.call(service.BlockCard, cards.BlockCardRequest(request_id=new_id(), card_id=card))
    assert list(holder.token().suspended_by) == [ISSUER]
    assert declined(holder).reason == "TOKEN_SUSPENDED"
    holder.call(service.UnblockCard, cards.UnblockCardRequest(request_id=new_id(), card_id=card))
    holder.pay(100)
    holder.call(service.CloseCard, cards.CloseCardRequest(request_id=new_id(), card_id=card))
    ended = holder.token()
    assert (ended.state, ended.deactivation_cause) == (
        DEACTIVATED,
        token_pb2.TOKEN_DEACTIVATION_CAUSE_CARD_CLOSED,
    )
    assert declined(holder).reason == "TOKEN_DEACTIVATED"


def test_S30_a_lost_cards_token_pays_from_the_replacement(shop: Shop) -> None:
    """The phone keeps its number and its key, and spends from the card that took the lost one's place."""
    holder = shop.ready()
    lost = holder.card_id
    report = cards.ReportCardLostRequest(request_id=new_id(), card_id=lost, loss=cards.CARD_LOSS_LOST)
    holder.call(holder.ledger.cards.ReportCardLost, report)
    assert declined(holder).reason == "CARD_LOST"
    holder.issue()
    replacement = cards.ReplaceCardRequest(request_id=new_id(), card_id=lost, replacement_card_id=holder.card_id)
    holder.call(holder.ledger.cards.ReplaceCard, replacement)
    paid = holder.pay(100)
    assert paid.authorization.card_id == holder.card_id
    listed = holder.call(holder.ledger.tokens.ListTokens, api.ListTokensRequest(card_id=holder.card_id)).tokens
    assert [token.token_id for token in listed] == [holder.token_id]
    now = cards.GetCardRequest(card_id=holder.card_id)
    card = holder.call(holder.ledger.cards.GetCard, now).card
    listing = cards.ListCardsRequest(
        customer_id=holder.customer_id, min_position=LogPosition(position=paid.receipt.position)
    )
    assert list(holder.call(holder.ledger.cards.ListCards, listing).cards) == [card]
    assert card.payment_account_reference == holder.token().payment_account_reference


def test_S30_a_renewed_card_leaves_its_token_as_it_is(shop: Shop) -> None:
    """The token keeps its number and its own expiry, and goes on paying."""
    holder = shop.ready()
    before = holder.token()
    renewal = cards.RenewCardRequest(request_id=new_id(), card_id=holder.card_id, expiry="12/43")
    holder.call(holder.ledger.cards.RenewCard, renewal)
    assert holder.token() == before
    holder.pay(100)


def test_S31_only_an_identified_customer_is_given_a_token(shop: Shop) -> None:
    """Without identification no card is bound, and without a bound card there is no token."""
    holder = shop.newcomer()
    holder.fund()
    holder.issue()
    holder.register()
    assert refused(holder.bind).reason == "CUSTOMER_NOT_IDENTIFIED"
    assert refused(holder.tokenise).reason == "CARD_NOT_BOUND"


def test_S31_an_erased_customer_pays_nothing(shop: Shop) -> None:
    """From the erasure on the phone is declined."""
    holder = shop.ready()
    erasure = customers.EraseCustomerRequest(request_id=new_id(), customer_id=holder.customer_id)
    holder.call(holder.ledger.customers.EraseCustomer, erasure)
    assert declined(holder).reason in {"CUSTOMER_ERASED", "CARD_NOT_BOUND", "TOKEN_DEACTIVATED"}


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"nfc": False}, "DEVICE_WITHOUT_NFC", "device.nfc"),
        ({"android_version": "6.0"}, "ANDROID_TOO_OLD", "device.android_version"),
        ({"android_version": "5.1.1"}, "ANDROID_TOO_OLD", "device.android_version"),
        ({"android_version": "new"}, "INVALID_ARGUMENT", "device.android_version"),
        ({"device_id": ""}, "INVALID_ARGUMENT", "device.device_id"),
        ({"model": "x" * 65}, "INVALID_ARGUMENT", "device.model"),
    ],
)
def test_S32_a_phone_that_cannot_pay_is_refused(shop: Shop, fields: dict[str, Any], reason: str, field: str) -> None:
    """NFC and Android 6.0.1 are needed, and the refusal names the field."""
    holder = shop.newcomer()
    device = {"device_id": "d-1", "model": "Pixel", "android_version": "13", "nfc": True, **fields}
    request = holder.asking(device=token_pb2.Device(**device))
    refusal = refused(lambda: holder.call(holder.ledger.tokens.RequestToken, request))
    assert (refusal.reason, set(refusal.fields)) == (reason, {field})


def test_S32_the_oldest_android_is_taken(shop: Shop) -> None:
    """Android 6.0.1 itself pays."""
    holder = shop.newcomer().bound()
    device = token_pb2.Device(device_id="old-1", model="Nexus 5", android_version="6.0.1", nfc=True)
    holder.token_id = holder.call(holder.ledger.tokens.RequestToken, holder.asking(device=device)).token.token_id
    holder.provision()
    holder.activate()
    holder.pay(100)


def test_S33_each_step_of_a_new_user_is_refused_before_the_one_before_it(shop: Shop) -> None:
    """Register, identify, bind, tokenise, switch on, ready: each with its own reason when it comes too early."""
    holder = shop.newcomer()
    holder.fund()
    holder.issue()
    holder.customer_id = new_id()
    assert refused(holder.bind).reason == "CUSTOMER_NOT_FOUND"
    holder.register()
    assert refused(holder.bind).reason == "CUSTOMER_NOT_IDENTIFIED"
    holder.identify()
    assert refused(holder.tokenise).reason == "CARD_NOT_BOUND"
    holder.token_id = new_id()
    assert refused(holder.provision).reason == "TOKEN_NOT_FOUND"
    holder.bind()
    assert holder.tokenise().state == token_pb2.TOKEN_STATE_REQUESTED
    assert refused(holder.activate).reason == "TOKEN_NOT_PROVISIONED"
    assert holder.provision().token.state == token_pb2.TOKEN_STATE_INACTIVE
    assert declined(holder).reason == "TOKEN_NOT_ACTIVE"
    assert holder.activate().state == ACTIVE
    holder.pay(100)


def test_S34_a_user_with_a_bound_card_tokenises_switches_on_and_is_ready(shop: Shop) -> None:
    """A second phone of the same card has a token of its own; what happens to one does not touch the other."""
    holder = shop.ready()
    first, first_id = holder.phone, holder.token_id
    holder.phone = Phone("second-phone")
    holder.tokenise()
    holder.provision()
    holder.activate()
    assert holder.phone.number != first.number
    holder.deactivate()
    assert declined(holder).reason == "TOKEN_DEACTIVATED"
    holder.phone, holder.token_id = first, first_id
    holder.pay(100)
    listed = holder.call(holder.ledger.tokens.ListTokens, api.ListTokensRequest(card_id=holder.card_id)).tokens
    assert [token.state for token in listed] == [ACTIVE, DEACTIVATED]


def test_S34_thirty_days_without_switching_on_end_the_token(shop: Shop) -> None:
    """From the very instant on it is told as ended, and cannot be switched on."""
    holder = shop.newcomer().bound()
    holder.tokenise()
    until = holder.provision().token.activate_by_time
    shop.server.clock.advance(30 * DAY)
    ended = holder.token()
    assert (ended.state, ended.deactivation_cause) == (DEACTIVATED, token_pb2.TOKEN_DEACTIVATION_CAUSE_INACTIVITY)
    assert ended.deactivate_time == until
    assert refused(holder.activate).reason == "TOKEN_DEACTIVATED"


def test_S34_the_phone_gets_number_and_key_again_for_the_same_request(shop: Shop) -> None:
    """An answer that was lost is asked for again with its request id; another request is another key."""
    holder = shop.newcomer().bound()
    holder.tokenise()
    request_id = new_id()
    first, again = holder.provision(request_id), holder.provision(request_id)
    assert (again.token_number, again.key, again.receipt.replayed) == (first.token_number, first.key, True)
    other = holder.provision()
    assert other.token_number == first.token_number
    assert (other.key.sequence, other.key.key != first.key.key) == (2, True)


def test_S34_an_issuer_may_decline_a_request(shop: Shop) -> None:
    """A declined token is in no phone, and takes no step any more."""
    holder = shop.newcomer().bound()
    holder.tokenise()
    request = api.DeclineTokenRequest(request_id=new_id(), token_id=holder.token_id, explanation="risk")
    told = holder.call(holder.ledger.tokens.DeclineToken, request)
    assert told.token.state == token_pb2.TOKEN_STATE_DECLINED
    assert refused(holder.provision).reason == "TOKEN_DECLINED"


def test_an_outcome_tells_the_token_and_not_its_keys(shop: Shop) -> None:
    """GetOutcome answers the token after the request; number and key are nowhere in it."""
    holder = shop.newcomer().bound()
    holder.tokenise()
    request_id = new_id()
    given = holder.provision(request_id)
    outcome = holder.call(holder.ledger.transfers.GetOutcome, GetOutcomeRequest(request_id=request_id))
    assert outcome.token == given.token
    written = outcome.SerializeToString()
    assert given.token_number.encode() not in written
    assert given.key.key not in written


def test_a_restart_forgets_no_tap(shop: Shop) -> None:
    """After a crash the counters stand where they stood."""
    holder = shop.ready()
    tap = holder.phone.tap(100)
    holder.pay(100, tap=tap)
    shop.server.kill()
    shop.server.start()
    assert declined(holder, tap=tap).reason == "COUNTER_REPEATED"
    holder.pay(100)


def test_the_master_key_is_replaced_and_phones_go_on(shop: Shop) -> None:
    """Keys follow from the master key they were made with; the next one follows from the new."""
    holder = shop.ready()
    subprocess.run(
        [sys.executable, "-m", "ledger.cli", "rekey"], env=shop.server.environment, check=True, capture_output=True
    )
    holder.pay(100)
    holder.replenish()
    holder.pay(100)


def test_no_number_and_no_key_stands_in_any_file_or_line(shop: Shop) -> None:
    """What was told to a phone alone is in no database and in nothing that the server said."""
    holder = shop.ready()
    holder.pay(100)
    holder.replenish()
    files = [path for path in shop.directory.iterdir() if path.is_file() and path.name != "confirmation-codes"]
    assert {"log.db", "vault.db"} <= {path.name for path in files}
    written = b"\n".join(path.read_bytes() for path in files) + shop.server.said.encode()
    assert len(shop.secrets) > 10
    for secret in shop.secrets:
        assert secret.encode() not in written
        if re.fullmatch(r"[0-9a-f]{32}", secret):
            assert bytes.fromhex(secret) not in written
