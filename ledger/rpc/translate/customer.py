"""Customers: requests to what is to be done, and the customer as it is told."""

from typing import Final, NamedTuple

from pydantic import BaseModel, ConfigDict

from domain import ids
from domain.command import ParticipantId
from domain.credentials import MAX_PASSWORD, code_fits, login_fits, password_fits, phone_fits, pin_fits
from domain.customer import Customer, EraseCustomer, IdentifyCustomer, Tier
from domain.retaining import LiftRetention, PlaceRetention
from domain.retention import Authority
from ledger.rpc.intake import Intake, timestamp
from ledger.rpc.translate.retention import REASONS, RETENTION_PATHS, retentions_message
from ledger.vault.vault import Personal
from protos.esep.v1 import customer_pb2
from protos.esep.v1 import customer_service_pb2 as pb

TIERS: Final[dict[int, Tier]] = {
    customer_pb2.CUSTOMER_TIER_REMOTE: Tier.REMOTE,
    customer_pb2.CUSTOMER_TIER_IN_PERSON: Tier.IN_PERSON,
}
TIER_NUMBERS: Final = {
    Tier.UNIDENTIFIED: customer_pb2.CUSTOMER_TIER_UNSPECIFIED,
    Tier.REMOTE: customer_pb2.CUSTOMER_TIER_REMOTE,
    Tier.IN_PERSON: customer_pb2.CUSTOMER_TIER_IN_PERSON,
}
MAX_NAME: Final = 140


class _Participant(BaseModel):
    """Checks what the command will be made with only after the vault has been written."""

    model_config = ConfigDict(frozen=True)

    participant_id: ParticipantId


class Registration(NamedTuple):
    """A person who wants to register. ``password`` is in clear: for the vault only, never kept."""

    participant_id: str
    personal: Personal
    password: str


class Try(NamedTuple):
    """A try of a secret, in clear: for the vault only, never kept."""

    customer_id: bytes
    secret: str
    pin: str = ""


def register_customer(request: pb.RegisterCustomerRequest, policy: str) -> tuple[Registration, bytes]:
    """Return the registration and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    login = request.login.lower()
    if not login_fits(login):
        intake.wrong("login", "PATTERN", "is not 3 to 64 of a-z, 0-9 and . _ @ + -")
    if not phone_fits(request.phone_number):
        intake.wrong("phone_number", "E164", "is not + and 8 to 15 digits")
    if not password_fits(request.password, policy):
        intake.wrong("password", "PASSWORD_POLICY", f"does not follow the policy {policy}")
    if len(request.full_name) > MAX_NAME or not request.full_name.isprintable():
        intake.wrong("full_name", "TEXT", f"is longer than {MAX_NAME} characters, or holds control characters")
    known = intake.build(_Participant, {"participant_id": request.participant_id})
    personal = Personal(login, request.phone_number, request.full_name)
    return Registration(known.participant_id, personal, request.password), request_id


def confirm_registration(request: pb.ConfirmRegistrationRequest) -> tuple[Try, bytes]:
    """Return the try and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    customer_id = intake.known_id(request.customer_id, "customer_id")
    if not code_fits(request.code):
        intake.wrong("code", "PATTERN", "is not 6 digits")
    intake.check()
    return Try(customer_id, request.code), request_id


def set_pin(request: pb.SetPinRequest) -> tuple[Try, bytes]:
    """Return the try of the password, with the PIN to set, and the request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    customer_id = intake.known_id(request.customer_id, "customer_id")
    if not 0 < len(request.password) <= MAX_PASSWORD:
        intake.wrong("password", "LENGTH", f"is not 1 to {MAX_PASSWORD} characters long")
    _check_pin(intake, request.pin)
    return Try(customer_id, request.password, request.pin), request_id


def verify_pin(request: pb.VerifyPinRequest) -> Try:
    """Return the try."""
    intake = Intake()
    customer_id = intake.known_id(request.customer_id, "customer_id")
    _check_pin(intake, request.pin)
    return Try(customer_id, request.pin)


def _check_pin(intake: Intake, pin: str) -> None:
    if not pin_fits(pin):
        intake.wrong("pin", "PATTERN", "is not exactly 4 digits")
    intake.check()


def identify_customer(request: pb.IdentifyCustomerRequest) -> tuple[IdentifyCustomer, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
        "tier": intake.choice(request.tier, TIERS, "tier"),
        "reference": request.reference,
    }
    return intake.build(IdentifyCustomer, values), request_id


def erase_customer(request: pb.EraseCustomerRequest) -> tuple[EraseCustomer, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {"customer_id": intake.uuid(request.customer_id, "customer_id")}
    return intake.build(EraseCustomer, values), request_id


def place_retention(request: pb.PlaceRetentionRequest, authority: Authority) -> tuple[PlaceRetention, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    known = request.HasField("expire_time")
    values = {
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
        "reason": intake.choice(request.reason, REASONS, "reason"),
        "authority": authority,
        "reference": request.reference,
        "until": intake.time(request.expire_time, "expire_time") if known else None,
    }
    return intake.build(PlaceRetention, values, RETENTION_PATHS), request_id


def lift_retention(request: pb.LiftRetentionRequest, authority: Authority) -> tuple[LiftRetention, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
        "retention_id": intake.uuid(request.retention_id, "retention_id"),
        "authority": authority,
    }
    return intake.build(LiftRetention, values), request_id


def customer_message(customer: Customer, personal: Personal, now: int) -> customer_pb2.Customer:
    """Return the customer as it is told at a moment."""
    return customer_pb2.Customer(
        customer_id=ids.format_uuid(customer.customer_id),
        participant_id=customer.participant,
        state=_state(customer),
        tier=TIER_NUMBERS[customer.tier],
        login=personal.login,
        phone_number=personal.phone,
        full_name=personal.name,
        pin_set=customer.pin_set,
        confirm_expire_time=timestamp(customer.confirm_by),
        version=customer.version,
        create_time=timestamp(customer.created_at),
        update_time=timestamp(customer.updated_at),
        retentions=retentions_message(customer.retentions, now),
    )


def _state(customer: Customer) -> customer_pb2.CustomerState.ValueType:
    if customer.erased:
        return customer_pb2.CUSTOMER_STATE_ERASED
    return customer_pb2.CUSTOMER_STATE_CONFIRMED if customer.confirmed else customer_pb2.CUSTOMER_STATE_REGISTERED
