"""Records of clearing: each is taken once, by the reference that it carries.

References of one acquirer say nothing of another's: a record that names its acquirer is unique among theirs, one that
names none among all that name none.
"""

from typing import TYPE_CHECKING, Annotated, Final

from pydantic import Field

from domain.claim import claim
from domain.command import AcquirerId, Command, Reference
from domain.event import Change
from domain.ids import claim_id, key_of
from domain.refusals import Reason, Refusal, refuse

if TYPE_CHECKING:
    from domain.books import Books

CLEARING_CLAIM: Final = "clearing_reference"
ACQUIRERS_CLEARING_CLAIM: Final = "acquirer_clearing_reference"

ClearingReference = Annotated[Reference, Field(min_length=1)]


class Cleared(Command):
    """A command that carries out, or is about, one record of clearing."""

    acquirer_id: AcquirerId = ""
    if TYPE_CHECKING:
        clearing_reference: ClearingReference
        """A field of every command of the kind, each in its own place."""

    def claims(self) -> tuple[bytes, ...]:
        """Return the claim on the clearing reference."""
        return (self.clearing_id(),)

    def clearing_id(self) -> bytes:
        """Return the id of the claim on the clearing reference."""
        return claim_id(*self._clearing_key())

    def cleared_refusal(self, books: "Books") -> Refusal | None:
        """Return the refusal of a record that was taken before."""
        if books.claim(*self._clearing_key()) is None:
            return None
        return refuse(Reason.CLEARING_REFERENCE_SEEN, clearing_reference=self.clearing_reference)

    def clearing_claimed(self, holder: bytes, amount: int) -> Change:
        """Return the change that takes the reference."""
        return claim(*self._clearing_key(), holder=holder, amount=amount)

    def _clearing_key(self) -> tuple[str, str]:
        """Return the kind and the key of the claim."""
        if not self.acquirer_id:
            return CLEARING_CLAIM, self.clearing_reference
        return ACQUIRERS_CLEARING_CLAIM, key_of(self.acquirer_id, self.clearing_reference)
