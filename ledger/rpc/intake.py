"""Reading a request: everything that is wrong with it is found at once, and named by the caller's own paths.

Values that do not parse are noted and stand-ins put in their place, so that the command's own rules can still be
tried on the rest; ``build`` raises if anything was noted.
"""

from collections.abc import Mapping
from typing import Any, Final, TypeVar
from uuid import UUID

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, ValidationError

from domain import ids
from domain.forms import PARTICIPANT
from domain.refusals import Violation
from domain.times import SECOND
from ledger.rpc import errors

M = TypeVar("M", bound=BaseModel)
E = TypeVar("E")

NOBODY: Final = UUID(int=0)
_MAX_SECONDS: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, the last second a Timestamp may hold."""
_NANOS: Final = 1_000_000_000


class Intake:
    """What is wrong with one request. ``prefix`` is put before every path of it."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self.violations: list[Violation] = []

    def wrong(self, field: str, rule: str, description: str) -> None:
        """Note that a field breaks a rule."""
        path = f"{self._prefix}.{field}" if self._prefix else field
        self.violations.append(Violation(path, rule, description))

    def request_id(self, text: str) -> bytes:
        """Return the 16 bytes of the required UUID that a caller has made for its request."""
        known = len(self.violations)
        parsed = self.known_id(text, "request_id")
        if len(self.violations) == known and ids.is_reserved(parsed):
            self.wrong("request_id", "RESERVED", "is of a kind the ledger makes itself: use a UUID of version 7 or 4")
        return parsed

    def known_id(self, text: str, field: str) -> bytes:
        """Return the 16 bytes of a required UUID that names something."""
        if not text:
            self.wrong(field, "MISSING", "is required")
            return NOBODY.bytes
        try:
            return ids.parse_uuid(text)
        except ValueError as error:
            self.wrong(field, "UUID", f"is {error}")
            return NOBODY.bytes

    def uuid(self, text: str, field: str) -> UUID:
        """Return a required UUID."""
        return UUID(bytes=self.known_id(text, field))

    def account_id(self, account: int, field: str) -> int:
        """Return a required account id."""
        if not 0 < account <= ids.MAX_ACCOUNT:
            self.wrong(field, "RANGE", "is not from 1 to 2^53 - 1")
        return account

    def participant_id(self, text: str, field: str) -> str:
        """Return a required participant's id."""
        if not PARTICIPANT.fullmatch(text):
            self.wrong(field, "PATTERN", "is not 1 to 32 of a-z, 0-9 and -")
        return text

    def choice(self, value: int, table: Mapping[int, E], field: str) -> E:
        """Return what a required enum value stands for. Enums are open: a number may have no name."""
        chosen = table.get(value)
        if chosen is None:
            if value == 0:
                self.wrong(field, "MISSING", "is required")
            else:
                self.wrong(field, "UNKNOWN_VALUE", f"has no value {value}")
            return next(iter(table.values()))
        return chosen

    def time(self, timestamp: Timestamp, field: str) -> int:
        """Return microseconds since the Unix epoch; what is finer than that is cut off."""
        if not 0 <= timestamp.seconds <= _MAX_SECONDS or not 0 <= timestamp.nanos < _NANOS:
            self.wrong(field, "TIMESTAMP", "is not a time from 1970 to 9999")
            return 0
        return timestamp.seconds * SECOND + timestamp.nanos // 1000

    def build(self, model: type[M], values: Mapping[str, Any], paths: dict[str, str] | None = None) -> M:
        """Return the model with these values; raises Refused with everything that was noted.

        ``paths`` maps the model's fields to those of the request where they differ.
        """
        try:
            built = model(**values)
        except ValidationError as error:
            noted = {violation.field for violation in self.violations}
            found = errors.violations(error, prefix=self._prefix, paths=paths)
            if noted:
                noted.add(self._prefix or errors.WHOLE)  # What is wrong with the whole may follow from the stand-ins.
            self.violations += [violation for violation in found if violation.field not in noted]
            raise errors.invalid_fields(self.violations) from None
        self.check()
        return built

    def check(self) -> None:
        """Raise Refused if anything was noted."""
        if self.violations:
            raise errors.invalid_fields(self.violations)


def given(**fields: Any) -> dict[str, Any]:
    """Return those fields that are not empty, where empty is what the command, or the message, has by default.

    A rule that is not tried takes no time, nor does a field that is not set, and most are left out of most messages.
    """
    return {name: value for name, value in fields.items() if value}


def tags(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels in the order of their keys: a map has none on the wire, and a fingerprint needs one."""
    return dict(sorted(labels.items()))


def set_timestamp(message: Timestamp, microseconds: int) -> None:
    """Set a point in time that stands within another message."""
    message.seconds, rest = divmod(microseconds, SECOND)
    message.nanos = rest * 1000


def timestamp(microseconds: int) -> Timestamp:
    """Return a point in time as it stands on the wire."""
    seconds, rest = divmod(microseconds, SECOND)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def parsed(text: str) -> bytes | None:
    """Return the 16 bytes of an id, None when the text is none."""
    try:
        return ids.parse_uuid(text)
    except ValueError:
        return None
