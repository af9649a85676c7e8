"""Who is calling: a port, so that certificates or signed tokens take the place of the development identity."""

import re
from typing import Final, Protocol

from domain.refusals import Reason, Refused, refuse
from ledger.rpc.calls import Context

CALLER_KEY: Final = "esep-caller"
DEVELOPER: Final = "dev"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@-]{0,63}")

Metadata = dict[str, str | bytes]


class Identity(Protocol):
    """Tells who is calling; raises Refused(PERMISSION_DENIED) for somebody it does not know."""

    def caller(self, context: Context, metadata: Metadata) -> str: ...


class DevelopmentIdentity:
    """Believes what the metadata ``esep-caller`` says, ``dev`` when it says nothing. Never for production."""

    def caller(self, context: Context, metadata: Metadata) -> str:
        name = metadata.get(CALLER_KEY, DEVELOPER)
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refused(refuse(Reason.PERMISSION_DENIED))
        return name


class CertificateIdentity:
    """Takes the name in the client's verified certificate: its subject alternative name, else its common name."""

    def caller(self, context: Context, metadata: Metadata) -> str:
        peer = context.auth_context()
        for property_name in ("x509_subject_alternative_name", "x509_common_name"):
            for value in peer.get(property_name, ()):
                name = value.decode("ascii", "replace")
                if _NAME.fullmatch(name):
                    return name
        raise Refused(refuse(Reason.PERMISSION_DENIED))
