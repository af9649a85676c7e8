"""Every kind of event there is, by its name in the log."""

from typing import Final

from domain import (
    account,
    adjustment,
    authorization,
    claim,
    customer,
    engine,
    participant,
    proposal,
    published,
    publishing,
    transfer,
)
from domain.event import Event

EVENTS: Final[tuple[type[Event], ...]] = (
    account.AccountOpened,
    account.AccountFrozen,
    account.AccountUnfrozen,
    account.OverdraftLimitSet,
    account.MinimumBalanceSet,
    account.AccountClosed,
    transfer.TransferPosted,
    transfer.TransferDeclined,
    transfer.TransferReversed,
    transfer.BatchPosted,
    transfer.BatchDeclined,
    authorization.AuthorizationApproved,
    authorization.AuthorizationAdvised,
    authorization.AuthorizationDeclined,
    authorization.AuthorizationIncremented,
    authorization.AuthorizationAmountReplaced,
    authorization.AuthorizationPartlyReversed,
    authorization.AuthorizationReversed,
    authorization.AuthorizationCaptured,
    authorization.AuthorizationExpired,
    authorization.ForcePosted,
    authorization.RefundAuthorized,
    authorization.RefundPosted,
    claim.ClaimMade,
    claim.EarlyReversalRecorded,
    claim.SettlementNoticed,
    customer.CustomerRegistered,
    customer.CustomerConfirmed,
    customer.CustomerPinSet,
    customer.CustomerIdentified,
    customer.CustomerErased,
    participant.ParticipantRegistered,
    participant.ParticipantUpdated,
    published.RulesPublished,
    publishing.RulesProposed,
    adjustment.AdjustmentProposed,
    proposal.ProposalApproved,
    proposal.ProposalRejected,
    engine.EngineStarted,
    engine.SnapshotTaken,
    engine.CommandDeclined,
)

BY_TOPIC: Final[dict[str, type[Event]]] = {event.TOPIC: event for event in EVENTS}
