"""Telling what a request did: one way for first answers, repeats and GetOutcome alike."""

from typing import TypeVar

from domain import ids
from domain.account import Account
from domain.adjustment import AdjustmentProposed
from domain.alias import Alias
from domain.authorization import Authorization, ForcePosted, RefundAuthorized, RefundPosted
from domain.card import Card
from domain.claim import Claim, EarlyReversalRecorded, SettlementNoticed
from domain.customer import Customer
from domain.participant import Participant
from domain.proposal import Proposal
from domain.published import PublishedRules
from domain.publishing import RulesProposed
from domain.quote import Quote
from domain.transfer import BatchPosted, Transfer, TransferReversed
from domain.transfer_qr import TransferQr
from ledger.rpc.aliases import Aliases
from ledger.rpc.customers import Customers
from ledger.rpc.errors import message
from ledger.rpc.facts import AccountFacts
from ledger.rpc.gateway import Gateway
from ledger.rpc.outcomes import Done, declined
from ledger.rpc.quotes import Quotes
from ledger.rpc.translate import authorization_answers as answers
from ledger.rpc.translate.account import account_message
from ledger.rpc.translate.adjustment import adjustment_message
from ledger.rpc.translate.card import card_message
from ledger.rpc.translate.common import receipt
from ledger.rpc.translate.participant import participant_message
from ledger.rpc.translate.rules_answers import proposal_message, rules_message
from ledger.rpc.translate.transfer import reversal_message, transfer_message
from protos.esep.v1 import authorization_pb2, common_pb2, transfer_pb2
from protos.esep.v1.transfer_service_pb2 import GetOutcomeResponse

T = TypeVar("T")


class Teller:
    """Makes messages of outcomes; knows what accounts' banks and currencies are."""

    def __init__(
        self, gateway: Gateway, facts: AccountFacts, customers: Customers, aliases: Aliases, quotes: Quotes
    ) -> None:
        self._gateway = gateway
        self._facts = facts
        self._customers = customers
        self._aliases = aliases
        self._quotes = quotes

    async def transfer(self, transfer: Transfer) -> transfer_pb2.Transfer:
        """Return a transfer as it is told."""
        facts = await self._facts.of(transfer.debit_account)
        return transfer_message(transfer, facts.currency_code)

    async def authorization(self, authorization: Authorization, now: int) -> authorization_pb2.Authorization:
        """Return an authorization as it is told at a moment."""
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

    def settlement_notice(self, done: Done) -> authorization_pb2.SettlementNotice:
        """Return the notice of a settlement as it is told."""
        return answers.settlement_notice_message(
            done, expect(done.event, SettlementNoticed), expect(done.subject, Claim)
        )

    async def outcome(self, done: Done) -> GetOutcomeResponse:
        """Return what a request did, or why it was declined, under the field of its kind."""
        answer = GetOutcomeResponse(receipt=receipt(done))
        refusal = declined(done.event)
        event, subject = done.event, done.subject
        if refusal is not None:
            answer.refusal.CopyFrom(
                common_pb2.Refusal(reason=refusal.reason.name, message=message(refusal), metadata=refusal.metadata)
            )
        elif isinstance(event, BatchPosted):
            answer.transfer_batch.CopyFrom(await self._batch(done, event))
        elif isinstance(event, TransferReversed):
            answer.transfer_reversal.CopyFrom(reversal_message(done, event, expect(subject, Transfer)))
        elif isinstance(event, EarlyReversalRecorded):
            answer.kept_reversal.CopyFrom(self.kept_reversal(done))
        elif isinstance(event, ForcePosted):
            answer.force_posting.CopyFrom(await self.force_posting(done))
        elif isinstance(event, RefundAuthorized):
            answer.refund_authorization.CopyFrom(await self.refund_authorization(done))
        elif isinstance(event, RefundPosted):
            answer.refund.CopyFrom(await self.refund(done))
        elif isinstance(event, SettlementNoticed):
            answer.settlement_notice.CopyFrom(self.settlement_notice(done))
        elif isinstance(subject, Transfer):
            answer.transfer.CopyFrom(await self.transfer(subject))
        elif isinstance(subject, Customer):
            answer.customer.CopyFrom(await self._customers.message(subject))
        elif isinstance(subject, Alias):
            answer.alias.CopyFrom(await self._aliases.message(subject))
        elif isinstance(subject, Quote):
            answer.quote.CopyFrom(await self._quotes.message(subject))
        elif isinstance(subject, TransferQr):
            answer.transfer_qr.CopyFrom(await self._quotes.qr(subject))
        elif isinstance(subject, Authorization):
            answer.authorization.CopyFrom(await self.authorization(subject, done.recorded_at))
        else:
            _tell(answer, subject, done.recorded_at)
        return answer

    async def _batch(self, done: Done, event: BatchPosted) -> transfer_pb2.TransferBatch:
        members = await self._gateway.in_thread(self._gateway.outcomes.batch_members, done, event.count)
        return transfer_pb2.TransferBatch(
            batch_id=ids.format_uuid(done.request_id),
            transfer_ids=[ids.format_uuid(member) for member in members],
            positions=range(done.position + 1, done.position + 1 + event.count),
        )


def _tell(answer: GetOutcomeResponse, subject: object, now: int) -> None:
    """Tell what needs nothing but itself."""
    match subject:
        case Account():
            answer.account.CopyFrom(account_message(subject))
        case Card():
            answer.card.CopyFrom(card_message(subject))
        case Participant():
            answer.participant.CopyFrom(participant_message(subject))
        case PublishedRules():
            answer.rules.CopyFrom(rules_message(subject.versions[-1], subject))
        case Proposal(content=AdjustmentProposed() as content):
            answer.adjustment.CopyFrom(adjustment_message(subject, content, now))
        case Proposal(content=RulesProposed() as content):
            answer.rules_proposal.CopyFrom(proposal_message(subject, content, now))
        case _:
            raise TypeError(f"the log holds {type(subject).__name__}, which no request asks for")


def expect(value: object, kind: type[T]) -> T:
    """Return a value that is of this kind, by the invariants of the log; raises TypeError if it is not."""
    if not isinstance(value, kind):
        raise TypeError(f"the log holds {type(value).__name__} where {kind.__name__} belongs")
    return value
