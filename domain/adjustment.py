"""Adjustments: corrections by hand, proposed by one operator and posted by the approval of another.

An approved adjustment is a transfer of the kind ``adjustment``, appended together with the approval, and guarded as
any transfer is: it moves no money that is not there, and nothing from or to an account that is frozen or closed. It
is not reversed as other transfers are, which would take one operator: another adjustment takes it back.
"""

from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, Field

from domain.command import Command, Operator, Reference, printable
from domain.event import Change, Context
from domain.ids import derived_id
from domain.proposal import OnProposal, Proposal, Proposed, RejectProposal, expiry
from domain.refusals import Refusal
from domain.transfer import ADJUSTMENT, BetweenTwo, CreateTransfer

if TYPE_CHECKING:
    from domain.books import Books

Why = Annotated[str, Field(min_length=1, max_length=140), AfterValidator(printable)]


class AdjustmentProposed(Proposed, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """An operator proposed to move ``amount`` tyiyn by hand."""

    TOPIC: ClassVar[str] = "adjustment.proposed.v1"

    debit_account: int
    credit_account: int
    amount: int
    reference: str = ""


def transfer_of(proposal_id: bytes, proposed: AdjustmentProposed) -> CreateTransfer:
    """Return the transfer that an approval posts."""
    return CreateTransfer(
        derived_id(proposal_id, ADJUSTMENT),
        proposed.debit_account,
        proposed.credit_account,
        proposed.amount,
        kind=ADJUSTMENT,
        reference=proposed.reference,
    )


class ProposeAdjustment(Command, BetweenTwo):
    """Propose a movement of money by hand. Nothing moves yet."""

    NAME: ClassVar[str] = "propose_adjustment"

    explanation: Why
    reference: Reference = ""
    operator: Operator

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the account money would leave."""
        return (self.debit_account_id,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guard it as the transfer that it is to become, so that nobody is asked to approve what cannot be."""
        proposed = AdjustmentProposed(
            debit_account=self.debit_account_id,
            credit_account=self.credit_account_id,
            amount=self.amount_tyiyn,
            reference=self.reference,
            maker=self.operator,
            explanation=self.explanation,
            expires_at=expiry(context),
            fingerprint=self.fingerprint(),
        )
        refusal = transfer_of(context.request_id, proposed).guard(books, context)
        if refusal is not None:
            return refusal
        return [Change(context.request_id, 1, proposed)]


class ApproveAdjustment(OnProposal):
    """Approve an adjustment: the money moves."""

    NAME: ClassVar[str] = "approve_adjustment"
    KIND: ClassVar[type[Proposed]] = AdjustmentProposed

    def touched_accounts(self, books: "Books") -> tuple[int, ...]:
        """Return the account money would leave."""
        found = books.aggregate(self.proposal_id.bytes)
        if not isinstance(found, Proposal) or not isinstance(found.content, AdjustmentProposed):
            return ()
        return (found.content.debit_account,)

    def decide(self, books: "Books", context: Context) -> list[Change] | Refusal:
        """Guards in order: the proposal, a second operator, then those of the transfer."""
        found = self.approvable(books, context.now)
        if isinstance(found, Refusal):
            return found
        if not isinstance(found.content, AdjustmentProposed):
            raise TypeError("an adjustment without its content")
        transfer = transfer_of(found.proposal_id, found.content)
        refusal = transfer.guard(books, context)
        if refusal is not None:
            return refusal
        return [
            self.approval(found, transfer.request_id),
            Change(transfer.request_id, 1, transfer.posted()),
        ]


class RejectAdjustment(RejectProposal):
    """Reject an adjustment."""

    NAME: ClassVar[str] = "reject_adjustment"
    KIND: ClassVar[type[Proposed]] = AdjustmentProposed
