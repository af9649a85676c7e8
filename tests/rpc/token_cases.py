"""How each refusal about tokens and phones comes about, one function a reason."""

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

from sqlalchemy import update

from domain import token_counter
from domain.refusals import Reason
from ledger.vault.codes import FileCodes
from ledger.vault.connection import begin
from ledger.vault.schema import token_keys
from protos.esep.v1 import card_service_pb2 as cards
from protos.esep.v1 import token_pb2
from protos.esep.v1 import token_service_pb2 as api
from scripts.demo_client import new_id
from scripts.device import Terminal, fiscal_receipt
from tests.holder import KEYED, Holder
from tests.rpc.world import Bank, Refusal, refused

DAY = 86_400_000_000
WALLET = token_pb2.TOKEN_ACTOR_WALLET

Case = Callable[[Bank], Refusal]


def newcomer(bank: Bank) -> Holder:
    """Return somebody of whom the ledger has never heard."""
    codes = bank.world.vault.codes
    assert isinstance(codes, FileCodes)
    return Holder(bank.ledger, codes._path)


def paying(bank: Bank) -> Holder:
    """Return somebody whose phone pays."""
    return newcomer(bank).ready()


def tapped(prepare: Callable[[Holder], object] = lambda _: None, **fields: Any) -> Case:
    """Return the case of a tap that is refused after something was done."""

    def case(bank: Bank) -> Refusal:
        holder = paying(bank)
        prepare(holder)
        return refused(lambda: holder.pay(100, **fields))

    return case


def after(act: Callable[[Holder], object], *before: Callable[[Holder], object]) -> Case:
    """Return the case of something that a holder with a bound card does after other things."""

    def case(bank: Bank) -> Refusal:
        holder = newcomer(bank).bound()
        for each in before:
            each(holder)
        return refused(lambda: act(holder))

    return case


def numbered(number: str) -> Case:
    """Return the case of a tap with a number that was made up."""

    def case(bank: Bank) -> Refusal:
        holder = newcomer(bank)
        holder.phone.provision(number, "12/29", token_pb2.TokenKey(sequence=1, key=bytes(range(16))))
        return refused(lambda: holder.pay(100))

    return case


def asked_with(**device: Any) -> Case:
    """Return the case of a request for a token in a phone that does not do."""
    phone = token_pb2.Device(**{"device_id": "d", "model": "m", "android_version": "13", "nfc": True, **device})

    def case(bank: Bank) -> Refusal:
        holder = newcomer(bank)
        return refused(lambda: holder.call(holder.ledger.tokens.RequestToken, holder.asking(device=phone)))

    return case


def card_number_of_token(bank: Bank) -> Refusal:
    request = cards.IssueCardRequest(
        request_id=new_id(),
        participant_id="bank-a",
        account_id=bank.rich,
        card_number="9417990000000000",
        expiry="12/30",
    )
    return bank.refused(bank.ledger.cards.IssueCard, request)


def decline(holder: Holder) -> object:
    return holder.call(
        holder.ledger.tokens.DeclineToken, api.DeclineTokenRequest(request_id=new_id(), token_id=holder.token_id)
    )


def block_device(holder: Holder) -> object:
    request = api.BlockDeviceRequest(
        request_id=new_id(), customer_id=holder.customer_id, device_id=holder.phone.device_id
    )
    return holder.call(holder.ledger.tokens.BlockDevice, request)


def unblock_device(holder: Holder) -> object:
    request = api.UnblockDeviceRequest(
        request_id=new_id(), customer_id=holder.customer_id, device_id=holder.phone.device_id
    )
    return holder.call(holder.ledger.tokens.UnblockDevice, request)


def suspend(holder: Holder) -> object:
    return holder.suspend(WALLET)


def lock(holder: Holder) -> None:
    holder.phone.unlocked = False


def waited(days: int) -> Case:
    """Return the case of a tap after so many days."""

    def case(bank: Bank) -> Refusal:
        holder = paying(bank)
        bank.world.clock.ahead += days * DAY
        return refused(lambda: holder.pay(100))

    return case


def counted(*counters: int) -> Case:
    """Return the case of the last of several taps with these counters."""

    def case(bank: Bank) -> Refusal:
        holder = paying(bank)
        *good, bad = counters
        for counter in good:
            holder.pay(1, tap=holder.phone.tap(1, counter=counter))
        return refused(lambda: holder.pay(1, tap=holder.phone.tap(1, counter=bad)))

    return case


def near_end(bank: Bank) -> Refusal:
    holder = paying(bank)
    with patch.object(token_counter, "LAST", 0):  # As if 65,435 taps had been made.
        return refused(lambda: holder.pay(1))


def superseded(bank: Bank) -> Refusal:
    holder = paying(bank)
    tap = holder.phone.tap(1)
    holder.replenish()
    return refused(lambda: holder.pay(1, tap=tap))


def keys_exhausted(bank: Bank) -> Refusal:
    holder = paying(bank)
    with begin(bank.world.vault.vault._engine) as connection:  # As if it had had 65,535 keys.
        connection.execute(update(token_keys).values(sequence=65_535))
    refused(holder.replenish)
    return refused(holder.replenish)


def of_another_day(bank: Bank) -> Refusal:
    holder = paying(bank)
    return refused(lambda: holder.pay(1, tap=holder.phone.tap(1, Terminal(date="200101"))))


def wrong_cryptogram(bank: Bank) -> Refusal:
    holder = paying(bank)
    return refused(lambda: holder.pay(200, tap=holder.phone.tap(100)))


def receipt_seen(bank: Bank) -> Refusal:
    holder = paying(bank)
    receipt = fiscal_receipt("till-1", "000123")
    holder.pay(1, fiscal_receipt=receipt)
    return refused(lambda: holder.pay(1, fiscal_receipt=receipt))


def too_many(bank: Bank) -> Refusal:
    holder = newcomer(bank).bound()
    for _ in range(100):
        holder.tokenise()
    return refused(holder.tokenise)


TOKEN_CASES: dict[Reason, Case] = {
    Reason.TOKEN_NUMBER_MALFORMED: numbered("941799000000000"),
    Reason.TOKEN_NUMBER_CHECK_DIGIT: numbered("9417990000000001"),
    Reason.TOKEN_NUMBER_PREFIX: numbered("9417001234567895"),
    Reason.CARD_NUMBER_OF_TOKEN: card_number_of_token,
    Reason.DEVICE_WITHOUT_NFC: asked_with(nfc=False),
    Reason.ANDROID_TOO_OLD: asked_with(android_version="6.0"),
    Reason.TOKEN_NOT_FOUND: numbered("9417990000000000"),
    Reason.DEVICE_NOT_FOUND: after(block_device),
    Reason.TOKEN_DECLINED: after(Holder.provision, Holder.tokenise, decline),
    Reason.TOKEN_NOT_PROVISIONED: after(Holder.activate, Holder.tokenise),
    Reason.TOKEN_ALREADY_PROVISIONED: after(decline, Holder.tokenise, Holder.provision),
    Reason.TOKEN_NOT_ACTIVE: after(lambda holder: holder.pay(1), Holder.tokenise, Holder.provision),
    Reason.TOKEN_ALREADY_ACTIVE: after(Holder.activate, Holder.tokenise, Holder.provision, Holder.activate),
    Reason.TOKEN_SUSPENDED: tapped(suspend),
    Reason.TOKEN_ALREADY_SUSPENDED: after(suspend, Holder.tokenise, Holder.provision, suspend),
    Reason.TOKEN_NOT_SUSPENDED: after(lambda holder: holder.resume(WALLET), Holder.tokenise, Holder.provision),
    Reason.TOKEN_DEACTIVATED: tapped(Holder.deactivate),
    Reason.TOO_MANY_TOKENS: too_many,
    Reason.TOKEN_EXPIRED: waited(40 * 31),
    Reason.TOKEN_EXPIRY_WRONG: tapped(expiry="01/27"),
    Reason.ENTRY_MODE_NOT_ALLOWED: tapped(entry_mode=KEYED),
    Reason.DEVICE_BLOCKED: tapped(block_device),
    Reason.DEVICE_NOT_BLOCKED: after(unblock_device, Holder.tokenise),
    Reason.DEVICE_LOCKED: tapped(lock),
    Reason.CRYPTOGRAM_WRONG: wrong_cryptogram,
    Reason.COUNTER_REPEATED: counted(1, 1),
    Reason.COUNTER_TOO_OLD: counted(20, 11),
    Reason.COUNTER_JUMPED: counted(101),
    Reason.COUNTER_NEAR_END: near_end,
    Reason.KEY_SUPERSEDED: superseded,
    Reason.KEY_USED_UP: waited(15),
    Reason.KEYS_EXHAUSTED: keys_exhausted,
    Reason.TAP_DATE_WRONG: of_another_day,
    Reason.FISCAL_RECEIPT_SEEN: receipt_seen,
}
