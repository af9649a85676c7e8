"""The base of every command, and the field types commands share.

Commands are frozen pydantic models named and validated in the caller's own terms: a field's name is the name
of the field in the request, so that a violation's path is the path the caller knows. (``CreateTransfer`` alone
is a plain struct, for speed; see ``domain.transfer``.)
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Annotated, Any, ClassVar
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from domain import forms
from domain.engine import CommandDeclined
from domain.event import Change
from domain.ids import MAX_ACCOUNT
from domain.money import MAX_AMOUNT
from domain.refusals import Reason, Refusal, refuse
from domain.times import SECOND

if TYPE_CHECKING:
    from domain.books import Books
    from domain.event import Context

FINGERPRINT_BYTES = 12


def printable(text: str) -> str:
    """Return a text that holds no control characters; raises ValueError."""
    if not text.isprintable():
        raise ValueError("holds control characters")
    return text


def _in_order(tags: dict[str, str]) -> dict[str, str]:
    """Sort, because a map arrives in any order, and the same content must have the same fingerprint."""
    return dict(sorted(tags.items()))


AccountId = Annotated[int, Field(strict=True, gt=0, lt=MAX_ACCOUNT + 1)]
Amount = Annotated[int, Field(strict=True, gt=0, le=MAX_AMOUNT)]
Limit = Annotated[int, Field(strict=True, ge=0, le=MAX_AMOUNT)]
CurrencyCode = Annotated[str, Field(pattern=forms.whole_or_empty(forms.CURRENCY))]
ParticipantId = Annotated[str, Field(pattern=forms.whole(forms.PARTICIPANT))]
Reference = Annotated[str, Field(max_length=64), AfterValidator(printable)]
Explanation = Annotated[str, Field(max_length=140), AfterValidator(printable)]
MovementKind = Annotated[str, Field(pattern=forms.whole(forms.MOVEMENT_KIND))]
MerchantCategoryCode = Annotated[str, Field(pattern=forms.whole_or_empty(forms.MERCHANT_CATEGORY))]
EntryMode = Annotated[str, Field(pattern=forms.whole_or_empty(forms.ENTRY_MODE))]
AcquirerId = Annotated[str, Field(pattern=forms.whole_or_empty(forms.ACQUIRER))]
TagKey = Annotated[str, Field(min_length=1, max_length=32), AfterValidator(printable)]
TagValue = Annotated[str, Field(max_length=64), AfterValidator(printable)]
Tags = Annotated[dict[TagKey, TagValue], Field(max_length=8), AfterValidator(_in_order)]
MerchantName = Annotated[str, Field(max_length=40), AfterValidator(printable)]
EffectiveTime = Annotated[int, Field(strict=True, ge=0, lt=2**62)]
"""Microseconds since the Unix epoch."""
Operator = Annotated[str, Field(min_length=1, max_length=64), AfterValidator(printable)]
"""The authenticated name of a caller, where the decision depends on who it is."""


class Command(BaseModel):
    """Something a caller asks for. ``NAME`` names it in records of declined commands."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    NAME: ClassVar[str]
    SECRETS: ClassVar[frozenset[str]] = frozenset()
    """Fields that stay out of the fingerprint (CVV, PIN, password, codes, tried amounts)."""
    UNKEPT: ClassVar[Mapping[str, Any]] = {}
    """Fields that no record of a refusal holds (secrets, personal data, what was drawn at random for an acceptance).

    Each with a value that may stand in its place when the refusal is decided again: no recorded refusal depends on it.
    """

    def fingerprint(self) -> str:
        """Return what tells this request's content from any other's, without the content itself."""
        content = self.model_dump_json(exclude=set(self.SECRETS) | {"expected_version"}, exclude_defaults=True)
        return blake2b(f"{self.NAME}:{content}".encode(), digest_size=FINGERPRINT_BYTES).hexdigest()

    def inputs(self, *names: str) -> dict[str, Any]:
        """Return what was asked and what ports said, or some of it, as JSON holds it.

        What is left out has its default, or is UNKEPT. A version that was expected is left out too: a refusal for
        another one is not recorded.
        """
        fields = type(self).model_fields
        wanted = set(names or fields) - {"expected_version", *self.UNKEPT}
        named = {name for name in wanted if getattr(self, name) != fields[name].default}
        return self.model_dump(mode="json", include=named)

    def decided_in(self) -> int:
        """Return the partition that decides it: 0, unless it is about an account that lives in another."""
        return 0

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the accounts whose available balance the decision may read."""
        return ()

    def target(self) -> UUID | None:
        """Return the id, in the log, of what the command is about; None when it makes something new."""
        return None

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates, other than accounts, that the decision is known to need before it begins.

        Whatever else it asks the books for is looked up when it turns out to be missing, and the command decided
        again: naming it here only spares that round.
        """
        return ()

    def claims(self) -> tuple[bytes, ...]:
        """Return the claims the decision looks at.

        They need not be at hand: a key that is not known to be taken counts as free until the log says otherwise.
        But a refusal must not stand in the place of the one that an unknown claim would have led to.
        """
        return ()

    def declined(self, books: "Books", refusal: Refusal, context: "Context") -> "list[Change]":
        """Return the changes that record a refusal for good, appended together; the first is the outcome."""
        event = CommandDeclined(
            command=self.NAME,
            reason=refusal.reason.name,
            detail=dict(refusal.metadata),
            target=self.target(),
            fingerprint=self.fingerprint(),
            inputs=self.inputs(),
        )
        return [Change(context.request_id, 1, event)]

    def decide(self, books: "Books", context: "Context") -> "list[Change] | Refusal":
        """Return the changes that carry the command out, or why it is refused."""
        raise TypeError(f"{self.NAME} cannot be decided")


def effective_refusal(effective_time: int | None, context: "Context") -> Refusal | None:
    """Return the refusal of an effective time in the future or too far back."""
    if effective_time is None:
        return None
    earliest = context.now - context.policy.effective_time_back_seconds * SECOND
    if earliest <= effective_time <= context.now:
        return None
    return refuse(Reason.EFFECTIVE_TIME_OUT_OF_BOUNDS, earliest=earliest, latest=context.now)
