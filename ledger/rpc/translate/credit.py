"""Credit files: requests to commands, lines to those that are decided, and a file and its lines as they are told."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from domain import ids
from domain.command import printable
from domain.credit import (
    MAX_LINE_NUMBER,
    MAX_LINES,
    Category,
    CloseCreditFile,
    CreditFile,
    CreditLine,
    CreditLineRefused,
    OpenCreditFile,
    line_id,
)
from domain.event import Event
from domain.forms import ACCOUNT_NUMBER
from domain.money import MAX_AMOUNT
from domain.ports import Row
from domain.refusals import Reason, Refusal, Violation
from domain.transfer import TransferPosted
from ledger.rpc import errors
from ledger.rpc.guard import told
from ledger.rpc.intake import Intake, timestamp
from protos.esep.v1 import common_pb2, credit_pb2
from protos.esep.v1 import credit_service_pb2 as pb

CATEGORIES: Final[dict[int, Category]] = {
    credit_pb2.CREDIT_CATEGORY_SALARY: Category.SALARY,
    credit_pb2.CREDIT_CATEGORY_PENSION: Category.PENSION,
}
CATEGORY_NUMBERS: Final = {
    category: credit_pb2.CreditCategory.ValueType(number) for number, category in CATEGORIES.items()
}
PATHS: Final = {"file_id": "credit_file_id"}

_CHUNK: Final = 1_024
_MAX_REFERENCE: Final = 64


class Target(NamedTuple):
    """Whom a line names, in one of three ways; ``text`` is that in one word, as a refused line keeps it."""

    text: str
    account_id: int = 0
    account_number: tuple[str, str] | None = None
    card_id: bytes | None = None


class Found(NamedTuple):
    """The account of whom a line names, and why it cannot be paid, where that is known before its decision."""

    account: int
    unknown: Refusal | None = None


Wanted = list[tuple[credit_pb2.NewCreditLine, Target]]


def open_credit_file(request: pb.OpenCreditFileRequest) -> tuple[OpenCreditFile, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "category": intake.choice(request.category, CATEGORIES, "category"),
        "participant_id": request.participant_id,
        "account_id": request.account_id,
        "line_count": request.line_count,
        "sum_tyiyn": request.sum_tyiyn,
        "payer_name": request.payer_name,
        "reference": request.reference,
    }
    return intake.build(OpenCreditFile, values), request_id


def close_credit_file(request: pb.CloseCreditFileRequest) -> tuple[CloseCreditFile, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "file_id": intake.uuid(request.credit_file_id, "credit_file_id"),
        "line_count": request.line_count,
        "sum_tyiyn": request.sum_tyiyn,
    }
    return intake.build(CloseCreditFile, values, PATHS), request_id


async def wanted_lines(request: pb.PostCreditLinesRequest) -> tuple[bytes, Wanted]:
    """Return the file and the lines with whom they name; raises Refused with the fields at fault.

    Between chunks the event loop gets its turn.
    """
    intake = Intake()
    file_id = intake.known_id(request.credit_file_id, "credit_file_id")
    if not 1 <= len(request.lines) <= MAX_LINES:
        intake.wrong("lines", "LENGTH", f"holds {len(request.lines)} lines, not 1 to {MAX_LINES}")
    intake.check()
    wrong: list[Violation] = []
    wanted: Wanted = []
    for start in range(0, len(request.lines), _CHUNK):
        for index, line in enumerate(request.lines[start : start + _CHUNK], start):
            wanted.append((line, _checked(line, index, wrong)))
        if len(wrong) >= errors.MAX_VIOLATIONS:
            break
        await asyncio.sleep(0)
    if wrong:
        raise errors.invalid_fields(wrong)
    return file_id, wanted


async def credit_lines(file_id: bytes, wanted: Wanted, found: Mapping[str, Found]) -> list[CreditLine]:
    """Return the lines to decide, with the accounts that were found for whom they name."""
    lines: list[CreditLine] = []
    for start in range(0, len(wanted), _CHUNK):
        for line, target in wanted[start : start + _CHUNK]:
            account, unknown = found.get(target.text) or Found(target.account_id)
            number = line.line_number
            lines.append(
                CreditLine(
                    line_id(file_id, number), number, target.text, account, line.amount_tyiyn, line.reference, unknown
                )
            )
        await asyncio.sleep(0)
    return lines


def _checked(line: credit_pb2.NewCreditLine, index: int, wrong: list[Violation]) -> Target:
    """Return whom a line names, and note what is wrong with it."""
    intake = Intake(f"lines[{index}]")
    if not 1 <= line.line_number <= MAX_LINE_NUMBER:
        intake.wrong("line_number", "RANGE", f"is not from 1 to {MAX_LINE_NUMBER}")
    if not 0 <= line.amount_tyiyn <= MAX_AMOUNT:
        intake.wrong("amount_tyiyn", "RANGE", "is not from 0 to 10^15")
    if len(line.reference) > _MAX_REFERENCE:
        intake.wrong("reference", "STRING_TOO_LONG", f"is longer than {_MAX_REFERENCE} characters")
    try:
        printable(line.reference)
    except ValueError as error:
        intake.wrong("reference", "VALUE_ERROR", str(error))
    target = _TARGETS[line.target.WhichOneof("target")](line.target, intake)
    wrong += intake.violations
    return target


def _by_id(target: credit_pb2.CreditTarget, intake: Intake) -> Target:
    account = intake.account_id(target.account_id, "target.account_id")
    return Target(f"account:{account}", account_id=account)


def _by_number(target: credit_pb2.CreditTarget, intake: Intake) -> Target:
    named = target.account_number
    participant = intake.participant_id(named.participant_id, "target.account_number.participant_id")
    number = named.account_number
    if not ACCOUNT_NUMBER.fullmatch(number):
        intake.wrong("target.account_number.account_number", "PATTERN", "is not 1 to 34 letters and digits")
    return Target(f"number:{participant}/{number}", account_number=(participant, number))


def _by_card(target: credit_pb2.CreditTarget, intake: Intake) -> Target:
    card = intake.known_id(target.card_id, "target.card_id")
    return Target(f"card:{ids.format_uuid(card)}", card_id=card)


def _by_nothing(_target: credit_pb2.CreditTarget, intake: Intake) -> Target:
    intake.wrong("target", "MISSING", "is required: an account_id, an account_number or a card_id")
    return Target("")


_TARGETS: Final[dict[str | None, Callable[[credit_pb2.CreditTarget, Intake], Target]]] = {
    "account_id": _by_id,
    "account_number": _by_number,
    "card_id": _by_card,
    None: _by_nothing,
}


def credit_file_message(file: CreditFile) -> credit_pb2.CreditFile:
    """Return a file as it is told."""
    closed = credit_pb2.CREDIT_FILE_STATE_CLOSED if file.closed else credit_pb2.CREDIT_FILE_STATE_OPEN
    return credit_pb2.CreditFile(
        credit_file_id=ids.format_uuid(file.file_id),
        category=CATEGORY_NUMBERS[file.category],
        participant_id=file.participant,
        account_id=file.account,
        currency_code=file.currency,
        line_count=file.lines,
        sum_tyiyn=file.total,
        payer_name=file.payer_name,
        reference=file.reference,
        state=closed,
        received_lines=file.received,
        received_sum_tyiyn=file.received_total,
        posted_lines=file.posted,
        posted_sum_tyiyn=file.posted_total,
        refused_lines=file.refused,
        refused_sum_tyiyn=file.refused_total,
        version=file.version,
        create_time=timestamp(file.created_at),
        update_time=timestamp(file.updated_at),
    )


def credit_line_message(row: Row, event: Event) -> credit_pb2.CreditLine:
    """Return a line as its event tells it."""
    common: dict[str, Any] = {"position": row.position, "record_time": timestamp(row.recorded_at)}
    match event:
        case TransferPosted():
            paid = event.legs[-1].credit_account if event.legs else event.credit_account
            return credit_pb2.CreditLine(
                line_number=event.credit_line,
                account_id=paid,
                amount_tyiyn=event.amount,
                reference=event.reference,
                transfer_id=ids.format_uuid(row.originator_id),
                **common,
            )
        case CreditLineRefused():
            refusal = told(Refusal(Reason[event.reason], event.detail))
            return credit_pb2.CreditLine(
                line_number=event.line,
                account_id=event.account,
                amount_tyiyn=event.amount,
                reference=event.reference,
                refusal=common_pb2.Refusal(
                    reason=event.reason, message=errors.message(refusal), metadata=refusal.metadata
                ),
                **common,
            )
        case _:
            raise TypeError(f"the log holds {event.TOPIC} where a credit line belongs")
