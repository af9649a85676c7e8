"""Folding any aggregate: which events belong to which kind of aggregate, and what they make of it."""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from domain import (
    account,
    adjustment,
    alias,
    authorization,
    binding,
    bulk,
    card,
    claim,
    credit,
    crossing,
    customer,
    device,
    engine,
    participant,
    payee,
    payment,
    proposal,
    published,
    publishing,
    quote,
    retention,
    token,
    transfer,
    transfer_qr,
    transit,
    wallet,
)
from domain.event import Change, Event

Aggregate = (
    account.Account
    | transfer.Transfer
    | authorization.Authorization
    | claim.Claim
    | customer.Customer
    | participant.Participant
    | published.PublishedRules
    | proposal.Proposal
    | card.Card
    | binding.Binding
    | binding.UnknownBinding
    | wallet.Wallet
    | token.Token
    | device.Device
    | alias.Alias
    | transfer_qr.TransferQr
    | quote.Quote
    | bulk.Bulk
    | credit.CreditFile
    | credit.CreditLineRefused
    | payee.Payee
    | payment.Payment
    | engine.EngineLife
    | authorization.ForcePosted
    | authorization.RefundAuthorized
    | authorization.RefundPosted
    | engine.CommandDeclined
    | transfer.BatchPosted
    | transfer.BatchDeclined
    | crossing.TransferReceived
    | crossing.TransferRejected
)
"""The state of an aggregate. One that ends with its first event is that event."""


def _alone(state: Any, change: Change, recorded_at: int) -> Any:  # noqa: ARG001 - the signature of a fold
    if state is not None:
        raise ValueError(f"{change.event.TOPIC} is the only event of its aggregate")
    return change.event


def _refund(state: Any, change: Change, recorded_at: int) -> Any:
    if state is None:
        return change.event
    return authorization.evolve(state, change, recorded_at)


def _engine(state: engine.EngineLife | None, change: Change, recorded_at: int) -> engine.EngineLife:  # noqa: ARG001
    life = state or engine.EngineLife()
    if isinstance(change.event, engine.EngineStarted):
        return engine.EngineLife(change.version, change.event.epoch, change.event.owner)
    return msgspec.structs.replace(life, version=change.version)


_FOLDS: dict[type[Event], Callable[[Any, Change, int], Any]] = {
    account.AccountOpened: account.evolve,
    account.AccountFrozen: account.evolve,
    account.AccountUnfrozen: account.evolve,
    account.OverdraftLimitSet: account.evolve,
    account.MinimumBalanceSet: account.evolve,
    account.AccountClosed: account.evolve,
    transfer.TransferPosted: transfer.evolve,
    transfer.TransferDeclined: transfer.evolve,
    transfer.TransferReversed: transfer.evolve,
    transfer.BatchPosted: _alone,
    transfer.BatchDeclined: _alone,
    crossing.TransferSent: transit.evolve,
    crossing.TransferReceived: _alone,
    crossing.TransferRejected: _alone,
    crossing.TransferCompleted: transit.evolve,
    crossing.TransferReturned: transit.evolve,
    bulk.BulkPosted: bulk.evolve,
    bulk.BulkLegReversed: bulk.evolve,
    authorization.AuthorizationApproved: authorization.evolve,
    authorization.AuthorizationAdvised: authorization.evolve,
    authorization.AuthorizationDeclined: authorization.evolve,
    authorization.AuthorizationIncremented: authorization.evolve,
    authorization.AuthorizationAmountReplaced: authorization.evolve,
    authorization.AuthorizationPartlyReversed: authorization.evolve,
    authorization.AuthorizationReversed: authorization.evolve,
    authorization.AuthorizationCaptured: authorization.evolve,
    authorization.AuthorizationExpired: authorization.evolve,
    authorization.ForcePosted: _alone,
    authorization.RefundAuthorized: _alone,
    authorization.RefundPosted: _refund,
    claim.ClaimMade: claim.evolve,
    claim.EarlyReversalRecorded: claim.evolve,
    claim.SettlementNoticed: claim.evolve,
    customer.CustomerRegistered: customer.evolve,
    customer.CustomerConfirmed: customer.evolve,
    customer.CustomerPinSet: customer.evolve,
    customer.CustomerIdentified: customer.evolve,
    customer.CustomerErased: customer.evolve,
    retention.CustomerRetentionPlaced: customer.evolve,
    retention.CustomerRetentionLifted: customer.evolve,
    participant.ParticipantRegistered: participant.evolve,
    participant.ParticipantUpdated: participant.evolve,
    published.RulesPublished: published.evolve,
    publishing.RulesProposed: proposal.evolve,
    adjustment.AdjustmentProposed: proposal.evolve,
    proposal.ProposalApproved: proposal.evolve,
    proposal.ProposalRejected: proposal.evolve,
    card.CardIssued: card.evolve,
    card.CardBlocked: card.evolve,
    card.CardUnblocked: card.evolve,
    card.CardReportedLost: card.evolve,
    card.CardReplaced: card.evolve,
    card.CardRenewed: card.evolve,
    card.CardClosed: card.evolve,
    card.CardNotificationsSet: card.evolve,
    card.CardBindingOpened: card.evolve,
    card.CardBound: card.evolve,
    card.CardUnbound: card.evolve,
    card.CardTokensLinked: card.evolve,
    card.CardTokensUnlinked: card.evolve,
    binding.CardBindingRequested: binding.evolve,
    binding.CardBindingMissed: binding.evolve,
    binding.CardBindingConfirmed: binding.evolve,
    binding.CardBindingCancelled: binding.evolve,
    binding.HeldAmountDisclosed: binding.evolve,
    binding.UnknownBindingTried: binding.evolve_unknown,
    wallet.WalletCardTried: wallet.evolve,
    wallet.WalletCardAdded: wallet.evolve,
    wallet.WalletCardRemoved: wallet.evolve,
    alias.AliasLinked: alias.evolve,
    alias.AliasUnlinked: alias.evolve,
    transfer_qr.TransferQrIssued: transfer_qr.evolve,
    quote.QuoteCreated: quote.evolve,
    quote.QuoteConfirmed: quote.evolve,
    credit.CreditFileOpened: credit.evolve,
    credit.CreditLinesDecided: credit.evolve,
    credit.CreditFileClosed: credit.evolve,
    credit.CreditLineRefused: _alone,
    payee.PayeeRegistered: payee.evolve,
    payee.PayeeUpdated: payee.evolve,
    payment.PaymentPrepared: payment.evolve,
    payment.PaymentConfirmed: payment.evolve,
    payment.ProviderAsked: payment.evolve,
    payment.PaymentUnresolved: payment.evolve,
    payment.PaymentSucceeded: payment.evolve,
    payment.PaymentFailed: payment.evolve,
    payment.PaymentRefunded: payment.evolve,
    token.TokenRequested: token.evolve,
    token.TokenDeclined: token.evolve,
    token.TokenProvisioned: token.evolve,
    token.TokenKeysReplenished: token.evolve,
    token.TokenActivated: token.evolve,
    token.TokenSuspended: token.evolve,
    token.TokenResumed: token.evolve,
    token.TokenDeactivated: token.evolve,
    token.TokenRelinked: token.evolve,
    token.TokenUsed: token.evolve,
    device.DeviceRegistered: device.evolve,
    device.DeviceBlocked: device.evolve,
    device.DeviceUnblocked: device.evolve,
    engine.EngineStarted: _engine,
    engine.SnapshotTaken: _engine,
    engine.CommandDeclined: _alone,
}


def evolve(state: Aggregate | None, change: Change, recorded_at: int) -> Aggregate:
    """Return the aggregate after one more of its events."""
    result: Aggregate = _FOLDS[type(change.event)](state, change, recorded_at)
    return result


def fold(history: Iterable[tuple[Change, int]]) -> Aggregate | None:
    """Return the aggregate that a history of changes and their recorded times makes; None for an empty one."""
    state: Aggregate | None = None
    for change, recorded_at in history:
        state = evolve(state, change, recorded_at)
    return state
