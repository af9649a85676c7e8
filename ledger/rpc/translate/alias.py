"""Aliases: requests to what is to be done, and the alias as it is told."""

from collections.abc import Collection
from typing import NamedTuple

from domain import ids
from domain.alias import Alias, UnlinkPhone
from domain.credentials import code_fits
from domain.phone import normalise
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.intake import Intake, timestamp
from protos.esep.v1 import alias_pb2
from protos.esep.v1 import alias_service_pb2 as pb


class Link(NamedTuple):
    """A number that is to lead to a card. ``phone`` and ``code`` are in clear: for the vault only."""

    customer_id: bytes
    card_id: bytes
    phone: str
    code: str


def phone_number(text: str, countries: Collection[str]) -> str:
    """Return a number in E.164; raises Refused."""
    found = normalise(text, countries)
    if isinstance(found, Reason):
        raise Refused(refuse(found))
    return found


def send_alias_code(request: pb.SendAliasCodeRequest, countries: Collection[str]) -> tuple[bytes, str]:
    """Return who wants a code, and the number."""
    intake = Intake()
    customer_id = intake.known_id(request.customer_id, "customer_id")
    intake.check()
    return customer_id, phone_number(request.phone_number, countries)


def link_phone(request: pb.LinkPhoneRequest, countries: Collection[str]) -> tuple[Link, bytes]:
    """Return what is to be linked, and the request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    customer_id = intake.known_id(request.customer_id, "customer_id")
    card_id = intake.known_id(request.card_id, "card_id")
    if request.code and not code_fits(request.code):
        intake.wrong("code", "PATTERN", "is not 6 digits")
    intake.check()
    return Link(customer_id, card_id, phone_number(request.phone_number, countries), request.code), request_id


def unlink_phone(request: pb.UnlinkPhoneRequest) -> tuple[UnlinkPhone, bytes]:
    """Return the command and its request id."""
    intake = Intake()
    request_id = intake.request_id(request.request_id)
    values = {
        "alias_id": intake.uuid(request.alias_id, "alias_id"),
        "customer_id": intake.uuid(request.customer_id, "customer_id"),
    }
    return intake.build(UnlinkPhone, values), request_id


def alias_message(alias: Alias, phone: str) -> alias_pb2.Alias:
    """Return the alias as it is told."""
    return alias_pb2.Alias(
        alias_id=ids.format_uuid(alias.alias_id),
        customer_id=ids.format_uuid(alias.customer),
        card_id=ids.format_uuid(alias.card),
        phone_number=phone,
        state=alias_pb2.ALIAS_STATE_LINKED if alias.linked else alias_pb2.ALIAS_STATE_UNLINKED,
        version=alias.version,
        create_time=timestamp(alias.created_at),
        update_time=timestamp(alias.updated_at),
    )
