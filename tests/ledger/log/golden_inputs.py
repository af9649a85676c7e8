"""Forms of events with what decisions read beside the state: what was asked, how tries of secrets ended, the policy."""

from datetime import date
from typing import Any, Final

import msgspec

from domain.alias import AliasLinked
from domain.authorization import AuthorizationAdvised, AuthorizationApproved, AuthorizationDeclined
from domain.binding import CardBindingRequested
from domain.claim import SettlementNoticed
from domain.credentials import Verdict
from domain.engine import CommandDeclined, EngineStarted
from domain.event import Event, HoldRule, Policy
from domain.payment import Decider, PaymentUnresolved
from domain.quote import QuoteCreated
from domain.recipient import Recipient
from domain.refused_batch import Asked
from domain.rules import Operation
from domain.tap import Tap
from domain.token_policy import TokenPolicy
from domain.transfer import BatchDeclined
from tests.ledger.log.golden_values import FEE, FINGERPRINT, ID, MONEY, SEALED, TAGS, TIME

TAP: Final = Tap(expires=202812, counter=7, key_sequence=1, date=date(2026, 9, 22), over="0417 1a2b3c4d")
WRONG: Final = msgspec.structs.replace(TAP, cardholder_verified=False, verdict=Verdict.WRONG)
_LEAST: Final[dict[str, Any]] = {
    "account": 2,
    "credit_account": 3,
    "amount": 1,
    "currency": "KGS",
    "kind": "purchase",
    "token": ID,
}

WITH_INPUTS: Final[dict[type[Event], dict[str, Event]]] = {
    CommandDeclined: {
        "inputs": CommandDeclined(
            command="create_quote",
            reason="RECIPIENT_IS_PAYER",
            fingerprint=FINGERPRINT,
            inputs={
                "customer_id": str(ID),
                "card_id": str(ID),
                "recipient": {"way": "card", "card_id": str(ID)},
                "amount_tyiyn": 100,
            },
        )
    },
    BatchDeclined: {
        "transfers": BatchDeclined(
            index=1,
            reason="INSUFFICIENT_FUNDS",
            fingerprint=FINGERPRINT,
            transfers=(
                Asked(request_id=ID, debit_account=2, credit_account=3, amount=1),
                Asked(
                    request_id=ID,
                    debit_account=2,
                    credit_account=3,
                    amount=MONEY,
                    currency="KGS",
                    kind="salary",
                    reference="payroll 11",
                    tags=TAGS,
                    legs=(FEE,),
                    effective_time=TIME,
                ),
            ),
        )
    },
    AuthorizationApproved: {"tap": AuthorizationApproved(**_LEAST, expires_at=TIME, rule_version="default-1", tap=TAP)},
    AuthorizationAdvised: {"tap": AuthorizationAdvised(**_LEAST, expires_at=TIME, rule_version="default-1", tap=TAP)},
    AuthorizationDeclined: {
        "tap": AuthorizationDeclined(**_LEAST, reason="DEVICE_LOCKED", rule_version="default-1", tap=WRONG)
    },
    CardBindingRequested: {
        "name_mark": CardBindingRequested(
            customer=ID,
            card=ID,
            participant="bank-a",
            masked="941700******1234",
            hold=ID,
            expires_at=TIME,
            tries=3,
            name=SEALED,
            name_mark="0123456789abcdef",
        )
    },
    QuoteCreated: {
        "inputs": QuoteCreated(
            operation=Operation.TRANSFER_BY_PHONE,
            customer=ID,
            card=ID,
            account=2,
            participant="bank-a",
            recipient=Recipient(3, ID, ID, ID),
            recipient_participant="bank-b",
            amount=1,
            fee=0,
            currency="KGS",
            rules="rules-1",
            expires_at=TIME,
            inputs={"recipient": {"way": "phone", "alias_id": str(ID)}, "amount_tyiyn": 1},
        )
    },
    AliasLinked: {"registered": AliasLinked(customer=ID, card=ID, phone=SEALED, verdict=Verdict.ABSENT)},
    SettlementNoticed: {"acquirer": SettlementNoticed(clearing_reference="c-1", amount=1, acquirer="acquirer-1")},
    PaymentUnresolved: {
        "said": PaymentUnresolved(by=Decider.OPERATOR, provider_reference="p-17", explanation="телефон аркылуу")
    },
    EngineStarted: {
        "policy": EngineStarted(
            epoch=1,
            owner="a",
            policy=Policy(
                version="settings-0123456789ab",
                currencies=("KGS", "USD"),
                hold_rules=(HoldRule(60, kind="purchase"), HoldRule(120, entry_mode="chip")),
                tokens=TokenPolicy(per_card=7),
            ),
        )
    },
}
