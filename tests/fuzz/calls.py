"""Calling every method of a running server with what nobody has thought of, and looking at how it answers.

No answer may be INTERNAL, and none may tell of the server's inside: a path, a line of code, a class, or what a database
said.
"""

import re
from collections import Counter
from itertools import count
from time import monotonic
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool, text_format
from google.protobuf.message import Message
from grpc_status import rpc_status
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from domain.refusals import Reason
from ledger.rpc.callers import Role
from ledger.rpc.client import method_names
from ledger.rpc.errors import DETAILS_KEY, PUSHBACK_KEY
from ledger.rpc.identity import CUSTOMER_KEY, PARTICIPANT_KEY, ROLE_KEY
from tests.fuzz.messages import Known, Sent, readable, requests
from tests.people import PASSWORD
from tests.rpc.world import Refusal
from tests.security.requests import REQUESTS
from tests.security.scenes import OTHER_BANK, OWN_BANK, Scene, answer_of, is_stream

DEADLINE: Final = 3.0
"""Some requests wait for a position that never comes, and waiting is not what is looked at here."""
STREAM_DEADLINE: Final = 1.0
SHOWN: Final = 20
DEFECTS: Final = frozenset({grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DATA_LOSS})
LIBRARYS: Final = frozenset({grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.CANCELLED})
"""Codes that the caller's own library gives, without details."""
INSIDE: Final = re.compile(
    r"Traceback|File \"|\.py\b|line \d+, in|\b[A-Z]\w*[a-z]Error\b|\bException\b|0x[0-9a-f]{6,}|object at|<class"
    r"|(?i:asyncio|sqlite|psycopg|postgres|sqlalchemy|msgspec|pydantic|argon2)|grpc\._|/tmp/|/home/|/root/|/usr/"
    r"|\b(?:SELECT|INSERT|UPDATE)\b"
)
"""What no error says to a caller."""
TRAILERS: Final = frozenset({DETAILS_KEY, PUSHBACK_KEY})
FIXED: Final = settings(
    database=None,
    deadline=None,
    phases=(Phase.generate,),
    suppress_health_check=list(HealthCheck),
)


class Fuzzer:
    """Calls a server, and keeps what is wrong with its answers."""

    def __init__(self, address: str, own: Scene, foreign: Scene) -> None:
        self.calls = 0
        self.internal = 0
        self.leaks = 0
        self.codes: Counter[str] = Counter()
        self.problems: list[str] = []
        self._own = own
        self._channel = grpc.insecure_channel(address, [("grpc.enable_retries", 0)])
        self._known = known_of(own, foreign)
        self._callers = callers_of(own)
        self._drawn: dict[str, st.SearchStrategy[Sent]] = {}

    def close(self) -> None:
        """End the connection."""
        self._channel.close()

    def round(self, number: int, examples: int, ends: float = float("inf")) -> None:
        """Call every method with so many requests, the same ones for the same number; stop when it is time."""
        for method in method_names():
            if monotonic() >= ends:
                return
            self._examine(method, number, examples)

    def _examine(self, method: str, number: int, examples: int) -> None:
        if method not in self._drawn:
            _, service, name = method.split("/")
            described = descriptor_pool.Default().FindServiceByName(service).FindMethodByName(name)
            self._drawn[method] = requests(described, lambda: REQUESTS[method](self._own), self._known)
        turns = count(number)

        @seed(number)
        @settings(FIXED, max_examples=examples)
        @given(self._drawn[method])
        def call(request: Sent) -> None:
            self.call(method, request, self._callers[next(turns) % len(self._callers)])

        call()

    def call(self, method: str, request: Sent, caller: tuple[tuple[str, str], ...]) -> None:
        """Make one call, and look at its answer."""
        self.calls += 1
        try:
            self._send(method, request.data, caller)
        except grpc.RpcError as error:
            failed: Any = error
            self.codes[failed.code().name] += 1
            wrong = self._wrong(failed)
            if wrong and len(self.problems) < SHOWN:
                asked = readable(type(REQUESTS[method](self._own)), request.data)
                self.problems.append(f"{method} as {caller}, {request.how}: {wrong}\n{asked}")
        else:
            self.codes["OK"] += 1

    def _send(self, method: str, data: bytes, caller: tuple[tuple[str, str], ...]) -> None:
        answer: type[Message] = answer_of(method)
        if is_stream(method):
            opening: Any = self._channel.unary_stream(method, response_deserializer=answer.FromString)
            stream = opening(data, metadata=caller, timeout=STREAM_DEADLINE)
            next(stream, None)
            stream.cancel()
            return
        call: Any = self._channel.unary_unary(method, response_deserializer=answer.FromString)
        call(data, metadata=caller, timeout=DEADLINE)

    def _wrong(self, failed: Any) -> str:
        """Return what is wrong with an error, empty when nothing is; count it."""
        code, told = failed.code(), words(failed)
        if code in DEFECTS:
            self.internal += 1
            return f"{code.name}: {told}"
        found = INSIDE.search(told) or (PASSWORD in told and re.search(PASSWORD, told))
        strange = {key for key, _ in failed.trailing_metadata() or ()} - TRAILERS
        if found or strange:
            self.leaks += 1
            return f"tells of {found[0] if found else strange}: {told}"
        if rpc_status.from_call(failed) is None:
            return "" if code in LIBRARYS else f"{code.name} without details: {told}"
        return "" if Refusal(failed).reason in Reason.__members__ else f"no reason of ours: {told}"


def words(failed: Any) -> str:
    """Return all that an error says in words."""
    details = [text_format.MessageToString(detail, as_utf8=True) for detail in Refusal(failed).details]
    return " ".join((failed.details() or "", *details))


def known_of(own: Scene, foreign: Scene) -> Known:
    """Return what callers of these scenes could know."""
    given = [value for scene in (own, foreign) for value in scene]
    texts = [value for value in given if isinstance(value, str)]
    return Known(
        (*texts, "+996700000001", "9417000000000000", "12/39", "KGS", "123", "8305"),
        (*(value for value in given if isinstance(value, int)), 1, 100, 1_000),
    )


def callers_of(own: Scene) -> list[tuple[tuple[str, str], ...]]:
    """Return the metadata of callers in every role, and of some that are nobody's."""

    def caller(role: Role | str, participant: str = "", customer: str = "") -> tuple[tuple[str, str], ...]:
        given = {ROLE_KEY: str(role), PARTICIPANT_KEY: participant, CUSTOMER_KEY: customer}
        return tuple((key, value) for key, value in given.items() if value)

    return [
        (),
        caller(Role.BANK, OWN_BANK),
        (),
        caller(Role.APP, customer=own.customer),
        (),
        caller(Role.OPERATOR),
        (),
        caller(Role.BANK, OTHER_BANK),
        (),
        caller(Role.POS, OWN_BANK),
        caller(Role.ATM, OWN_BANK),
        caller(Role.AUDITOR),
        caller("king"),
        caller(Role.APP, OWN_BANK, "nobody"),
    ]
