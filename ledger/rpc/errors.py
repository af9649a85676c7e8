"""Refusals on the wire: reason to kind to gRPC code, and the google.rpc details that go with each kind.

Every error carries ErrorInfo. What else it carries follows from its kind: BadRequest names the fields of an
invalid request, PreconditionFailure the state in the way, ResourceInfo what was not found, RetryInfo when to try
again. Details travel in HTTP/2 trailers, which many clients bound at 8 KiB, so lists and texts are cut here.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple, NoReturn

import grpc
import msgspec
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, PreconditionFailure, ResourceInfo, RetryInfo
from google.rpc.status_pb2 import Status
from pydantic import ValidationError

from domain.refusals import Kind, Reason, Refusal, Refused, Violation
from ledger.rpc.calls import Context

DOMAIN: Final = "esep.kg"
DETAILS_KEY: Final = "grpc-status-details-bin"
PUSHBACK_KEY: Final = "grpc-retry-pushback-ms"
MAX_VIOLATIONS: Final = 20
MAX_TEXT: Final = 200
WHOLE: Final = "request"
"""The path of what is wrong with a request as a whole."""

CODES: Final[dict[Kind, grpc.StatusCode]] = {
    Kind.INVALID: grpc.StatusCode.INVALID_ARGUMENT,
    Kind.NOT_FOUND: grpc.StatusCode.NOT_FOUND,
    Kind.STATE: grpc.StatusCode.FAILED_PRECONDITION,
    Kind.REUSED: grpc.StatusCode.ALREADY_EXISTS,
    Kind.CONFLICT: grpc.StatusCode.ABORTED,
    Kind.UNAUTHENTICATED: grpc.StatusCode.UNAUTHENTICATED,
    Kind.DENIED: grpc.StatusCode.PERMISSION_DENIED,
    Kind.EXHAUSTED: grpc.StatusCode.RESOURCE_EXHAUSTED,
    Kind.UNAVAILABLE: grpc.StatusCode.UNAVAILABLE,
    Kind.DEADLINE: grpc.StatusCode.DEADLINE_EXCEEDED,
    Kind.INTERNAL: grpc.StatusCode.INTERNAL,
}

RETRY_SECONDS: Final[dict[Reason, float | None]] = {
    Reason.QUEUE_FULL: 0.1,
    Reason.RATE_LIMITED: 1.0,
    Reason.TOO_MANY_CODES: 900.0,
    Reason.STORAGE_FULL: 30.0,
    Reason.TOO_MANY_STREAMS: 5.0,
    Reason.MESSAGE_TOO_LARGE: None,  # Sending it again cannot help.
    Reason.LEDGER_UNAVAILABLE: 1.0,
    Reason.ARCHIVE_UNREADABLE: 30.0,
    Reason.ISSUER_UNAVAILABLE: 5.0,
    Reason.PROVIDER_UNAVAILABLE: 5.0,
    Reason.CODE_NOT_SENT: 5.0,
    Reason.NOT_THE_OWNER: 1.0,
    Reason.OWNER_UNREACHABLE: 1.0,
    Reason.CLEARING_NOT_OPEN: 1.0,
    Reason.SHUTTING_DOWN: 1.0,
    Reason.UNKNOWN_EVENT: 30.0,
    Reason.POSITION_NOT_REACHED: 0.1,
}
"""When the same request may be sent again, for every reason of the kinds EXHAUSTED and UNAVAILABLE.

A refusal that knows better says so in its metadata, under RETRY_AFTER.
"""
RETRY_AFTER: Final = "retry_after_seconds"


class Resource(NamedTuple):
    """What a reason did not find: its type, and the metadata that names it."""

    type: str
    named_by: tuple[str, ...]


RESOURCES: Final[dict[Reason, Resource]] = {
    Reason.ACCOUNT_NOT_FOUND: Resource("account", ("account_id", "account_number")),
    Reason.TRANSFER_NOT_FOUND: Resource("transfer", ("transfer_id",)),
    Reason.BULK_NOT_FOUND: Resource("bulk", ("bulk_id",)),
    Reason.BULK_LEG_NOT_FOUND: Resource("bulk_leg", ("leg",)),
    Reason.AUTHORIZATION_NOT_FOUND: Resource("authorization", ("authorization_id", "acquirer_reference")),
    Reason.CLEARING_REFERENCE_NOT_FOUND: Resource("clearing_reference", ("clearing_reference",)),
    Reason.SERVICE_NOT_FOUND: Resource("service", ("service_id",)),
    Reason.CUSTOMER_NOT_FOUND: Resource("customer", ("customer_id",)),
    Reason.RETENTION_NOT_FOUND: Resource("retention", ("retention_id",)),
    Reason.BINDING_NOT_FOUND: Resource("card_binding", ("binding_id",)),
    Reason.PARTICIPANT_NOT_FOUND: Resource("participant", ("participant_id",)),
    Reason.RULES_NOT_FOUND: Resource("rules", ("version",)),
    Reason.CREDIT_FILE_NOT_FOUND: Resource("credit_file", ("credit_file_id",)),
    Reason.PROPOSAL_NOT_FOUND: Resource("proposal", ("proposal_id",)),
    Reason.AGGREGATE_NOT_FOUND: Resource("aggregate", ("aggregate_id",)),
    Reason.CARD_NOT_FOUND: Resource("card", ("card_id",)),
    Reason.TOKEN_NOT_FOUND: Resource("token", ("token_id",)),
    Reason.DEVICE_NOT_FOUND: Resource("device", ("device_id",)),
    Reason.OPERATION_NOT_FOUND: Resource("operation", ("operation_id",)),
    Reason.ALIAS_NOT_FOUND: Resource("alias", ("alias_id",)),
    Reason.RECIPIENT_NOT_FOUND: Resource("recipient", ()),
    Reason.TRANSFER_QR_NOT_FOUND: Resource("transfer_qr", ("transfer_qr_id",)),
    Reason.QUOTE_NOT_FOUND: Resource("quote", ("quote_id",)),
    Reason.PAYEE_NOT_FOUND: Resource("payee", ("payee_id", "code")),
    Reason.PAYMENT_NOT_FOUND: Resource("payment", ("payment_id",)),
    Reason.BENEFICIARY_UNKNOWN: Resource("beneficiary", ("service_id",)),
    Reason.OUTCOME_NOT_FOUND: Resource("outcome", ("request_id",)),
}
"""For every reason of the kind NOT_FOUND."""

FIELDS: Final[dict[Reason, str]] = {
    Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS: "effective_time",
    Reason.ACCOUNTS_UNKNOWN: "debit_account_ids",
    Reason.PAGE_TOKEN_INVALID: "page_token",
    Reason.REPLAY_TOO_FAR: "decision",
    Reason.CURRENCY_UNKNOWN: "currency_code",
    Reason.CARD_NUMBER_MALFORMED: "card_number",
    Reason.CARD_NUMBER_CHECK_DIGIT: "card_number",
    Reason.CARD_NUMBER_PREFIX: "card_number",
    Reason.CARD_EXPIRY_MALFORMED: "expiry",
    Reason.CARD_EXPIRY_PAST: "expiry",
    Reason.CVV_MALFORMED: "cvv",
    Reason.TOKEN_NUMBER_MALFORMED: "token_number",
    Reason.TOKEN_NUMBER_CHECK_DIGIT: "token_number",
    Reason.TOKEN_NUMBER_PREFIX: "token_number",
    Reason.CARD_NUMBER_OF_TOKEN: "card_number",
    Reason.DEVICE_WITHOUT_NFC: "device.nfc",
    Reason.ANDROID_TOO_OLD: "device.android_version",
    Reason.PHONE_NUMBER_MALFORMED: "phone_number",
    Reason.PHONE_COUNTRY_NOT_SERVED: "phone_number",
    Reason.QR_UNREADABLE: "qr_text",
    Reason.QR_NOT_A_TRANSFER: "qr_text",
    Reason.LEGS_BETWEEN_PARTITIONS: "legs",
}
"""The field at fault, for reasons of the kind INVALID that the domain gives without a path."""


def code(reason: Reason) -> grpc.StatusCode:
    """Return the canonical code that a reason is sent with."""
    return CODES[reason.value.kind]


def pushback(reason: Reason) -> str:
    """Return when a client library that retries by itself should (gRFC A6), in milliseconds; -1 for never.

    Never for a position that was waited for: the time that is left would not do for waiting again, and the answer
    would be lost to the deadline. Nor for a segment of the archive that somebody has to put back: it is to be named.
    """
    delay = RETRY_SECONDS[reason]
    if delay is None or reason in (Reason.POSITION_NOT_REACHED, Reason.ARCHIVE_UNREADABLE):
        return "-1"
    return str(round(delay * 1000))


def status(refusal: Refusal) -> Status:
    """Return the google.rpc.Status of a refusal: code, text for a developer, details."""
    told = repath(refusal)
    number: int = code(told.reason).value[0]
    return Status(code=number, message=message(told), details=[_pack(detail) for detail in _details(told)])


def message(refusal: Refusal) -> str:
    """Return one bounded sentence for a developer."""
    if not refusal.violations:
        return refusal.reason.value.meaning
    first, *more = refusal.violations
    others = f" (and {len(more)} more)" if more else ""
    return _cut(f"{first.field}: {first.description}") + others


def invalid_fields(violations: Iterable[Violation]) -> Refused:
    """Return the refusal of a request whose fields break rules, to be raised."""
    return Refused(Refusal(Reason.INVALID_ARGUMENT, violations=tuple(violations)))


def denied() -> Refused:
    """Return the refusal of whatever is not allowed, to be raised."""
    return Refused(Refusal(Reason.PERMISSION_DENIED))


def violations(error: ValidationError, *, prefix: str = "", paths: dict[str, str] | None = None) -> list[Violation]:
    """Return pydantic's findings under the caller's paths; ``paths`` renames top-level fields."""
    found = []
    for wrong in error.errors(include_url=False, include_input=False, include_context=False):
        location = wrong["loc"]
        first = str(location[0]) if location else ""
        path = _dotted(((paths or {}).get(first, first), *location[1:]) if location else ())
        full = ".".join(part for part in (prefix, path) if part) or WHOLE
        found.append(Violation(full, wrong["type"].upper(), _cut(wrong["msg"].removeprefix("Value error, "))))
    return found


def _dotted(location: Iterable[int | str]) -> str:
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step == "[key]":  # pydantic's mark for a mapping's key; the key itself precedes it.
            continue
        else:
            path += f".{step}" if path else step
    return _cut(path)


def repath(refusal: Refusal, *, prefix: str = "", paths: dict[str, str] | None = None) -> Refusal:
    """Return a refusal of the domain with its fields in the terms of the request that it answers."""
    found = refusal.violations
    field = FIELDS.get(refusal.reason)
    if not found and field is not None:
        found = (Violation(field, refusal.reason.name, refusal.reason.value.meaning),)
    if not found:
        return refusal
    renamed = tuple(wrong._replace(field=prefix + (paths or {}).get(wrong.field, wrong.field)) for wrong in found)
    return msgspec.structs.replace(refusal, violations=renamed)


def _details(refusal: Refusal) -> list[Message]:
    reason = refusal.reason
    metadata = {"recorded": "false", **refusal.metadata}
    details: list[Message] = [ErrorInfo(reason=reason.name, domain=DOMAIN, metadata=metadata)]
    match reason.value.kind:
        case Kind.INVALID:
            details.append(_bad_request(refusal))
        case Kind.NOT_FOUND:
            details.append(_resource(refusal))
        case Kind.STATE:
            details.append(_precondition(refusal))
        case Kind.EXHAUSTED | Kind.UNAVAILABLE:
            delay = RETRY_SECONDS[reason]
            if RETRY_AFTER in refusal.metadata:
                delay = float(refusal.metadata[RETRY_AFTER])
            if delay is not None:
                seconds, rest = divmod(round(delay * 1000), 1000)
                details.append(RetryInfo(retry_delay=Duration(seconds=seconds, nanos=rest * 1_000_000)))
        case Kind.REUSED | Kind.CONFLICT | Kind.UNAUTHENTICATED | Kind.DENIED | Kind.DEADLINE | Kind.INTERNAL:
            pass
    return details


def _bad_request(refusal: Refusal) -> BadRequest:
    return BadRequest(
        field_violations=[
            BadRequest.FieldViolation(field=wrong.field, reason=wrong.rule, description=_cut(wrong.description))
            for wrong in refusal.violations[:MAX_VIOLATIONS]
        ]
    )


def _precondition(refusal: Refusal) -> PreconditionFailure:
    subject = next((f"{key}:{value}" for key, value in refusal.metadata.items() if key.endswith("_id")), "")
    violation = PreconditionFailure.Violation(
        type=refusal.reason.name, subject=subject, description=refusal.reason.value.meaning
    )
    return PreconditionFailure(violations=[violation])


def _resource(refusal: Refusal) -> ResourceInfo:
    resource = RESOURCES[refusal.reason]
    name = next((refusal.metadata[key] for key in resource.named_by if key in refusal.metadata), "")
    return ResourceInfo(resource_type=resource.type, resource_name=_cut(name), description=refusal.reason.value.meaning)


def _pack(detail: Message) -> Packed:
    packed = Packed()
    packed.Pack(detail)
    return packed


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


async def abort(context: Context, refusal: Refusal) -> NoReturn:
    """End a call with a refusal."""
    answer = status(refusal)
    trailers: list[tuple[str, str | bytes]] = [(DETAILS_KEY, answer.SerializeToString())]
    if refusal.reason.value.kind is Kind.UNAVAILABLE:
        trailers.append((PUSHBACK_KEY, pushback(refusal.reason)))
    await context.abort(code(refusal.reason), answer.message, trailing_metadata=tuple(trailers))
    raise Refused(refusal)  # abort never returns; its annotation does not say so.


@contextmanager
def in_terms_of(*, prefix: str = "", paths: dict[str, str] | None = None) -> Iterator[None]:
    """Put the fields that the domain finds at fault into the terms of the request."""
    try:
        yield
    except Refused as refused:
        raise Refused(repath(refused.refusal, prefix=prefix, paths=paths)) from None
