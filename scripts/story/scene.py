"""The stage of the story: one server, everybody who calls it in a role of their own, and what they were told.

Whatever was told to one person or phone alone is remembered, and so is the text of every error, so that a test can look
for the one in the other, and in whatever the server wrote.
"""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Self

import grpc

from ledger.rpc.callers import Role
from ledger.rpc.client import Ledger
from ledger.rpc.identity import CALLER_KEY, CUSTOMER_KEY, PARTICIPANT_KEY, ROLE_KEY
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.service_directory_pb2 import LANGUAGE_EN, LANGUAGE_KY, LANGUAGE_RU, Language
from scripts.demo_client import CHANNEL_OPTIONS, Answer, answer_of
from scripts.voice import Discrepancy, Voice

CALL_SECONDS: Final = 15.0
LANGUAGES: Final[dict[str, Language.ValueType]] = {"ky": LANGUAGE_KY, "ru": LANGUAGE_RU, "en": LANGUAGE_EN}
"""What receipts and messages of the story can be written in."""


class Scene:
    """A server and those who call it. A context manager."""

    def __init__(self, address: str, codes: Path, voice: Voice, language: Language.ValueType = LANGUAGE_KY) -> None:
        self.voice = voice
        self.language = language
        """What receipts and messages are written in."""
        self.position = LogPosition()
        """The place of the last thing that was written: what is read next must show it."""
        self.calls: Counter[str] = Counter()
        """How often each role has called."""
        self.secrets: set[str] = set()
        self.errors: list[str] = []
        """The details and the metadata of every call that was refused, as text."""
        self._codes = codes
        self._channel = grpc.insecure_channel(address, CHANNEL_OPTIONS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    # Who calls.

    def app(self, customer_id: str = "") -> Ledger:
        """Return the application's connection, acting for a customer when there is one."""
        return self._calling("elcart-mobile", Role.APP, customer=customer_id)

    def bank(self, participant: str) -> Ledger:
        """Return a bank's own."""
        return self._calling(f"{participant}.core", Role.BANK, participant)

    def atm(self, participant: str) -> Ledger:
        """Return that of a bank's host of ATMs."""
        return self._calling(f"{participant}.atm", Role.ATM, participant)

    def pos(self, participant: str) -> Ledger:
        """Return that of a bank's host of points of sale."""
        return self._calling(f"{participant}.pos", Role.POS, participant)

    def operator(self, name: str = "operator-1") -> Ledger:
        """Return that of somebody of the scheme's staff."""
        return self._calling(name, Role.OPERATOR)

    def _calling(self, name: str, role: Role, participant: str = "", customer: str = "") -> Ledger:
        said = {CALLER_KEY: name, ROLE_KEY: role.value, PARTICIPANT_KEY: participant, CUSTOMER_KEY: customer}
        metadata = tuple((key, value) for key, value in said.items() if value)
        saying = _Saying(metadata, lambda: self.calls.update((role.value,)))
        return Ledger(grpc.intercept_channel(self._channel, saying), caller="")

    # Calls.

    def do(self, method: Callable[..., Any], request: Any) -> Any:
        """Call a method that must succeed; what it wrote is what later reads show."""
        try:
            answer = method(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            self._heard(error)
            raise
        receipt = getattr(answer, "receipt", None)
        if receipt is not None and receipt.position > self.position.position:
            self.position = LogPosition(partition=receipt.partition, position=receipt.position)
        return answer

    def refused(self, method: Callable[..., Any], request: Any, reason: str) -> Answer:
        """Call a method that must be refused for this reason; raises Discrepancy for any other outcome."""
        try:
            method(request, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            self._heard(error)
            answer = answer_of(error)
            expect("the reason of a refusal", answer.reason, reason)
            return answer
        raise Discrepancy(f"accepted, but must be refused with {reason}: {request.DESCRIPTOR.name}")

    def _heard(self, error: grpc.RpcError) -> None:
        call: Any = error
        self.errors.append(f"{call.details()} {call.trailing_metadata()} {call.debug_error_string()}")

    # What only one person is told.

    def secret(self, *values: str) -> None:
        """Remember what must stand nowhere."""
        self.secrets |= set(values)

    def sms_code(self, customer_id: str) -> str:
        """Read the last code that was sent to a customer, from the file that takes the place of a sender of SMS."""
        sent = [line.split() for line in self._codes.read_text("ascii").splitlines()]
        code = [code for whose, code in sent if whose == customer_id][-1]
        self.secret(code)
        return code


class _Saying(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor):
    """Adds to every call who makes it, as a development server is told, and counts it."""

    def __init__(self, metadata: tuple[tuple[str, str], ...], count: Callable[[], None]) -> None:
        self._metadata = metadata
        self._count = count

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._said(details), request)

    def intercept_unary_stream(self, continuation: Any, details: Any, request: Any) -> Any:
        return continuation(self._said(details), request)

    def _said(self, details: Any) -> Any:
        self._count()
        return details._replace(metadata=(*(details.metadata or ()), *self._metadata))


def expect(what: str, found: object, wanted: object) -> None:
    """Raise Discrepancy unless something is as it must be."""
    if found != wanted:
        raise Discrepancy(f"{what} is {found!r}, must be {wanted!r}")
