"""Telling what a request did: one way for first answers, repeats and GetOutcome alike."""

from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TYPE_CHECKING, TypeVar

from google.protobuf.message import Message

from domain import ids
from domain.account import Account
from domain.adjustment import AdjustmentProposed
from domain.alias import Alias
from domain.authorization import Authorization, ForcePosted, RefundAuthorized, RefundPosted
from domain.binding import Binding
from domain.bulk import Bulk, BulkLegReversed
from domain.card import Card
from domain.claim import Claim, EarlyReversalRecorded, SettlementNoticed
from domain.credit import CreditFile
from domain.customer import Customer
from domain.device import Device
from domain.participant import Participant
from domain.payee import Payee
from domain.payment import Payment, PaymentConfirmed
from domain.proposal import Proposal
from domain.published import PublishedRules
from domain.publishing import RulesProposed
from domain.quote import Quote
from domain.token import Token
from domain.transfer import BatchPosted, Transfer, TransferReversed
from domain.transfer_qr import TransferQr
from ledger.rpc.aliases import Aliases
from ledger.rpc.bindings import Bindings
from ledger.rpc.customers import Customers
from ledger.rpc.errors import message
from ledger.rpc.facts import AccountFacts
from ledger.rpc.gateway import Gateway
from ledger.rpc.guard import told
from ledger.rpc.outcomes import Done, declined
from ledger.rpc.quotes import Quotes
from ledger.rpc.translate import authorization_answers as answers
from ledger.rpc.translate import bulk as bulks
from ledger.rpc.translate.account import account_message
from ledger.rpc.translate.adjustment import adjustment_message
from ledger.rpc.translate.card import card_message
from ledger.rpc.translate.common import receipt
from ledger.rpc.translate.credit import credit_file_message
from ledger.rpc.translate.participant import participant_message
from ledger.rpc.translate.payment import payee_message
from ledger.rpc.translate.rules_answers import proposal_message, rules_message
from ledger.rpc.translate.transfer import reversal_message, transfer_message
from protos.esep.v1 import adjustment_pb2, authorization_pb2, common_pb2, rules_pb2, token_pb2, transfer_pb2
from protos.esep.v1.transfer_service_pb2 import GetOutcomeResponse

if TYPE_CHECKING:
    from ledger.rpc.payments import Payments
    from ledger.rpc.tokens import Tokens

T = TypeVar("T")

Tell = Callable[[Done], Message | Awaitable[Message]]
"""Makes the message of an outcome."""


class Teller:
    """Makes messages of outcomes; knows what accounts' banks and currencies are."""

    def __init__(
        self,
        gateway: Gateway,
        facts: AccountFacts,
        customers: Customers,
        bindings: Bindings,
        aliases: Aliases,
        quotes: Quotes,
        tokens: "Tokens",
        payments: "Payments",
    ) -> None:
        self._gateway = gateway
        self._facts = facts
        self._tokens = tokens
        self._told: dict[type, tuple[str, Tell]] = {
            BatchPosted: ("transfer_batch", lambda done: self._batch(done, expect(done.event, BatchPosted))),
            TransferReversed: ("transfer_reversal", _reversal),
            EarlyReversalRecorded: ("kept_reversal", self.kept_reversal),
            ForcePosted: ("force_posting", self.force_posting),
            RefundAuthorized: ("refund_authorization", self.refund_authorization),
            RefundPosted: ("refund", self.refund),
            SettlementNoticed: ("settlement_notice", self.settlement_notice),
            Transfer: ("transfer", lambda done: self.transfer(expect(done.subject, Transfer))),
            Account: ("account", lambda done: account_message(expect(done.subject, Account))),
            Customer: ("customer", lambda done: customers.message(expect(done.subject, Customer), done.recorded_at)),
            Authorization: (
                "authorization",
                lambda done: self.authorization(expect(done.subject, Authorization), done.recorded_at),
            ),
            Payee: ("payee", lambda done: payee_message(expect(done.subject, Payee))),
            PaymentConfirmed: ("payment", payments.standing),
            Payment: ("payment", payments.outcome),
            Card: ("card", lambda done: card_message(expect(done.subject, Card))),
            Binding: (
                "card_binding",
                lambda done: bindings.message(expect(done.subject, Binding), done.recorded_at),
            ),
            Token: ("token", lambda done: self.token(expect(done.subject, Token), done.recorded_at)),
            Device: ("device", lambda done: tokens.device(expect(done.subject, Device))),
            Alias: ("alias", lambda done: aliases.message(expect(done.subject, Alias))),
            Quote: ("quote", lambda done: quotes.message(expect(done.subject, Quote))),
            TransferQr: ("transfer_qr", lambda done: quotes.qr(expect(done.subject, TransferQr))),
            Participant: ("participant", lambda done: participant_message(expect(done.subject, Participant))),
            PublishedRules: ("rules", _rules),
            Bulk: ("bulk", lambda done: bulks.bulk_message(expect(done.subject, Bulk))),
            BulkLegReversed: ("bulk_leg_reversal", _leg_reversal),
            CreditFile: ("credit_file", lambda done: credit_file_message(expect(done.subject, CreditFile))),
            AdjustmentProposed: ("adjustment", proposed_adjustment),
            RulesProposed: ("rules_proposal", proposed_rules),
        }
        """How each kind of outcome is told: by its event where that is the whole of it, else by its subject."""

    async def transfer(self, transfer: Transfer) -> transfer_pb2.Transfer:
        """Return a transfer as it is told."""
        facts = await self._facts.of(transfer.debit_account)
        return transfer_message(transfer, facts.currency_code)

    async def authorization(self, authorization: Authorization, now: int) -> authorization_pb2.Authorization:
        """Return an authorisation as it is told at a moment."""
        return answers.authorization_message(authorization, await self._facts.of(authorization.account), now)

    def kept_reversal(self, done: Done) -> authorization_pb2.KeptReversal:
        """Return a reversal that waits for its original."""
        return answers.kept_reversal_message(done, expect(done.event, EarlyReversalRecorded))

    async def force_posting(self, done: Done) -> authorization_pb2.ForcePosting:
        """Return a force post as it is told."""
        event = expect(done.event, ForcePosted)
        return answers.force_posting_message(done, event, await self._facts.of(event.account))

    async def refund_authorization(self, done: Done) -> authorization_pb2.RefundAuthorization:
        """Return an announced refund as it is told."""
        event = expect(done.event, RefundAuthorized)
        return answers.refund_authorization_message(done, event, await self._facts.of(event.account))

    async def refund(self, done: Done) -> authorization_pb2.Refund:
        """Return a posted refund as it is told."""
        event = expect(done.event, RefundPosted)
        return answers.refund_message(done, event, await self._facts.of(event.account))

    async def token(self, token: Token, now: int) -> token_pb2.Token:
        """Return a token as it is told at ``now``."""
        return await self._tokens.message(token, now)

    def settlement_notice(self, done: Done) -> authorization_pb2.SettlementNotice:
        """Return the notice of a settlement as it is told."""
        return answers.settlement_notice_message(
            done, expect(done.event, SettlementNoticed), expect(done.subject, Claim)
        )

    async def outcome(self, done: Done) -> GetOutcomeResponse:
        """Return what a request did, or why it was declined, under the field of its kind."""
        answer = GetOutcomeResponse(receipt=receipt(done))
        refusal = declined(done.event)
        if refusal is not None:
            answer.refusal.CopyFrom(
                common_pb2.Refusal(
                    reason=refusal.reason.name, message=message(refusal), metadata=told(refusal).metadata
                )
            )
            return answer
        field, tell = self._told.get(type(done.event)) or self._told[_kind(done.subject)]
        outcome = tell(done)
        getattr(answer, field).CopyFrom(await outcome if isawaitable(outcome) else outcome)
        return answer

    async def _batch(self, done: Done, event: BatchPosted) -> transfer_pb2.TransferBatch:
        members = await self._gateway.in_thread(self._gateway.outcomes.batch_members, done, event.count)
        return transfer_pb2.TransferBatch(
            batch_id=ids.format_uuid(done.request_id),
            transfer_ids=[ids.format_uuid(member) for member in members],
            positions=range(done.position + 1, done.position + 1 + event.count),
        )


def _kind(subject: object) -> type:
    """Return the kind of an aggregate; a proposal is of the kind of what it proposes."""
    return type(subject.content) if isinstance(subject, Proposal) else type(subject)


def proposed_adjustment(done: Done) -> adjustment_pb2.Adjustment:
    """Return an adjustment as a request left it; raises TypeError where the request was about none."""
    proposal = expect(done.subject, Proposal)
    return adjustment_message(proposal, expect(proposal.content, AdjustmentProposed), done.recorded_at)


def proposed_rules(done: Done) -> rules_pb2.RulesProposal:
    """Return a proposal of rules as a request left it; raises TypeError where the request was about none."""
    proposal = expect(done.subject, Proposal)
    return proposal_message(proposal, expect(proposal.content, RulesProposed), done.recorded_at)


def _rules(done: Done) -> Message:
    published = expect(done.subject, PublishedRules)
    return rules_message(published.versions[-1], published)


def _leg_reversal(done: Done) -> Message:
    return bulks.reversal_message(done, expect(done.event, BulkLegReversed), expect(done.subject, Bulk))


def _reversal(done: Done) -> Message:
    return reversal_message(done, expect(done.event, TransferReversed), expect(done.subject, Transfer))


def expect(value: object, kind: type[T]) -> T:
    """Return a value that is of this kind, by the invariants of the log; raises TypeError if it is not."""
    if not isinstance(value, kind):
        raise TypeError(f"the log holds {type(value).__name__} where {kind.__name__} belongs")
    return value
