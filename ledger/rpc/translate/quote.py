"""Quotes: requests to what is to be done, and the quote as it is told."""

from collections.abc import Collection
from typing import Final, NamedTuple

from domain import ids
from domain.card import Card
from domain.pan import NUMBER_FAULTS, look_at
from domain.participant import Participant
from domain.quote import Quote
from domain.quoting import ConfirmQuote, CreateQuote
from domain.recipient import ToAccount, ToCard, ToPhone, ToQr
from domain.refusals import Reason, Refused, invalid, refuse
from domain.rules import Operation
from domain.transfer_qr import ScannedQr
from ledger.rpc.intake import Intake, timestamp
from ledger.rpc.translate.alias import phone_number
from ledger.rpc.translate.qr import scanned
from protos.esep.v1 import participant_pb2, quote_pb2
from protos.esep.v1 import quote_service_pb2 as pb

KINDS: Final = {
    Operation.TRANSFER_TO_CARD: quote_pb2.TRANSFER_KIND_TO_CARD,
    Operation.TRANSFER_BY_PHONE: quote_pb2.TRANSFER_KIND_BY_PHONE,
    Operation.TRANSFER_BY_QR: quote_pb2.TRANSFER_KIND_BY_QR,
    Operation.TRANSFER_TO_ACCOUNT: quote_pb2.TRANSFER_KIND_TO_ACCOUNT,
}


class Asked(NamedTuple):
    """A quote that is asked for. ``card_number`` and ``phone`` are in clear: for the vault, which knows their ids."""

    command: CreateQuote
    card_number: str = ""
    phone: str = ""


class Known(NamedTuple):
    """What a quote's recipient is told with."""

    name: str
    card: Card | None
    participant: Participant | None


def create_quote(request: pb.CreateQuoteRequest, countries: Collection[str], provider: str) -> tuple[Asked, bytes]:
    """Return the quote that is asked for and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    way = request.WhichOneof("recipient")
    amount = request.amount_tyiyn if request.HasField("amount_tyiyn") else None
    if way is None:
        intake.wrong("recipient", "MISSING", "is required: a card or phone number, a code or an account")
    elif amount is None and way != "qr_text":
        intake.wrong("amount_tyiyn", "MISSING", "is required, but for a code that says it")
    values = {
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
        "card_id": intake.uuid(request.card_id, "card_id"),
        "recipient": ToCard(card_id=None),
        "amount_tyiyn": amount,
    }
    command = intake.build(CreateQuote, values)
    match way:
        case "card_number":
            typed = look_at(request.card_number)
            if typed.fault is not None:
                raise Refused(refuse(NUMBER_FAULTS[typed.fault]))
            return Asked(command, card_number=request.card_number), request_id
        case "phone_number":
            return Asked(command, phone=phone_number(request.phone_number, countries)), request_id
        case "qr_text":
            return Asked(_to(command, _code(request.qr_text, provider))), request_id
        case _:
            account = {
                "participant_id": request.account.participant_id,
                "account_number": request.account.account_number,
            }
            return Asked(_to(command, Intake("account").build(ToAccount, account))), request_id


def _to(command: CreateQuote, recipient: ToCard | ToPhone | ToQr | ToAccount) -> CreateQuote:
    return command.model_copy(update={"recipient": recipient})


def found(asked: Asked, recipient: ToCard | ToPhone) -> CreateQuote:
    """Return the command with the recipient whom the vault knows."""
    return _to(asked.command, recipient)


def _code(text: str, provider: str) -> ToQr:
    code = scanned(text)
    if code.provider_id != provider:
        raise Refused(refuse(Reason.QR_NOT_A_TRANSFER))
    try:
        return ToQr(code=ScannedQr.of(code))
    except ValueError:  # Pydantic's: longer than any id that a ledger issues.
        raise Refused(invalid("qr_text", "LENGTH", "holds an id longer than 64 characters")) from None


def confirm_quote(request: pb.ConfirmQuoteRequest) -> tuple[ConfirmQuote, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "quote_id": intake.uuid(request.quote_id, "quote_id"),
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
    }
    return intake.build(ConfirmQuote, values), request_id


def quote_message(quote: Quote, known: Known) -> quote_pb2.Quote:
    """Return the quote as it is told."""
    bank = known.participant
    return quote_pb2.Quote(
        quote_id=ids.format_uuid(quote.quote_id),
        customer_id=ids.format_uuid(quote.customer),
        card_id=ids.format_uuid(quote.card),
        kind=KINDS[quote.operation],
        recipient=quote_pb2.QuoteRecipient(
            masked_name=known.name,
            masked_card_number="" if known.card is None else known.card.masked,
            participant_id=quote.recipient_participant,
            participant_names=None
            if bank is None
            else participant_pb2.ParticipantNames(ky=bank.names.ky, ru=bank.names.ru, en=bank.names.en),
        ),
        amount_tyiyn=quote.amount,
        fee_tyiyn=quote.fee,
        total_tyiyn=quote.amount + quote.fee,
        currency_code=quote.currency,
        rules_version=quote.rules,
        expire_time=timestamp(quote.expires_at),
        transfer_id="" if quote.transfer is None else ids.format_uuid(quote.transfer),
        version=quote.version,
        create_time=timestamp(quote.created_at),
        update_time=timestamp(quote.updated_at),
    )
