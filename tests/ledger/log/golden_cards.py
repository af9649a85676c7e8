"""Examples of the events of cards, wallets and bindings, least and full."""

from domain.binding import (
    CardBindingCancelled,
    CardBindingConfirmed,
    CardBindingMissed,
    CardBindingRequested,
    HeldAmountDisclosed,
    UnknownBindingTried,
)
from domain.card import (
    CardBindingOpened,
    CardBlocked,
    CardBound,
    CardClosed,
    CardIssued,
    CardNotificationsSet,
    CardRenewed,
    CardReplaced,
    CardReportedLost,
    CardUnblocked,
    CardUnbound,
    Loss,
    UnboundBy,
)
from domain.event import Event
from domain.wallet import WalletCardAdded, WalletCardRemoved, WalletCardTried
from tests.ledger.log.golden_values import FINGERPRINT, ID, SEALED, TIME

CARD_EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    CardIssued: (
        CardIssued(participant="bank-a", account=2, masked="941700******1234", expires=2028_12, par="A1" * 14 + "Z"),
        CardIssued(
            participant="bank-a",
            account=2,
            masked="941700******1234",
            expires=2028_12,
            par="A1" * 14 + "Z",
            reference="өтүнмө 7",
            fingerprint=FINGERPRINT,
        ),
    ),
    CardBlocked: (CardBlocked(), CardBlocked(explanation="өтүнүч", fingerprint=FINGERPRINT)),
    CardUnblocked: (CardUnblocked(), CardUnblocked(explanation="өтүнүч", fingerprint=FINGERPRINT)),
    CardReportedLost: (
        CardReportedLost(how=Loss.LOST),
        CardReportedLost(how=Loss.STOLEN, explanation="базарда", fingerprint=FINGERPRINT),
    ),
    CardReplaced: (CardReplaced(by=ID), CardReplaced(by=ID, fingerprint=FINGERPRINT)),
    CardRenewed: (CardRenewed(expires=2031_01), CardRenewed(expires=2031_01, fingerprint=FINGERPRINT)),
    CardClosed: (CardClosed(), CardClosed(explanation="өтүнүч", fingerprint=FINGERPRINT)),
    CardNotificationsSet: (
        CardNotificationsSet(sms=False),
        CardNotificationsSet(sms=True, fingerprint=FINGERPRINT),
    ),
    CardBindingOpened: (
        CardBindingOpened(binding=ID, customer=ID, hold=ID),
        CardBindingOpened(binding=ID, customer=ID, hold=ID),
    ),
    CardBound: (CardBound(customer=ID), CardBound(customer=ID, binding=ID, replaces=ID)),
    CardUnbound: (
        CardUnbound(customer=ID, by=UnboundBy.BANK),
        CardUnbound(customer=ID, by=UnboundBy.CUSTOMER, fingerprint=FINGERPRINT),
    ),
    WalletCardTried: (WalletCardTried(customer=ID, card=ID), WalletCardTried(customer=ID, card=ID)),
    WalletCardAdded: (WalletCardAdded(customer=ID, card=ID), WalletCardAdded(customer=ID, card=ID)),
    WalletCardRemoved: (WalletCardRemoved(customer=ID, card=ID), WalletCardRemoved(customer=ID, card=ID)),
    CardBindingRequested: (
        CardBindingRequested(
            customer=ID, card=ID, participant="bank-a", masked="941700******1234", hold=ID, expires_at=TIME, tries=3
        ),
        CardBindingRequested(
            customer=ID,
            card=ID,
            participant="bank-a",
            masked="941700******1234",
            hold=ID,
            expires_at=TIME,
            tries=3,
            name=SEALED,
            sms=True,
            rule_version="default-1",
            fingerprint=FINGERPRINT,
        ),
    ),
    CardBindingMissed: (
        CardBindingMissed(tries_left=2),
        CardBindingMissed(tries_left=0, fingerprint=FINGERPRINT),
    ),
    CardBindingConfirmed: (CardBindingConfirmed(), CardBindingConfirmed(fingerprint=FINGERPRINT)),
    CardBindingCancelled: (CardBindingCancelled(), CardBindingCancelled(fingerprint=FINGERPRINT)),
    HeldAmountDisclosed: (
        HeldAmountDisclosed(operator="op-17"),
        HeldAmountDisclosed(operator="op-17", explanation="паспорт менен", fingerprint=FINGERPRINT),
    ),
    UnknownBindingTried: (
        UnknownBindingTried(binding=ID, customer=ID, tries_left=2),
        UnknownBindingTried(binding=ID, customer=ID, tries_left=0, fingerprint=FINGERPRINT),
    ),
}
