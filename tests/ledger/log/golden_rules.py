"""Examples of the events of participants, rules and adjustments, least and full."""

from domain.adjustment import AdjustmentProposed
from domain.customer import (
    Tier,
)
from domain.event import Event, HoldRule
from domain.participant import Names, ParticipantRegistered, ParticipantUpdated
from domain.proposal import ProposalApproved, ProposalRejected
from domain.published import RulesPublished
from domain.publishing import RulesProposed
from domain.rules import Fee, Holds, Limit, Measure, Operation, Period, Subject
from tests.ledger.log.golden_values import FINGERPRINT, ID, MONEY, TIME

NAMES = Names("Айыл банк", "Айыл банк", "Aiyl Bank")


RULES_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    ParticipantRegistered: (
        ParticipantRegistered(participant="bank-a", names=NAMES, settlement_account=2, fee_account=3),
        ParticipantRegistered(
            participant="bank-a", names=NAMES, settlement_account=2, fee_account=3, fingerprint=FINGERPRINT
        ),
    ),
    ParticipantUpdated: (
        ParticipantUpdated(participant="bank-a", names=NAMES, settlement_account=2, fee_account=3),
        ParticipantUpdated(
            participant="bank-a", names=NAMES, settlement_account=2, fee_account=3, fingerprint=FINGERPRINT
        ),
    ),
    RulesProposed: (
        RulesProposed(after=0, holds=Holds(604_800), maker="op-1", expires_at=TIME),
        RulesProposed(
            after=3,
            holds=Holds(604_800, (HoldRule(60),)),
            fees=(Fee(Operation.QR_PAYMENT, basis_points=1),),
            limits=(Limit("tokens", Subject.TOKEN, Period.OPERATION, Measure.AMOUNT, 1),),
            effective_from=TIME,
            maker="op-1",
            explanation="тарифтер",
            expires_at=TIME,
            fingerprint=FINGERPRINT,
        ),
    ),
    AdjustmentProposed: (
        AdjustmentProposed(debit_account=1, credit_account=2, amount=1, maker="op-1", expires_at=TIME),
        AdjustmentProposed(
            debit_account=1,
            credit_account=2,
            amount=MONEY,
            reference="r",
            maker="op-1",
            explanation="ката",
            expires_at=TIME,
            fingerprint=FINGERPRINT,
        ),
    ),
    ProposalApproved: (
        ProposalApproved(checker="op-2"),
        ProposalApproved(checker="op-2", result=ID, fingerprint=FINGERPRINT),
    ),
    ProposalRejected: (
        ProposalRejected(checker="op-2"),
        ProposalRejected(checker="op-2", explanation="ката", fingerprint=FINGERPRINT),
    ),
    RulesPublished: (
        RulesPublished(effective_from=TIME, holds=Holds(604_800)),
        RulesPublished(
            effective_from=TIME,
            holds=Holds(604_800, (HoldRule(86_400, "fuel", "5541", "contactless"),)),
            fees=(
                Fee(Operation.TRANSFER_TO_ACCOUNT),
                Fee(Operation.TRANSFER_TO_CARD, 100, 50, 500, 10_000, "bank-a", interbank=True),
            ),
            limits=(
                Limit("cards", Subject.CARD, Period.MONTH, Measure.COUNT, 100),
                Limit(
                    "transfers",
                    Subject.CUSTOMER,
                    Period.DAY,
                    Measure.SUM,
                    MONEY,
                    (Operation.TRANSFER_TO_CARD, Operation.TRANSFER_BY_PHONE),
                    (Tier.REMOTE,),
                ),
            ),
            maker="op-1",
            checker="op-2",
            explanation="тарифтер",
            proposal=ID,
            fingerprint=FINGERPRINT,
        ),
    ),
}
