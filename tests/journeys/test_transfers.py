"""Transfers for customers: by card, phone number, QR code and account (rows S19, S20, S24 to S26)."""

import dataclasses
from typing import Any

import pytest
from msgspec.structs import replace

from domain.qr import QrCode, read, write_elqr, write_emvco
from domain.qr.code import EmvDetails, QrFormat
from domain.qr.elqr import elqr_hash
from domain.qr.tlv import put
from protos.esep.v1 import account_pb2, alias_pb2, qr_pb2, quote_pb2, service_directory_pb2
from protos.esep.v1 import alias_service_pb2 as aliases
from protos.esep.v1 import qr_service_pb2 as qrs
from protos.esep.v1 import quote_service_pb2 as quotes
from protos.esep.v1 import receipt_service_pb2 as receipts
from protos.esep.v1 import transfer_service_pb2 as transfers
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetMiniStatementRequest
from tests.journeys.paying import MINUTE, NUMBER, SOM, adil, bakyt, payers, world
from tests.people import Person
from tests.rpc.payers import Payers, confirmation, linking, quoting
from tests.rpc.world import new_id

__all__ = ["adil", "bakyt", "payers", "world"]


def positions(payers: Payers, participant: str) -> int:
    """Return a bank's position: what its settlement account got from the others, less what it gave."""
    account = payers.settlement[participant]
    request = GetMiniStatementRequest(
        account_id=account, limit=100, min_position=LogPosition(position=payers._position)
    )
    lines = payers.call(payers.ledger.statements.GetMiniStatement, request).lines
    assert payers.balance(account) == 0
    return sum(line.amount_tyiyn for line in lines if line.kind.startswith("interbank"))


def test_S24_a_transfer_goes_from_card_to_card(payers: Payers, adil: Person) -> None:
    """Within a bank: the recipient's masked name and card and the fee are shown, and that is what happens."""
    cholpon = payers.payer("bank-a", "Чолпон Бекова", funds=0)
    quote = payers.quote(adil, 1_500 * SOM, card_number=cholpon.card_number)
    assert (quote.kind, quote.amount_tyiyn, quote.fee_tyiyn, quote.total_tyiyn) == (
        quote_pb2.TRANSFER_KIND_TO_CARD,
        1_500 * SOM,
        5 * SOM,
        1_505 * SOM,
    )
    assert (quote.recipient.masked_name, quote.recipient.participant_id) == ("Чолпон Б.", "bank-a")
    assert quote.recipient.masked_card_number == f"941700******{cholpon.card_number[-4:]}"
    assert quote.recipient.participant_names.en == "Aiyl Bank"
    assert (quote.expire_time.ToMicroseconds() - quote.create_time.ToMicroseconds()) == 5 * MINUTE
    transfer = payers.confirm(quote)
    assert [(leg.kind, leg.amount_tyiyn) for leg in transfer.legs] == [("fee", 5 * SOM)]
    assert (transfer.quote_id, transfer.kind) == (quote.quote_id, "transfer_to_card")
    assert (payers.balance(adil.account_id), payers.balance(cholpon.account_id)) == (8_495 * SOM, 1_500 * SOM)
    read_again = payers.call(
        payers.ledger.quotes.GetQuote, quotes.GetQuoteRequest(quote_id=quote.quote_id, customer_id=adil.customer_id)
    ).quote
    assert (read_again.transfer_id, read_again.version) == (transfer.transfer_id, 2)


@pytest.mark.parametrize(("way", "fee"), [("card", 10 * SOM), ("phone", 5 * SOM), ("qr", 5 * SOM)])
def test_S25_a_transfer_between_banks(payers: Payers, adil: Person, bakyt: Person, way: str, fee: int) -> None:
    """By card, phone number and code the money passes both settlement accounts, whose lines are the positions."""
    payers.link(bakyt)
    recipient = {
        "card": {"card_number": bakyt.card_number},
        "phone": {"phone_number": bakyt.phone_number.replace("+996", "0")},
        "qr": {"qr_text": payers.qr(bakyt).link},
    }[way]
    before = positions(payers, "bank-a"), positions(payers, "bank-b"), payers.balance(payers.fees["bank-a"])
    quote = payers.quote(adil, 1_000 * SOM, **recipient)
    assert (quote.recipient.masked_name, quote.fee_tyiyn, quote.recipient.participant_id) == (
        "Бакыт А.",
        fee,
        "bank-b",
    )
    transfer = payers.confirm(quote)
    assert [leg.kind for leg in transfer.legs] == ["interbank", "delivery", "fee"]
    after = positions(payers, "bank-a"), positions(payers, "bank-b"), payers.balance(payers.fees["bank-a"])
    assert [new - old for new, old in zip(after, before, strict=True)] == [-1_000 * SOM, 1_000 * SOM, fee]
    assert payers.balance(adil.account_id) == 9_000 * SOM - fee
    assert payers.balance(bakyt.account_id) == 1_000 * SOM


def test_S25_a_reversal_comes_back_through_both_banks(payers: Payers, adil: Person, bakyt: Person) -> None:
    """A part, then the rest with the fee: everybody has what they had, and so do the positions."""
    before = positions(payers, "bank-a"), positions(payers, "bank-b")
    transfer = payers.confirm(payers.quote(adil, 1_000 * SOM, card_number=bakyt.card_number))
    told = []
    for amount in (400 * SOM, None):
        request = transfers.ReverseTransferRequest(
            request_id=new_id(), transfer_id=transfer.transfer_id, amount_tyiyn=amount
        )
        answer = payers.call(payers.ledger.transfers.ReverseTransfer, request)
        legs = {leg.kind: leg.amount_tyiyn for leg in answer.reversal.legs}
        told.append((answer.transfer.reversed_tyiyn, answer.transfer.legs_reversed, legs))
    assert told == [
        (400 * SOM, False, {"interbank_reversal": 400 * SOM, "delivery_reversal": 400 * SOM}),
        (
            1_000 * SOM,
            True,
            {"interbank_reversal": 600 * SOM, "delivery_reversal": 600 * SOM, "fee_reversal": 10 * SOM},
        ),
    ]
    assert (payers.balance(adil.account_id), payers.balance(bakyt.account_id)) == (10_000 * SOM, 0)
    assert (positions(payers, "bank-a"), positions(payers, "bank-b")) == before


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (service_directory_pb2.LANGUAGE_KY, "Акча которуу"),
        (service_directory_pb2.LANGUAGE_RU, "Перевод"),
        (service_directory_pb2.LANGUAGE_EN, "Transfer"),
    ],
)
def test_S25_the_recipients_receipt_says_what_came(
    payers: Payers, adil: Person, bakyt: Person, language: Any, words: str
) -> None:
    """A transfer from another bank is one in the recipient's mini-statement, in each language."""
    payers.confirm(payers.quote(adil, 1_000 * SOM, card_number=bakyt.card_number))
    request = receipts.GetMiniStatementReceiptRequest(
        account_id=bakyt.account_id, language=language, limit=1, min_position=LogPosition(position=payers._position)
    )
    lines = payers.call(payers.ledger.receipts.GetMiniStatementReceipt, request).lines
    assert any(words in line for line in lines)


def test_S26_a_transfer_to_a_bank_account_is_free_and_says_so(payers: Payers, adil: Person) -> None:
    """Between banks, to an account that has no card: the fee is shown as 0."""
    number = f"125{new_id()[:8]}"
    account = payers.open("bank-b", account_pb2.ACCOUNT_KIND_CUSTOMER, account_number=number)
    named = quotes.RecipientAccount(participant_id="bank-b", account_number=number)
    quote = payers.quote(adil, 10_000 * SOM, account=named)
    assert (quote.kind, quote.fee_tyiyn, quote.total_tyiyn) == (
        quote_pb2.TRANSFER_KIND_TO_ACCOUNT,
        0,
        10_000 * SOM,
    )
    assert (quote.recipient.masked_name, quote.recipient.masked_card_number) == ("", "")
    payers.confirm(quote)
    assert (payers.balance(adil.account_id), payers.balance(account)) == (0, 10_000 * SOM)


def test_S20_a_transfer_by_the_recipients_code(payers: Payers, adil: Person, bakyt: Person) -> None:
    """Scan, look, confirm: the code says who is paid and how much, and a dynamic one pays once."""
    issued = payers.qr(bakyt, dynamic=True, amount_tyiyn=700 * SOM)
    assert bakyt.card_number[6:] not in issued.link
    seen = payers.call(payers.ledger.qr.DecodeQr, qrs.DecodeQrRequest(qr_text=issued.link)).qr
    assert (seen.purpose, seen.dynamic, seen.amount_tyiyn, seen.amount_editable, seen.display_name) == (
        qr_pb2.QR_PURPOSE_TRANSFER,
        True,
        700 * SOM,
        False,
        "Бакыт А.",
    )
    quote = payers.quote(adil, None, qr_text=issued.link)
    second = payers.quote(adil, None, qr_text=issued.link)
    payers.confirm(quote)
    assert payers.balance(bakyt.account_id) == 700 * SOM
    assert payers.refused(payers.ledger.quotes.ConfirmQuote, confirmation(second)).reason == "QR_USED"
    again = payers.refused(payers.ledger.quotes.CreateQuote, quoting(adil, None, qr_text=issued.link))
    assert (again.reason, again.metadata["transfer_qr_id"]) == ("QR_USED", issued.transfer_qr_id)
    found = payers.call(
        payers.ledger.qr.GetTransferQr,
        qrs.GetTransferQrRequest(transfer_qr_id=issued.transfer_qr_id, customer_id=bakyt.customer_id),
    )
    assert found.transfer_qr == issued


def test_S20_what_a_code_forbids_is_not_edited(payers: Payers, adil: Person, bakyt: Person) -> None:
    """Neither by the payer, who names another amount, nor by whoever rewrote the code."""
    fixed = payers.qr(bakyt, amount_tyiyn=700 * SOM)
    refusal = payers.refused(payers.ledger.quotes.CreateQuote, quoting(adil, 600 * SOM, qr_text=fixed.link))
    assert (refusal.reason, refusal.metadata["amount_tyiyn"]) == ("QR_AMOUNT_NOT_EDITABLE", str(700 * SOM))
    code = read(fixed.link)
    assert isinstance(code, QrCode)
    for rewritten in (replace(code, amount_editable=True), replace(code, amount_tyiyn=1), replace(code, dynamic=True)):
        request = quoting(adil, None, qr_text=write_elqr(rewritten))
        assert payers.refused(payers.ledger.quotes.CreateQuote, request).reason == "QR_ALTERED"
    open_code = payers.qr(bakyt)
    refusal = payers.refused(payers.ledger.quotes.CreateQuote, quoting(adil, None, qr_text=open_code.link))
    assert refusal.fields == {"amount_tyiyn": "MISSING"}
    assert payers.quote(adil, 600 * SOM, qr_text=open_code.link).amount_tyiyn == 600 * SOM


def test_S19_any_payment_code_is_decoded_and_a_broken_one_told_why(payers: Payers, adil: Person) -> None:
    """A merchant's code is read and is no transfer; another currency and a damaged code are refused where they are."""
    shop = QrCode(
        format=QrFormat.EMVCO,
        dynamic=False,
        amount_editable=True,
        provider_id="shop.example",
        service_code="1",
        recipient_id="7",
        merchant_name="Дүкөн",
        mcc="5411",
        emv=EmvDetails(country="KG", city="Бишкек"),
    )
    seen = payers.call(payers.ledger.qr.DecodeQr, qrs.DecodeQrRequest(qr_text=write_emvco(shop))).qr
    assert (seen.format, seen.purpose, seen.display_name, seen.currency_code) == (
        qr_pb2.QR_FORMAT_EMVCO,
        qr_pb2.QR_PURPOSE_PAYMENT,
        "Дүкөн",
        "KGS",
    )
    request = quoting(adil, qr_text=write_emvco(shop))
    refusal = payers.refused(payers.ledger.quotes.CreateQuote, request)
    assert (refusal.reason, refusal.fields) == ("QR_NOT_A_TRANSFER", {"qr_text": "QR_NOT_A_TRANSFER"})
    service = put("00", "p2p.elcart.kg") + put("01", "p2p") + put("10", "A" * 22)
    dollars = put("00", "01") + put("01", "11") + put("32", service) + put("53", "840")
    for text, why in (
        (f"https://pay.payqr.kg/#{dollars}6304{elqr_hash(dollars)}", "QR_CURRENCY"),
        (f"https://pay.payqr.kg/#{dollars}63040000", "QR_HASH_MISMATCH"),
        ("hello", "QR_NOT_A_CODE"),
    ):
        for method, refused_request in (
            (payers.ledger.qr.DecodeQr, qrs.DecodeQrRequest(qr_text=text)),
            (payers.ledger.quotes.CreateQuote, quoting(adil, qr_text=text)),
        ):
            refusal = payers.refused(method, refused_request)
            assert (refusal.reason, refusal.metadata["qr_reason"]) == ("QR_UNREADABLE", why)
            assert text not in str(refusal.details)


def test_S13_only_a_bound_card_pays_or_is_linked_or_has_a_code(payers: Payers, bakyt: Person) -> None:
    """A card that is issued and not bound yet does nothing in the application."""
    erlan = payers.payer("bank-a", "Эрлан Токтоев", bound=False)
    code = qrs.IssueTransferQrRequest(request_id=new_id(), customer_id=erlan.customer_id, card_id=erlan.card_id)
    for method, request in (
        (payers.ledger.quotes.CreateQuote, quoting(erlan, card_number=bakyt.card_number)),
        (payers.ledger.aliases.LinkPhone, linking(erlan)),
        (payers.ledger.qr.IssueTransferQr, code),
    ):
        assert payers.refused(method, request).reason == "CARD_NOT_BOUND"


def test_S25_a_phone_number_leads_to_the_card_of_whoever_shows_that_it_is_theirs(
    payers: Payers, adil: Person, bakyt: Person
) -> None:
    """One's own needs no code, another one does, and so does moving it; codes are for one number each."""
    first = payers.link(bakyt)
    assert (first.phone_number, first.state, first.version) == (bakyt.phone_number, alias_pb2.ALIAS_STATE_LINKED, 1)
    assert (
        payers.refused(payers.ledger.aliases.LinkPhone, linking(adil, bakyt.phone_number)).reason
        == "ALIAS_CODE_REQUIRED"
    )
    code = payers.code(adil, NUMBER)
    other = payers.refused(payers.ledger.aliases.LinkPhone, linking(adil, bakyt.phone_number, code=code))
    assert (other.reason, other.metadata["tries_left"]) == ("ALIAS_CODE_WRONG", "4")
    payers.link(adil, NUMBER, code=code)
    moved = payers.link(adil, bakyt.phone_number, code=payers.code(adil, bakyt.phone_number))
    assert (moved.alias_id, moved.customer_id, moved.version) == (first.alias_id, adil.customer_id, 2)

    def listed(payer: Person) -> list[str]:
        request = aliases.ListAliasesRequest(customer_id=payer.customer_id)
        answer = payers.call(payers.ledger.aliases.ListAliases, request)
        return sorted(alias.phone_number for alias in answer.aliases)

    assert (listed(adil), listed(bakyt)) == (sorted([bakyt.phone_number, NUMBER]), [])
    request = aliases.UnlinkPhoneRequest(request_id=new_id(), alias_id=moved.alias_id, customer_id=adil.customer_id)
    unlinked = payers.call(payers.ledger.aliases.UnlinkPhone, request).alias
    assert (unlinked.state, listed(adil)) == (alias_pb2.ALIAS_STATE_UNLINKED, [NUMBER])
    request.customer_id = bakyt.customer_id
    request.request_id = new_id()
    assert payers.refused(payers.ledger.aliases.UnlinkPhone, request).reason == "ALIAS_NOT_FOUND"


@pytest.mark.parametrize(
    ("recipient", "reason"),
    [
        ({"phone_number": "+996 555 99 99 99"}, "ALIAS_NOT_FOUND"),
        ({"phone_number": "+77011234567"}, "PHONE_COUNTRY_NOT_SERVED"),
        ({"phone_number": "12"}, "PHONE_NUMBER_MALFORMED"),
        ({"card_number": "9417001234567895"}, "RECIPIENT_NOT_FOUND"),
        ({"card_number": "9417001234567890"}, "CARD_NUMBER_CHECK_DIGIT"),
        ({"card_number": "941700"}, "CARD_NUMBER_MALFORMED"),
        ({"account": quotes.RecipientAccount(participant_id="bank-b", account_number="0")}, "RECIPIENT_NOT_FOUND"),
        ({"account": quotes.RecipientAccount(participant_id="bank-b", account_number="-")}, "INVALID_ARGUMENT"),
        ({}, "INVALID_ARGUMENT"),
    ],
)
def test_a_recipient_nobody_knows_is_told_apart_by_what_is_wrong(
    payers: Payers, adil: Person, recipient: dict[str, Any], reason: str
) -> None:
    """Nothing of the number stands in the refusal, and nothing is recorded."""
    refusal = payers.refused(payers.ledger.quotes.CreateQuote, quoting(adil, **recipient))
    assert (refusal.reason, refusal.metadata["recorded"]) == (reason, "false")
    assert not any(str(number) in str(refusal.details) for number in recipient.values() if len(str(number)) > 9)


def test_who_may_not_pay_learns_nothing_of_recipients(payers: Payers, adil: Person, bakyt: Person) -> None:
    """With somebody else's card, a number that exists and one that does not look the same."""
    stolen = dataclasses.replace(adil, customer_id=bakyt.customer_id)
    answers = [
        payers.refused(payers.ledger.quotes.CreateQuote, quoting(stolen, card_number=number))
        for number in (bakyt.card_number, "9417001234567895")
    ]
    assert [answer.reason for answer in answers] == ["CARD_NOT_BOUND"] * 2


def test_a_bank_that_is_not_registered_takes_part_in_nothing(payers: Payers, adil: Person) -> None:
    """Its customers' accounts cannot be paid from another bank, nor from its own."""
    number = new_id()[:8]
    payers.open("bank-c", account_pb2.ACCOUNT_KIND_CUSTOMER, account_number=number)
    named = quotes.RecipientAccount(participant_id="bank-c", account_number=number)
    refusal = payers.refused(payers.ledger.quotes.CreateQuote, quoting(adil, account=named))
    assert (refusal.reason, refusal.metadata["participant_id"]) == ("PARTICIPANT_NOT_FOUND", "bank-c")


def test_a_quote_whose_number_moved_meanwhile_pays_nobody(payers: Payers, adil: Person, bakyt: Person) -> None:
    """The name that was shown is paid, or nobody is."""
    payers.link(bakyt)
    quote = payers.quote(adil, phone_number=bakyt.phone_number)
    other = payers.payer("bank-b", "Нурлан Жээнбеков", funds=0)
    payers.link(other, bakyt.phone_number, code=payers.code(other, bakyt.phone_number))
    assert payers.refused(payers.ledger.quotes.ConfirmQuote, confirmation(quote)).reason == "QUOTE_STALE"
    assert payers.quote(adil, phone_number=bakyt.phone_number).recipient.masked_name == "Нурлан Ж."
    assert (payers.balance(bakyt.account_id), payers.balance(other.account_id)) == (0, 0)


def test_a_blocked_recipient_cannot_be_paid_and_nobody_is_told_why(payers: Payers, adil: Person, bakyt: Person) -> None:
    """Neither when it is quoted nor when it is confirmed."""
    quote = payers.quote(adil, card_number=bakyt.card_number)
    payers.block(bakyt)
    for method, request in (
        (payers.ledger.quotes.ConfirmQuote, confirmation(quote)),
        (payers.ledger.quotes.CreateQuote, quoting(adil, card_number=bakyt.card_number)),
    ):
        refusal = payers.refused(method, request)
        assert refusal.reason == "RECIPIENT_UNAVAILABLE"
        assert set(refusal.metadata) == {"recorded", "partition", "position", "replayed"}
