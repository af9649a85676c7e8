"""``esep qr make``: the link or payload of a code, and its picture."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import segno
import typer

from domain.qr import DEFAULT_HOST, EmvDetails, ExtraField, QrCode, QrError, QrFormat, write_elqr, write_emvco
from domain.refusals import Reason
from ledger.cli.options import AsJson
from ledger.cli.output import print_document
from ledger.cli.problems import USAGE, Problem, ProblemError, reporting

_PIXELS_PER_MODULE: Final = 8
_YES: Final = "11"
_NO: Final = "12"


class Kind(StrEnum):
    """How often a code may be paid."""

    STATIC = "static"
    DYNAMIC = "dynamic"


Format = Annotated[QrFormat, typer.Option("--format", help="The national code, or that of EMV.")]
KindOf = Annotated[Kind, typer.Option("--kind", help="static: for many payments; dynamic: for one.")]
Provider = Annotated[str, typer.Option("--provider", help="The provider's id, such as p2p.elcart.kg.")]
Service = Annotated[str, typer.Option("--service", help="The provider's code of the service.")]
Recipient = Annotated[str, typer.Option("--recipient", help="Who is paid, by the provider's own id.")]
Transaction = Annotated[str, typer.Option("--transaction", help="The provider's id of this payment.")]
Merchant = Annotated[str, typer.Option("--merchant", help="The merchant's id; national codes only.")]
ServiceName = Annotated[str, typer.Option("--service-name", help="The merchant's service; national codes only.")]
Amount = Annotated[int, typer.Option("--amount", help="In tyiyn; 0: the payer enters it.")]
Name = Annotated[str, typer.Option("--name", help="The name shown to the payer, up to 25 characters.")]
Mcc = Annotated[str, typer.Option("--mcc", help="The merchant category code, 4 digits.")]
Comment = Annotated[str, typer.Option("--comment", help="Shown to the payer.")]
AmountEditable = Annotated[
    bool | None,
    typer.Option(
        "--amount-editable/--amount-fixed", help="May the payer change the amount? Default: only where it is 0."
    ),
]
RecipientEditable = Annotated[
    bool, typer.Option("--recipient-editable/--recipient-fixed", help="May the payer change the recipient?")
]
Extra = Annotated[
    list[str] | None,
    typer.Option("--extra", metavar="KEY:LABEL:VALUE:TITLE:11|12", help="A further field; 11: editable. Up to 5."),
]
Country = Annotated[str, typer.Option("--country", help="The merchant's country; EMV codes only.")]
City = Annotated[str, typer.Option("--city", help="The merchant's city; EMV codes only, and mandatory there.")]
Host = Annotated[str, typer.Option("--host", help="What stands before the # of the link; national codes only.")]
Png = Annotated[Path | None, typer.Option("--png", metavar="FILE", help="Write the picture there.")]


def make(
    kind: KindOf,
    format_: Format = QrFormat.ELQR,
    provider: Provider = "",
    service: Service = "",
    recipient: Recipient = "",
    transaction: Transaction = "",
    merchant: Merchant = "",
    service_name: ServiceName = "",
    amount: Amount = 0,
    name: Name = "",
    mcc: Mcc = "",
    comment: Comment = "",
    amount_editable: AmountEditable = None,
    recipient_editable: RecipientEditable = False,  # noqa: FBT002 - typer's way
    extra: Extra = None,
    country: Country = "KG",
    city: City = "",
    host: Host = DEFAULT_HOST,
    png: Png = None,
    as_json: AsJson = False,  # noqa: FBT002 - typer's way
) -> None:
    """Write a code: its link or payload, and with --png its picture."""
    with reporting(as_json=as_json):
        try:
            code = QrCode(
                format=format_,
                dynamic=kind is Kind.DYNAMIC,
                amount_tyiyn=amount,
                amount_editable=amount == 0 if amount_editable is None else amount_editable,
                recipient_editable=recipient_editable,
                provider_id=provider,
                service_code=service,
                recipient_id=recipient,
                transaction_id=transaction,
                merchant_id=merchant,
                service_name=service_name,
                merchant_name=name,
                mcc=mcc,
                comment=comment,
                extra_fields=tuple(_extra_field(field) for field in extra or ()),
                emv=EmvDetails(country=country, city=city) if format_ is QrFormat.EMVCO else None,
            )
            text = write_elqr(code, host) if format_ is QrFormat.ELQR else write_emvco(code)
        except QrError as error:
            reason = Reason.INVALID_ARGUMENT
            raise ProblemError(Problem(reason.name, str(error), reason.value.advice), USAGE) from None
        if png is not None:
            _draw(text, png)
        if as_json:
            print_document({"text": text, "png": None if png is None else str(png)})
        else:
            sys.stdout.write(text + "\n")


def _extra_field(text: str) -> ExtraField:
    parts = text.split(":")
    match parts:
        case [key, label, value, title, ("11" | "12") as editable]:
            return ExtraField(key, label, value, title, editable == _YES)
        case _:
            raise QrError("extra_fields", f"not key:label:value:title:{_YES}|{_NO}")


def _draw(text: str, file: Path) -> None:
    """Draw a code for scanners: as UTF-8 bytes, never as the Kanji that some Cyrillic could pass for."""
    try:
        picture = segno.make_qr(text, error="m", mode="byte", encoding="utf-8")
    except segno.DataOverflowError:
        advice = "Make the texts shorter."
        raise ProblemError(Problem("QR_PICTURE_FULL", "No QR picture holds so much.", advice)) from None
    try:
        picture.save(str(file), kind="png", scale=_PIXELS_PER_MODULE)
    except OSError as error:
        advice = "Name a file that can be written."
        raise ProblemError(Problem("FILE_NOT_WRITTEN", str(error), advice)) from None
