"""How each refusal about aliases, codes and quotes comes about, one function a reason."""

from collections.abc import Callable
from typing import Any
from urllib.parse import quote as percent

from msgspec.structs import replace

from domain.qr import read, write_elqr
from domain.qr.code import QrCode
from domain.refusals import Reason
from ledger.rpc.settings import RpcSettings
from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import quote_service_pb2 as quotes
from tests.people import Person
from tests.rpc.payers import Payers, confirmation, linking, quoting
from tests.rpc.world import Bank, Refusal, new_id

MINUTE = 60_000_000
PHONE = "+996555123456"


def two(bank: Bank) -> tuple[Payers, Person, Person]:
    """Return somebody who pays and somebody at another bank who is paid."""
    payers = Payers(bank.world)
    return payers, payers.payer("bank-a", "Адил Осмонов"), payers.payer("bank-b", "Бакыт Асанова")


def phone(number: str) -> Callable[[Bank], Refusal]:
    def case(bank: Bank) -> Refusal:
        request = aliases.SendAliasCodeRequest(customer_id=new_id(), phone_number=number)
        return bank.refused(bank.ledger.aliases.SendAliasCode, request)

    return case


def alias_code(code: Callable[[Payers, Person], str]) -> Callable[[Bank], Refusal]:
    def case(bank: Bank) -> Refusal:
        payers, adil, _ = two(bank)
        return payers.refused(bank.ledger.aliases.LinkPhone, linking(adil, PHONE, code=code(payers, adil)))

    return case


def wrong(payers: Payers, payer: Person) -> str:
    """Have a code sent; return another."""
    return f"{(int(payers.code(payer, PHONE)) + 1) % 10**6:06}"


def used_up(payers: Payers, payer: Person) -> str:
    """Have a code sent and miss it as often as is allowed; return it."""
    code = payers.code(payer, PHONE)
    miss = f"{(int(code) + 1) % 10**6:06}"
    for _ in range(RpcSettings.model_fields["alias_code_tries"].default):
        payers.refused(payers.ledger.aliases.LinkPhone, linking(payer, PHONE, code=miss))
    return code


def late(payers: Payers, payer: Person) -> str:
    """Have a code sent; return it when its time is over."""
    code = payers.code(payer, PHONE)
    payers.world.clock.ahead += 11 * MINUTE
    return code


def too_many_codes(bank: Bank) -> Refusal:
    payers, adil, _ = two(bank)
    for _ in range(RpcSettings.model_fields["alias_codes_sent"].default):
        payers.code(adil, PHONE)
    request = aliases.SendAliasCodeRequest(customer_id=adil.customer_id, phone_number=PHONE)
    return bank.refused(bank.ledger.aliases.SendAliasCode, request)


def already_linked(bank: Bank) -> Refusal:
    payers, adil, _ = two(bank)
    payers.link(adil)
    return bank.refused(bank.ledger.aliases.LinkPhone, linking(adil, code=payers.code(adil, adil.phone_number)))


def not_linked(bank: Bank) -> Refusal:
    payers, adil, _ = two(bank)
    alias_id = payers.link(adil).alias_id
    request = aliases.UnlinkPhoneRequest(request_id=new_id(), alias_id=alias_id, customer_id=adil.customer_id)
    bank.call(bank.ledger.aliases.UnlinkPhone, request)
    request.request_id = new_id()
    return bank.refused(bank.ledger.aliases.UnlinkPhone, request)


def quoted(recipient: Callable[[Payers, Person, Person], dict[str, Any]]) -> Callable[[Bank], Refusal]:
    """Return the case of a quote that is refused for its recipient; ``amount`` may come along."""

    def case(bank: Bank) -> Refusal:
        payers, adil, bakyt = two(bank)
        fields = {"amount": 100_000, **recipient(payers, adil, bakyt)}
        return bank.refused(bank.ledger.quotes.CreateQuote, quoting(adil, **fields))

    return case


def altered(payers: Payers, _: Person, bakyt: Person) -> dict[str, Any]:
    """Return a code whose amount somebody has raised, and hashed again."""
    code = read(payers.qr(bakyt, dynamic=True, amount_tyiyn=5_000).link)
    assert isinstance(code, QrCode)
    return {"qr_text": write_elqr(replace(code, amount_tyiyn=50_000)), "amount": None}


def unknown_code(payers: Payers, _: Person, bakyt: Person) -> dict[str, Any]:
    """Return a code of this provider that nobody issued."""
    code = read(payers.qr(bakyt).link)
    assert isinstance(code, QrCode)
    return {"qr_text": write_elqr(replace(code, recipient_id="A" * 22))}


def merchants_code(payers: Payers, _: Person, bakyt: Person) -> dict[str, Any]:
    """Return a code that asks for a payment."""
    code = read(payers.qr(bakyt).link)
    assert isinstance(code, QrCode)
    return {"qr_text": write_elqr(replace(code, provider_id="shop.example"))}


def paid_code(payers: Payers, adil: Person, bakyt: Person) -> dict[str, Any]:
    """Return a dynamic code that was paid."""
    link = payers.qr(bakyt, dynamic=True, amount_tyiyn=5_000).link
    payers.confirm(payers.quote(adil, None, qr_text=link))
    return {"qr_text": link, "amount": None}


def blocked(payers: Payers, _: Person, bakyt: Person) -> dict[str, Any]:
    """Return a card number whose card is blocked."""
    payers.block(bakyt)
    return {"card_number": bakyt.card_number}


def quote_not_found(bank: Bank) -> Refusal:
    return bank.refused(bank.ledger.quotes.GetQuote, quotes.GetQuoteRequest(quote_id=new_id(), customer_id=new_id()))


def quote_used(bank: Bank) -> Refusal:
    payers, adil, bakyt = two(bank)
    quote = payers.quote(adil, card_number=bakyt.card_number)
    payers.confirm(quote)
    return bank.refused(bank.ledger.quotes.ConfirmQuote, confirmation(quote))


def quote_expired(bank: Bank) -> Refusal:
    payers, adil, bakyt = two(bank)
    quote = payers.quote(adil, card_number=bakyt.card_number)
    bank.world.clock.ahead += 5 * MINUTE
    return bank.refused(bank.ledger.quotes.ConfirmQuote, confirmation(quote))


def quote_stale(bank: Bank) -> Refusal:
    payers, adil, bakyt = two(bank)
    payers.link(bakyt)
    quote = payers.quote(adil, phone_number=bakyt.phone_number)
    other = payers.payer("bank-b", "Чынара Эсенова")
    payers.link(other, bakyt.phone_number, code=payers.code(other, bakyt.phone_number))
    return bank.refused(bank.ledger.quotes.ConfirmQuote, confirmation(quote))


TRANSFER_CASES: dict[Reason, Callable[[Bank], Refusal]] = {
    Reason.PHONE_NUMBER_MALFORMED: phone("12"),
    Reason.PHONE_COUNTRY_NOT_SERVED: phone("+77011234567"),
    Reason.QR_UNREADABLE: quoted(lambda *_: {"qr_text": f"https://pay.payqr.kg/#{percent('000201')}"}),
    Reason.QR_NOT_A_TRANSFER: quoted(merchants_code),
    Reason.ALIAS_NOT_FOUND: quoted(lambda *_: {"phone_number": PHONE}),
    Reason.RECIPIENT_NOT_FOUND: quoted(lambda *_: {"card_number": "9417001234567895"}),
    Reason.TRANSFER_QR_NOT_FOUND: quoted(unknown_code),
    Reason.QUOTE_NOT_FOUND: quote_not_found,
    Reason.ALIAS_CODE_REQUIRED: alias_code(lambda *_: ""),
    Reason.ALIAS_CODE_WRONG: alias_code(wrong),
    Reason.ALIAS_CODE_LOCKED: alias_code(used_up),
    Reason.ALIAS_CODE_EXPIRED: alias_code(late),
    Reason.ALIAS_ALREADY_LINKED: already_linked,
    Reason.ALIAS_NOT_LINKED: not_linked,
    Reason.QR_ALTERED: quoted(altered),
    Reason.QR_AMOUNT_NOT_EDITABLE: quoted(
        lambda payers, _, bakyt: {"qr_text": payers.qr(bakyt, amount_tyiyn=5_000).link, "amount": 4_999}
    ),
    Reason.QR_USED: quoted(paid_code),
    Reason.RECIPIENT_UNAVAILABLE: quoted(blocked),
    Reason.RECIPIENT_IS_PAYER: quoted(lambda payers, adil, _: {"card_number": adil.card_number}),
    Reason.QUOTE_USED: quote_used,
    Reason.QUOTE_EXPIRED: quote_expired,
    Reason.QUOTE_STALE: quote_stale,
    Reason.TOO_MANY_CODES: too_many_codes,
}
