"""Receipts of fiscal tills (KKM): a payment at one carries the till and its receipt (row S37).

Both are unique together for the account that is credited, the merchant's or its acquirer's: whoever names a till of
somebody else's uses up no receipt of theirs.
"""

from typing import TYPE_CHECKING, Annotated, Final, Self

from pydantic import Field, model_validator

from domain.claim import claim
from domain.command import Command
from domain.event import Change
from domain.ids import claim_id, key_of
from domain.refusals import Reason, Refusal, refuse

if TYPE_CHECKING:
    from domain.books import Books

FISCAL_RECEIPT: Final = "fiscal_receipt"
"""The kind of the claim on a till's receipt number."""


class AtTill(Command):
    """A payment that may have been made at a till."""

    if TYPE_CHECKING:
        credit_account_id: int
        """A field of every command of the kind, each in its own place."""

    till_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,32}$")] = ""
    fiscal_receipt_number: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{0,32}$")] = ""

    @model_validator(mode="after")
    def _whole_receipt(self) -> Self:
        if bool(self.till_id) != bool(self.fiscal_receipt_number):
            raise ValueError("names a till or a fiscal receipt without the other")
        return self

    def receipt_claims(self) -> tuple[bytes, ...]:
        """Return the claim on the receipt, where there is one."""
        return (claim_id(FISCAL_RECEIPT, self._receipt_key()),) if self.till_id else ()

    def receipt_refusal(self, books: "Books") -> Refusal | None:
        """Return the refusal of a receipt that was paid before."""
        if not self.till_id or books.claim(FISCAL_RECEIPT, self._receipt_key()) is None:
            return None
        return refuse(Reason.FISCAL_RECEIPT_SEEN, till_id=self.till_id, receipt=self.fiscal_receipt_number)

    def receipt_claimed(self, holder: bytes, amount: int) -> list[Change]:
        """Return the change that takes the receipt, where there is one."""
        if not self.till_id:
            return []
        return [claim(FISCAL_RECEIPT, self._receipt_key(), holder=holder, amount=amount)]

    def _receipt_key(self) -> str:
        return key_of(str(self.credit_account_id), self.till_id, self.fiscal_receipt_number)
