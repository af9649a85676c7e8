"""Reversing a transfer: what is left of it and its legs moves back, as far as those it went to can give it back."""

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

import msgspec

from domain.command import Amount, Command, Explanation
from domain.event import Change, Context, Leg
from domain.ids import is_reserved
from domain.limits import SpendingReturned, give_back
from domain.refusals import Reason, Refusal, refuse
from domain.transfer import ADJUSTMENT, REVERSAL, CreateTransfer, Transfer, TransferReversed

if TYPE_CHECKING:
    from domain.books import Books


class ReverseTransfer(Command):
    """Move a transfer's money back: all that is left of it and its legs, or ``amount_tyiyn`` of its main part."""

    NAME: ClassVar[str] = "reverse_transfer"

    transfer_id: UUID
    amount_tyiyn: Amount | None = None
    explanation: Explanation = ""

    def target(self) -> UUID:
        """Return the transfer's id."""
        return self.transfer_id

    def needs(self) -> tuple[bytes, ...]:
        """Return the aggregates that must be at hand for the decision."""
        return (self.transfer_id.bytes,)

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the accounts money would leave: those the transfer credited."""
        transfer = books.aggregate(self.transfer_id.bytes)
        if not isinstance(transfer, Transfer):
            return ()
        return (transfer.credit_account, *(leg.credit_account for leg in transfer.legs))

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Reverse what is left, if the credited accounts can give it back."""
        transfer = books.aggregate(self.transfer_id.bytes)
        if not isinstance(transfer, Transfer) or transfer.decline is not None:
            return refuse(Reason.TRANSFER_NOT_FOUND, transfer_id=self.transfer_id)
        if transfer.kind == ADJUSTMENT and is_reserved(transfer.transfer_id):
            return refuse(Reason.ADJUSTMENT_NOT_REVERSIBLE, transfer_id=self.transfer_id)
        if transfer.reversed_whole:
            return refuse(Reason.ALREADY_REVERSED, transfer_id=self.transfer_id)
        if transfer.crossing is not None:
            return refuse(Reason.TRANSFER_CROSSED, transfer_id=self.transfer_id)
        left = transfer.amount - transfer.reversed_amount
        amount = left if self.amount_tyiyn is None else self.amount_tyiyn
        if amount > left:
            return refuse(Reason.OVER_REVERSAL, remaining_tyiyn=left)
        legs = self._legs(transfer, amount)
        refusal = self._guard(books, legs)
        if refusal is not None:
            return refusal
        whole = self.amount_tyiyn is None or (amount == left and all(map(transfer.carries, transfer.legs)))
        event = TransferReversed(
            legs=tuple(legs),
            whole=whole,
            explanation=self.explanation,
            fingerprint=self.fingerprint(),
            spending_returned=_given_back(books, transfer, amount, whole=amount == left),
        )
        return [Change(self.transfer_id.bytes, transfer.version + 1, event)]

    def _legs(self, transfer: Transfer, amount: int) -> list[Leg]:
        """Return what moves back: from the end, so that what went on to a third account comes back first."""
        legs: list[Leg] = []
        for leg in reversed(transfer.legs):
            back = amount if transfer.carries(leg) else leg.amount if self.amount_tyiyn is None else 0
            if back:
                legs.append(Leg(f"{leg.kind}_reversal"[:32], leg.credit_account, leg.debit_account, back))
        if amount:
            legs.append(Leg(REVERSAL, transfer.credit_account, transfer.debit_account, amount))
        return legs

    @staticmethod
    def _guard(books: "Books", legs: list[Leg]) -> Refusal | None:
        first = CreateTransfer(b"", legs[0].debit_account, legs[0].credit_account, legs[0].amount)
        return msgspec.structs.replace(first, legs=tuple(legs[1:])).guard_legs(books)


def _given_back(books: "Books", transfer: Transfer, amount: int, *, whole: bool) -> SpendingReturned | None:
    """Return what a reversal gives back of the limits: to the day on which the quote was confirmed."""
    if transfer.quote is None or not amount:
        return None
    quote: Any = books.aggregate(transfer.quote)
    return give_back(quote.spending, quote.updated_at, amount, whole=whole)
