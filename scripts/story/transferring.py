"""Money from person to person: by a phone number and by a QR code, between cards of different banks."""

from typing import Any, NamedTuple

from protos.esep.v1 import qr_pb2, quote_pb2
from protos.esep.v1.alias_service_pb2 import LinkPhoneRequest
from protos.esep.v1.qr_service_pb2 import DecodeQrRequest, IssueTransferQrRequest
from protos.esep.v1.quote_service_pb2 import ConfirmQuoteRequest, CreateQuoteRequest
from scripts.demo_client import new_id
from scripts.story.people import Person
from scripts.story.scene import Scene, expect


class Sent(NamedTuple):
    """A transfer that was shown first, and then confirmed."""

    transfer_id: str
    recipient: str
    """The name that the sender was shown."""
    amount: int
    fee: int


def link_phone(scene: Scene, person: Person) -> None:
    """Let one's own phone number lead to one's card."""
    request = LinkPhoneRequest(
        request_id=new_id(),
        customer_id=person.customer_id,
        card_id=person.card_id,
        phone_number=person.phone_number,
    )
    scene.do(scene.app(person.customer_id).aliases.LinkPhone, request)


def own_code(scene: Scene, person: Person) -> str:
    """Return the link in the QR code by which somebody is paid on their card."""
    request = IssueTransferQrRequest(request_id=new_id(), customer_id=person.customer_id, card_id=person.card_id)
    return str(scene.do(scene.app(person.customer_id).qr.IssueTransferQr, request).transfer_qr.link)


def scan(scene: Scene, person: Person, text: str) -> qr_pb2.ScannedQr:
    """Scan a code: the application sees what it asks for."""
    scanned: qr_pb2.ScannedQr = scene.do(scene.app(person.customer_id).qr.DecodeQr, DecodeQrRequest(qr_text=text)).qr
    return scanned


def send(scene: Scene, sender: Person, recipient: Person, amount: int, **by: Any) -> Sent:
    """Have a transfer quoted, look at it, and confirm it; ``by`` says how the recipient is named."""
    app = scene.app(sender.customer_id)
    asked = CreateQuoteRequest(
        request_id=new_id(), customer_id=sender.customer_id, card_id=sender.card_id, amount_tyiyn=amount, **by
    )
    quote: quote_pb2.Quote = scene.do(app.quotes.CreateQuote, asked).quote
    expect("the name of the recipient", quote.recipient.masked_name, recipient.shown_as)
    expect("the recipient's bank", quote.recipient.participant_id, recipient.bank.name)
    expect("the quoted total", quote.total_tyiyn, amount + quote.fee_tyiyn)
    confirmed = ConfirmQuoteRequest(request_id=new_id(), quote_id=quote.quote_id, customer_id=sender.customer_id)
    transfer = scene.do(app.quotes.ConfirmQuote, confirmed).transfer
    return Sent(transfer.transfer_id, quote.recipient.masked_name, amount, quote.fee_tyiyn)
