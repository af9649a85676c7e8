"""Who is calling: a port, with the development identity and that of certificates; tokens are beside this file."""

import re
from collections.abc import Iterator, Mapping
from typing import Final, Protocol

import msgspec

from domain import ids
from domain.forms import PARTICIPANT
from ledger.rpc.callers import Caller, KnownCaller, Role, fitting
from ledger.rpc.calls import Context
from ledger.rpc.errors import denied

CALLER_KEY: Final = "esep-caller"
ROLE_KEY: Final = "esep-role"
PARTICIPANT_KEY: Final = "esep-participant"
CUSTOMER_KEY: Final = "esep-customer"
AUTHORIZATION: Final = "authorization"
DEVELOPER: Final = "dev"
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,63}")

Metadata = dict[str, str | bytes]


class Identity(Protocol):
    """Tells who is calling; raises Refused for somebody it does not know: PERMISSION_DENIED or UNAUTHENTICATED.

    It is asked at every call, and from time to time while a stream goes on: it answers from memory.
    """

    def caller(self, context: Context, metadata: Metadata) -> Caller: ...


class DevelopmentIdentity:
    """Believes what the metadata says of name, role and participant. Never for production.

    Who says nothing is the developer ``dev``, who may do everything.
    """

    def caller(self, context: Context, metadata: Metadata) -> Caller:
        name = _text(metadata, CALLER_KEY, DEVELOPER)
        participant = _text(metadata, PARTICIPANT_KEY, "")
        try:
            role = Role(_text(metadata, ROLE_KEY, Role.DEVELOPER))
        except ValueError:
            raise denied() from None
        known = not participant or PARTICIPANT.fullmatch(participant)
        if not NAME.fullmatch(name) or not known or not fitting(role, participant):
            raise denied()
        return Caller(name, role, participant)


class CertificateIdentity:
    """Takes the first name in the client's verified certificate that the settings list.

    Its subject alternative names come first, its common name last.
    """

    def __init__(self, known: Mapping[str, KnownCaller]) -> None:
        self._callers = {name: Caller(name, caller.role, caller.participant or "") for name, caller in known.items()}

    def caller(self, context: Context, metadata: Metadata) -> Caller:
        for name in _names(context):
            caller = self._callers.get(name)
            if caller is not None:
                return caller
        raise denied()


def acting(caller: Caller, metadata: Metadata) -> Caller:
    """Return an app together with the customer whom it says it acts for; any other caller as it is."""
    text = metadata.get(CUSTOMER_KEY)
    if text is None or caller.role is not Role.APP:
        return caller
    try:
        return msgspec.structs.replace(caller, customer=ids.parse_uuid(str(text)))
    except ValueError:
        raise denied() from None


def _names(context: Context) -> Iterator[str]:
    peer = context.auth_context()
    for property_name in ("x509_subject_alternative_name", "x509_common_name"):
        for value in peer.get(property_name, ()):
            name = value.decode("ascii", "replace")
            if NAME.fullmatch(name):
                yield name


def _text(metadata: Metadata, key: str, default: str) -> str:
    value = metadata.get(key, default)
    if not isinstance(value, str):
        raise denied()
    return value
