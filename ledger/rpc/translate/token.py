"""Tokens: requests to commands, and tokens and devices as they are told."""

from datetime import date
from typing import Final, NamedTuple
from uuid import UUID

from domain import ids
from domain.command import Command
from domain.credentials import Verdict
from domain.device import BlockDevice, Device, UnblockDevice
from domain.pan import NumberFault, look_at, read_expiry, write_expiry
from domain.refusals import Reason, Refused, refuse
from domain.token import Actor, Cause, State, Token
from domain.token_payment import AuthorizeTokenPayment
from domain.tokenise import (
    ActivateToken,
    DeactivateToken,
    DeclineToken,
    Ender,
    RelinkToken,
    RequestToken,
    ResumeToken,
    SuspendToken,
)
from ledger.rpc.intake import NOBODY, Intake, tags, timestamp
from ledger.rpc.translate.authorization import ENTRY_MODES
from ledger.vault.cryptogram import CRYPTOGRAM_BYTES, UNPREDICTABLE_BYTES, Tap
from protos.esep.v1 import token_payment_service_pb2 as payment_pb
from protos.esep.v1 import token_pb2
from protos.esep.v1 import token_service_pb2 as pb

ACTORS: Final[dict[int, Actor]] = {
    token_pb2.TOKEN_ACTOR_ISSUER: Actor.ISSUER,
    token_pb2.TOKEN_ACTOR_WALLET: Actor.WALLET,
    token_pb2.TOKEN_ACTOR_CARDHOLDER: Actor.CARDHOLDER,
    token_pb2.TOKEN_ACTOR_DEVICE_LOCK: Actor.DEVICE_LOCK,
}
ENDERS: Final[dict[int, Ender]] = {
    token_pb2.TOKEN_DEACTIVATION_CAUSE_ISSUER: Ender.ISSUER,
    token_pb2.TOKEN_DEACTIVATION_CAUSE_WALLET: Ender.WALLET,
    token_pb2.TOKEN_DEACTIVATION_CAUSE_CARDHOLDER: Ender.CARDHOLDER,
    token_pb2.TOKEN_DEACTIVATION_CAUSE_FRAUD: Ender.FRAUD,
}
ACTOR_NUMBERS: Final = {actor: token_pb2.TokenActor.ValueType(number) for number, actor in ACTORS.items()}
CAUSES: Final = {
    cause: token_pb2.TokenDeactivationCause.Value(f"TOKEN_DEACTIVATION_CAUSE_{cause.name}") for cause in Cause
}
STATES: Final = {state: token_pb2.TokenState.Value(f"TOKEN_STATE_{state.name}") for state in State}

CURRENCY_NUMBERS: Final = {
    "KGS": 417,
    "USD": 840,
    "EUR": 978,
    "RUB": 643,
    "KZT": 398,
    "UZS": 860,
    "TJS": 972,
    "CNY": 156,
}
"""ISO 4217: by the code that people write, the number that a terminal puts into a cryptogram."""
MAX_COUNTRY: Final = 999
_DATE_DIGITS: Final = 6
NUMBER_FAULTS: Final = {
    NumberFault.MALFORMED: Reason.TOKEN_NUMBER_MALFORMED,
    NumberFault.CHECK_DIGIT: Reason.TOKEN_NUMBER_CHECK_DIGIT,
}
PAYMENT_PATHS: Final = {
    "expires": "expiry",
    "counter": "tap.transaction_counter",
    "key_sequence": "tap.key_sequence",
    "till_id": "fiscal_receipt.till_id",
    "fiscal_receipt_number": "fiscal_receipt.receipt_number",
}


_NO_TAP: Final = Tap(0, 0, 0, "", b"", 0, 1, cardholder_verified=False)
"""Stands in for a tap that is not there, so that the rest of the request can still be looked at."""


class Keys(NamedTuple):
    """A request for keys, before the vault has numbered them."""

    token_id: UUID
    expected_version: int | None


class Payment(NamedTuple):
    """A tap as it came: the command wants the token's id and the verdict put in. Number and cryptogram are not kept."""

    command: AuthorizeTokenPayment
    number: str
    tap: Tap
    cryptogram: bytes


def request_token(request: pb.RequestTokenRequest) -> tuple[RequestToken, bytes]:
    """Return the command, without the number, and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    device = {
        "device_id": request.device.device_id,
        "model": request.device.model,
        "android_version": request.device.android_version,
        "nfc": request.device.nfc,
    }
    values = {
        "card_id": intake.uuid(request.card_id, "card_id"),
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
        "device": device,
        "masked_number": "",
    }
    return intake.build(RequestToken, values), request_id


_OnToken = (
    pb.DeclineTokenRequest
    | pb.ProvisionTokenRequest
    | pb.ActivateTokenRequest
    | pb.ReplenishKeysRequest
    | pb.SuspendTokenRequest
    | pb.ResumeTokenRequest
    | pb.DeactivateTokenRequest
    | pb.RelinkTokenRequest
)


def _token(intake: Intake, request: _OnToken) -> dict[str, object]:
    expected = request.expected_version if request.HasField("expected_version") else None
    return {"token_id": intake.uuid(request.token_id, "token_id"), "expected_version": expected}


def decline_token(request: pb.DeclineTokenRequest) -> tuple[Command, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    return intake.build(DeclineToken, {**_token(intake, request), "explanation": request.explanation}), request_id


def activate_token(request: pb.ActivateTokenRequest) -> tuple[Command, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    return intake.build(ActivateToken, _token(intake, request)), request_id


def keys(request: pb.ProvisionTokenRequest | pb.ReplenishKeysRequest) -> tuple[Keys, bytes]:
    """Return whose keys are asked for, and the request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    checked = intake.build(ActivateToken, _token(intake, request))  # The same two fields, checked in the same way.
    return Keys(checked.token_id, checked.expected_version), request_id


def suspend_token(request: pb.SuspendTokenRequest) -> tuple[Command, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    by = intake.choice(request.suspended_by, ACTORS, "suspended_by")
    return intake.build(
        SuspendToken, {**_token(intake, request), "by": by, "explanation": request.explanation}
    ), request_id


def resume_token(request: pb.ResumeTokenRequest) -> tuple[Command, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    by = intake.choice(request.suspended_by, ACTORS, "suspended_by")
    return intake.build(
        ResumeToken, {**_token(intake, request), "by": by, "explanation": request.explanation}
    ), request_id


def deactivate_token(request: pb.DeactivateTokenRequest) -> tuple[Command, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    by = intake.choice(request.cause, ENDERS, "cause")
    values = {**_token(intake, request), "by": by, "explanation": request.explanation}
    return intake.build(DeactivateToken, values), request_id


def relink_token(request: pb.RelinkTokenRequest) -> tuple[Command, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {**_token(intake, request), "card_id": intake.uuid(request.card_id, "card_id")}
    return intake.build(RelinkToken, values), request_id


def on_device(request: pb.BlockDeviceRequest | pb.UnblockDeviceRequest) -> tuple[Command, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
        "device_id": request.device_id,
        "explanation": request.explanation,
    }
    kind = BlockDevice if isinstance(request, pb.BlockDeviceRequest) else UnblockDevice
    return intake.build(kind, values), request_id


def payment(request: payment_pb.AuthorizeTokenPaymentRequest, prefix: str) -> tuple[Payment, bytes]:
    """Return the tap and its request id; raises Refused for a number that is no token's."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    expires = read_expiry(request.expiry)
    if expires is None:
        intake.wrong("expiry", "PATTERN", "is not a month and a year as MM/YY")
    if request.currency_code not in CURRENCY_NUMBERS:
        intake.wrong("currency_code", "UNKNOWN_VALUE", f"is none of {', '.join(CURRENCY_NUMBERS)}")
    if request.acquirer_reference and not request.acquirer_id:
        intake.wrong("acquirer_id", "MISSING", "is required with an acquirer_reference")
    if request.HasField("fiscal_receipt"):
        for field in ("till_id", "receipt_number"):
            if not getattr(request.fiscal_receipt, field):
                intake.wrong(f"fiscal_receipt.{field}", "MISSING", "is required")
    tap = _tap(intake, request)
    values = {
        "token_id": NOBODY,
        "expires": expires or 2000_01,
        "credit_account_id": request.credit_account_id,
        "amount_tyiyn": request.amount_tyiyn,
        "currency_code": request.currency_code,
        "entry_mode": intake.choice(request.entry_mode, ENTRY_MODES, "entry_mode"),
        "cardholder_verified": tap.cardholder_verified,
        "counter": tap.counter,
        "key_sequence": tap.key_sequence,
        "verdict": Verdict.ABSENT,
        "merchant_category_code": request.merchant_category_code,
        "acquirer_id": request.acquirer_id,
        "acquirer_reference": request.acquirer_reference,
        "merchant_name": request.merchant_name,
        "reference": request.reference,
        "tags": tags(request.tags),
        "till_id": request.fiscal_receipt.till_id,
        "fiscal_receipt_number": request.fiscal_receipt.receipt_number,
        "transaction_date": _read_date(tap.date) or date.min,
        "tap": f"{tap.country}/{tap.unpredictable_number.hex()}",
    }
    command = intake.build(AuthorizeTokenPayment, values, PAYMENT_PATHS)
    typed = look_at(request.token_number)
    if typed.fault is not None:
        raise Refused(refuse(NUMBER_FAULTS[typed.fault]))
    if not typed.masked.startswith(prefix):
        raise Refused(refuse(Reason.TOKEN_NUMBER_PREFIX))
    return Payment(command, request.token_number, tap, request.tap.cryptogram), request_id


def _tap(intake: Intake, request: payment_pb.AuthorizeTokenPaymentRequest) -> Tap:
    """Return what the cryptogram is over; what cannot be is noted, under the field's path."""
    if not request.HasField("tap"):
        intake.wrong("tap", "MISSING", "is required")
        return _NO_TAP
    tap = request.tap
    if not 0 < tap.country_number <= MAX_COUNTRY:
        intake.wrong("tap.country_number", "OUT_OF_RANGE", f"is not 1 to {MAX_COUNTRY}")
    if _read_date(tap.transaction_date) is None:
        intake.wrong("tap.transaction_date", "PATTERN", "is no date of six digits, YYMMDD")
    if len(tap.unpredictable_number) != UNPREDICTABLE_BYTES:
        intake.wrong("tap.unpredictable_number", "LENGTH", f"is not {UNPREDICTABLE_BYTES} bytes long")
    if len(tap.cryptogram) != CRYPTOGRAM_BYTES:
        intake.wrong("tap.cryptogram", "LENGTH", f"is not {CRYPTOGRAM_BYTES} bytes long")
    return Tap(
        amount=request.amount_tyiyn,
        country=tap.country_number,
        currency=CURRENCY_NUMBERS.get(request.currency_code, 0),
        date=tap.transaction_date,
        unpredictable_number=tap.unpredictable_number,
        counter=tap.transaction_counter,
        key_sequence=tap.key_sequence,
        cardholder_verified=tap.cardholder_verified,
    )


def _read_date(text: str) -> date | None:
    """Return the date that six digits name, YYMMDD of this century; None for anything else."""
    if len(text) != _DATE_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    try:
        return date(2000 + int(text[:2]), int(text[2:4]), int(text[4:]))
    except ValueError:
        return None


def token_message(token: Token, now: int) -> token_pb2.Token:
    """Return the token as it is told at ``now``: one that was not switched on in time has ended, recorded or not."""
    lapsed = token.lapsed(now)
    cause = Cause.INACTIVITY if lapsed else token.cause
    ended_at = token.activate_by if lapsed else token.ended_at
    return token_pb2.Token(
        token_id=ids.format_uuid(token.token_id),
        participant_id=token.participant,
        card_id=ids.format_uuid(token.card),
        customer_id=ids.format_uuid(token.customer),
        device_id=token.device_id,
        masked_number=token.masked,
        payment_account_reference=token.par,
        state=STATES[token.state(now)],
        suspended_by=[ACTOR_NUMBERS[actor] for actor in token.suspended_by],
        deactivation_cause=token_pb2.TOKEN_DEACTIVATION_CAUSE_UNSPECIFIED if cause is None else CAUSES[cause],
        deactivate_time=None if ended_at is None else timestamp(ended_at),
        activate_by_time=timestamp(token.activate_by) if token.activate_by else None,
        expiry=write_expiry(token.expires) if token.expires else "",
        keys=_status(token),
        highest_counter=token.counter.highest,
        version=token.version,
        create_time=timestamp(token.created_at),
        update_time=timestamp(token.updated_at),
    )


def _status(token: Token) -> token_pb2.TokenKeyStatus | None:
    keys = token.keys
    if keys is None:
        return None
    return token_pb2.TokenKeyStatus(
        sequence=keys.sequence,
        uses_left=max(0, keys.max_uses - token.uses),
        amount_left_tyiyn=max(0, keys.max_amount - token.spent),
        expire_time=timestamp(keys.until),
    )


def device_message(device: Device) -> token_pb2.Device:
    """Return the phone as it was recorded last."""
    return token_pb2.Device(
        device_id=device.device_id, model=device.model, android_version=device.android_version, nfc=device.nfc
    )
