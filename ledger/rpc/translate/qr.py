"""QR codes: texts to what they say, requests to what is to be issued, and both as they are told."""

from typing import Final

from domain import ids
from domain.qr import QrCode, QrFormat, QrProblem, read, write_elqr
from domain.refusals import Reason, Refused, refuse
from domain.transfer_qr import IssueTransferQr, TransferQr
from ledger.rpc.intake import Intake, timestamp
from protos.esep.v1 import qr_pb2
from protos.esep.v1 import qr_service_pb2 as pb

FORMATS: Final = {QrFormat.ELQR: qr_pb2.QR_FORMAT_ELQR, QrFormat.EMVCO: qr_pb2.QR_FORMAT_EMVCO}


def scanned(text: str) -> QrCode:
    """Return what a code says; raises Refused, without repeating what it found."""
    code = read(text)
    if isinstance(code, QrProblem):
        raise Refused(refuse(Reason.QR_UNREADABLE, qr_reason=code.reason.name, tag=code.path, offset=code.offset))
    return code


def issue_transfer_qr(request: pb.IssueTransferQrRequest, provider: str) -> tuple[IssueTransferQr, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    amount = request.amount_tyiyn if request.HasField("amount_tyiyn") else None
    if request.dynamic and amount is None:
        intake.wrong("amount_tyiyn", "MISSING", "is required for a dynamic code")
    values = {
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
        "card_id": intake.uuid(request.card_id, "card_id"),
        "provider": provider,
        "dynamic": request.dynamic,
        "amount_tyiyn": amount,
        "amount_editable": request.amount_editable,
    }
    return intake.build(IssueTransferQr, values), request_id


def scanned_message(code: QrCode, provider: str) -> qr_pb2.ScannedQr:
    """Return what a code says as it is told."""
    transfer = code.provider_id == provider
    return qr_pb2.ScannedQr(
        format=FORMATS[code.format],
        purpose=qr_pb2.QR_PURPOSE_TRANSFER if transfer else qr_pb2.QR_PURPOSE_PAYMENT,
        dynamic=code.dynamic,
        amount_tyiyn=code.amount_tyiyn,
        amount_editable=code.amount_editable,
        currency_code=code.currency,
        provider_id=code.provider_id,
        service_code=code.service_code,
        recipient_id=code.recipient_id,
        recipient_editable=code.recipient_editable,
        transaction_id=code.transaction_id,
        merchant_id=code.merchant_id,
        service_name=code.service_name,
        display_name=code.merchant_name,
        merchant_category_code=code.mcc,
        comment=code.comment,
        extra_fields=[
            qr_pb2.QrExtraField(
                key=field.key, label=field.label, value=field.value, title=field.title, editable=field.editable
            )
            for field in code.extra_fields
        ],
    )


def transfer_qr_message(issued: TransferQr, name: str, host: str) -> qr_pb2.TransferQr:
    """Return a code as it is told, with the name that it shows."""
    return qr_pb2.TransferQr(
        transfer_qr_id=ids.format_uuid(issued.qr_id),
        customer_id=ids.format_uuid(issued.customer),
        card_id=ids.format_uuid(issued.card),
        link=write_elqr(issued.code(name), host),
        dynamic=issued.dynamic,
        amount_tyiyn=issued.amount,
        amount_editable=issued.amount_editable or not issued.amount,
        create_time=timestamp(issued.created_at),
    )
