"""Noting privileged reads before they are answered.

Noted is every call of AuditService, whoever makes it, and every other read by a role that may read what is not its own.
What tells of a person in a question, a telephone number or a card's, is left out: the log of reads keeps it for ever.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from google.protobuf.json_format import MessageToJson, SerializeToJsonError
from google.protobuf.text_format import MessageToString

from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from ledger.audit.access import Access, AccessLog, Note
from ledger.log.errors import LogError
from ledger.rpc.callers import Role
from ledger.rpc.calls import Call
from ledger.rpc.permissions import PRIVILEGED_READS

PACKAGE: Final = "/esep.v1."
AUDIT: Final = f"{PACKAGE}AuditService/"
WITHHELD: Final = "[withheld]"
PERSONAL: Final = ("phone_number", "login", "card_number", "token_number")
"""Fields of questions that are not noted."""
_PRIVILEGED: Final = frozenset({Role.AUDITOR, Role.OPERATOR})


class Accesses:
    """Notes reads on a thread of its own, and lists them."""

    def __init__(self, log: AccessLog, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, "esep-access")

    async def note(self, method: str, request: Any, call: Call) -> None:
        """Note a read, if it is one that is noted; raises Refused when it cannot be."""
        who = call.who
        if not method.startswith(AUDIT) and not (who.role in _PRIVILEGED and method in PRIVILEGED_READS):
            return
        note = Note(self._clock.now(), who.name, who.role.value, method.removeprefix(PACKAGE), asked(request))
        await self._run(self._log.note, note)

    async def read(self, after: int, upto: int, limit: int, **wanted: Any) -> list[Access]:
        """Return noted reads in order; raises Refused."""
        found: list[Access] = await self._run(lambda: self._log.read(after=after, upto=upto, limit=limit, **wanted))
        return found

    async def head(self) -> int:
        """Return the number of the newest; raises Refused."""
        newest: int = await self._run(self._log.head)
        return newest

    def close(self) -> None:
        """Note nothing more."""
        self._thread.shutdown(wait=True)
        self._log.close()

    async def _run(self, function: Any, *arguments: Any) -> Any:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, function, *arguments)
        except LogError:
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE)) from None


def asked(request: Any) -> str:
    """Return a question as it is noted: as protobuf JSON, or as protobuf text where a value has no form in JSON."""
    named = {field.name for field, _ in request.ListFields()}
    if named.intersection(PERSONAL):
        kept = type(request)()
        kept.CopyFrom(request)
        for name in named.intersection(PERSONAL):
            setattr(kept, name, WITHHELD)
        request = kept
    try:
        return MessageToJson(request, preserving_proto_field_name=True, indent=None, ensure_ascii=False)
    except SerializeToJsonError:
        return MessageToString(request, as_one_line=True)
