"""Stored events never change: golden files hold the exact bytes of every kind of event ever written.

A file holds one event: its topic, its stored form, and what it decodes to is compared with the example here.
A new kind of event needs an example and, made once by ``python -m tests.ledger.log.test_codec_golden``, its files,
which nobody edits afterwards. A file of an old version stays when the event gets a new one.
"""

import json
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from domain import topics
from domain.account import (
    AccountClosed,
    AccountFrozen,
    AccountKind,
    AccountOpened,
    AccountUnfrozen,
    MinimumBalanceSet,
    OverdraftLimitSet,
)
from domain.authorization import (
    AmountPart,
    AuthorizationAdvised,
    AuthorizationAmountReplaced,
    AuthorizationApproved,
    AuthorizationCaptured,
    AuthorizationDeclined,
    AuthorizationExpired,
    AuthorizationIncremented,
    AuthorizationPartlyReversed,
    AuthorizationReversed,
    ForcePosted,
    RefundAuthorized,
    RefundPosted,
)
from domain.claim import ClaimMade, EarlyReversalRecorded, SettlementNoticed
from domain.customer import (
    CustomerConfirmed,
    CustomerErased,
    CustomerIdentified,
    CustomerPinSet,
    CustomerRegistered,
    Tier,
)
from domain.engine import CommandDeclined, EngineStarted, SnapshotTaken
from domain.event import Event
from domain.retention import Authority, CustomerRetentionLifted, CustomerRetentionPlaced, RetentionReason
from domain.transfer import BatchDeclined, BatchPosted, TransferDeclined, TransferPosted, TransferReversed
from ledger.log import codec
from ledger.log.codec import UnknownTopicError, Upcaster, decode, encode
from tests.ledger.log.golden_bulks import BULK_EXAMPLES
from tests.ledger.log.golden_cards import CARD_EXAMPLES
from tests.ledger.log.golden_credits import CREDIT_EXAMPLES, CREDITED
from tests.ledger.log.golden_crossings import CROSSING_EXAMPLES, RESERVED
from tests.ledger.log.golden_inputs import WITH_INPUTS
from tests.ledger.log.golden_payments import PAYMENT_EXAMPLES
from tests.ledger.log.golden_rules import RULES_EXAMPLES
from tests.ledger.log.golden_tokens import TAPPED, TOKEN_EXAMPLES
from tests.ledger.log.golden_transfers import TRANSFER_EXAMPLES
from tests.ledger.log.golden_values import (
    FEE,
    FINGERPRINT,
    ID,
    LEG,
    MONEY,
    RETURNED,
    RETURNED_TO_DAYS,
    SEALED,
    SPENDING,
    TAGS,
    TIME,
)

GOLDEN = Path(__file__).parent / "golden"

DETAILS: dict[str, Any] = {
    "account": 2,
    "credit_account": 3,
    "amount": MONEY,
    "currency": "KGS",
    "kind": "fuel",
    "requested": 100,
    "merchant_category_code": "5541",
    "entry_mode": "contactless",
    "acquirer_id": "acquirer-1",
    "acquirer_reference": "0001",
    "merchant_name": "Дүкөн «Ала-Тоо»",
    "reference": "order 7",
    "tags": TAGS,
    "parts": (AmountPart("withdrawal", 1), AmountPart("fee", 2)),
    "effective_time": TIME,
    "fingerprint": FINGERPRINT,
}

LEAST: dict[str, Any] = {"account": 2, "credit_account": 3, "amount": 1, "currency": "KGS", "kind": "purchase"}

TRANSFER: dict[str, Any] = {
    "debit_account": 1,
    "credit_account": 2,
    "amount": MONEY,
    "currency": "KGS",
    "kind": "salary",
    "reference": "payroll 11",
    "tags": TAGS,
    "legs": (FEE,),
    "effective_time": TIME,
}

EXAMPLES: dict[type[Event], tuple[Event, Event]] = {
    AccountOpened: (
        AccountOpened(participant="bank-a", kind=AccountKind.CUSTOMER, currency="KGS"),
        AccountOpened(
            participant="bank-a",
            kind=AccountKind.FEE_INCOME,
            currency="KGS",
            number="1280016000000017",
            overdraft_limit=MONEY,
            minimum_balance=35_000,
            reference="app 5",
            tags=TAGS,
            fingerprint=FINGERPRINT,
        ),
    ),
    AccountFrozen: (
        AccountFrozen(),
        AccountFrozen(debits=True, credits=True, explanation="сот чечими", fingerprint=FINGERPRINT),
    ),
    AccountUnfrozen: (
        AccountUnfrozen(),
        AccountUnfrozen(debits=True, credits=True, explanation="сот чечими", fingerprint=FINGERPRINT),
    ),
    OverdraftLimitSet: (OverdraftLimitSet(limit=0), OverdraftLimitSet(limit=MONEY, fingerprint=FINGERPRINT)),
    MinimumBalanceSet: (MinimumBalanceSet(minimum=0), MinimumBalanceSet(minimum=35_000, fingerprint=FINGERPRINT)),
    AccountClosed: (AccountClosed(), AccountClosed(explanation="өтүнүч", fingerprint=FINGERPRINT)),
    TransferPosted: (TransferPosted(debit_account=1, credit_account=2, amount=1), TransferPosted(**TRANSFER)),
    TransferDeclined: (
        TransferDeclined(reason="ACCOUNT_CLOSED", debit_account=1, credit_account=2, amount=1),
        TransferDeclined(reason="INSUFFICIENT_FUNDS", detail={"account_id": "1"}, **TRANSFER),
    ),
    TransferReversed: (
        TransferReversed(legs=(LEG,), whole=False),
        TransferReversed(legs=(LEG, FEE), whole=True, explanation="ката", fingerprint=FINGERPRINT),
    ),
    BatchPosted: (BatchPosted(count=1), BatchPosted(count=8_190, fingerprint=FINGERPRINT)),
    BatchDeclined: (
        BatchDeclined(index=0, reason="ACCOUNT_CLOSED"),
        BatchDeclined(index=7, reason="BALANCE_LIMIT", detail={"index": "7"}, fingerprint=FINGERPRINT),
    ),
    AuthorizationApproved: (
        AuthorizationApproved(**LEAST, expires_at=TIME, rule_version="default-1"),
        AuthorizationApproved(**DETAILS, expires_at=TIME, rule_version="default-1", asked=MONEY),
    ),
    AuthorizationAdvised: (
        AuthorizationAdvised(**LEAST, expires_at=TIME, rule_version="default-1"),
        AuthorizationAdvised(**DETAILS, expires_at=TIME, rule_version="default-1"),
    ),
    AuthorizationDeclined: (
        AuthorizationDeclined(**LEAST, reason="ACCOUNT_CLOSED", rule_version="default-1"),
        AuthorizationDeclined(
            **DETAILS, reason="INSUFFICIENT_FUNDS", rule_version="default-1", detail={"account_id": "2"}
        ),
    ),
    AuthorizationIncremented: (
        AuthorizationIncremented(account=2, amount=1),
        AuthorizationIncremented(account=2, amount=MONEY, fingerprint=FINGERPRINT),
    ),
    AuthorizationAmountReplaced: (
        AuthorizationAmountReplaced(account=2, total=1),
        AuthorizationAmountReplaced(account=2, total=MONEY, fingerprint=FINGERPRINT),
    ),
    AuthorizationPartlyReversed: (
        AuthorizationPartlyReversed(account=2, amount=1),
        AuthorizationPartlyReversed(account=2, amount=MONEY, fingerprint=FINGERPRINT),
    ),
    AuthorizationReversed: (
        AuthorizationReversed(account=2, released=0, by="acquirer"),
        AuthorizationReversed(account=2, released=MONEY, by="issuer", explanation="ката", fingerprint=FINGERPRINT),
    ),
    AuthorizationCaptured: (
        AuthorizationCaptured(account=2, amount=1, released=0, legs=(LEG,), clearing_reference="c-1"),
        AuthorizationCaptured(
            account=2,
            amount=MONEY,
            released=MONEY,
            legs=(LEG, FEE),
            clearing_reference="c-1",
            final=True,
            over=True,
            late=True,
            after_close=True,
            effective_time=TIME,
            fingerprint=FINGERPRINT,
        ),
    ),
    AuthorizationExpired: (
        AuthorizationExpired(account=2, released=0, expires_at=TIME),
        AuthorizationExpired(account=2**53 - 1, released=MONEY, expires_at=2**62),
    ),
    ForcePosted: (
        ForcePosted(account=2, amount=1, legs=(LEG,), clearing_reference="c-2"),
        ForcePosted(
            account=2,
            amount=MONEY,
            legs=(LEG, FEE),
            clearing_reference="c-2",
            merchant_name="Дүкөн",
            merchant_category_code="5411",
            reference="r",
            tags=TAGS,
            effective_time=TIME,
            fingerprint=FINGERPRINT,
        ),
    ),
    RefundAuthorized: (
        RefundAuthorized(account=2, amount=1),
        RefundAuthorized(
            account=2, amount=MONEY, authorization=ID, merchant_name="Дүкөн", reference="r", fingerprint=FINGERPRINT
        ),
    ),
    RefundPosted: (
        RefundPosted(account=2, amount=1, legs=(LEG,), clearing_reference="c-3"),
        RefundPosted(
            account=2,
            amount=MONEY,
            legs=(LEG, FEE),
            clearing_reference="c-3",
            merchant_name="Дүкөн",
            reference="r",
            tags=TAGS,
            effective_time=TIME,
            fingerprint=FINGERPRINT,
        ),
    ),
    ClaimMade: (
        ClaimMade(kind="clearing_reference", key="c-1", holder=ID),
        ClaimMade(kind="acquirer_reference", key="acquirer-1/0001", holder=ID, amount=MONEY),
    ),
    EarlyReversalRecorded: (
        EarlyReversalRecorded(acquirer_id="", acquirer_reference="0001", expires_at=TIME),
        EarlyReversalRecorded(
            acquirer_id="acquirer-1",
            acquirer_reference="0001",
            expires_at=TIME,
            by="issuer",
            explanation="timeout",
            fingerprint=FINGERPRINT,
        ),
    ),
    SettlementNoticed: (
        SettlementNoticed(clearing_reference="c-1", amount=1),
        SettlementNoticed(clearing_reference="c-1", amount=MONEY, fingerprint=FINGERPRINT),
    ),
    CustomerRegistered: (
        CustomerRegistered(participant="bank-a", login=SEALED, phone=SEALED, confirm_by=TIME),
        CustomerRegistered(
            participant="bank-a", login=SEALED, phone=SEALED, name=SEALED, confirm_by=TIME, fingerprint=FINGERPRINT
        ),
    ),
    CustomerConfirmed: (CustomerConfirmed(), CustomerConfirmed(fingerprint=FINGERPRINT)),
    CustomerPinSet: (CustomerPinSet(), CustomerPinSet(fingerprint=FINGERPRINT)),
    CustomerIdentified: (
        CustomerIdentified(tier=Tier.REMOTE),
        CustomerIdentified(tier=Tier.IN_PERSON, reference="иш 17", fingerprint=FINGERPRINT),
    ),
    CustomerErased: (CustomerErased(), CustomerErased(fingerprint=FINGERPRINT)),
    CustomerRetentionPlaced: (
        CustomerRetentionPlaced(retention=ID, reason=RetentionReason.DISPUTE, authority=Authority.BANK),
        CustomerRetentionPlaced(
            retention=ID,
            reason=RetentionReason.MONEY_LAUNDERING,
            authority=Authority.OPERATOR,
            reference="иш 17",
            until=TIME,
            fingerprint=FINGERPRINT,
        ),
    ),
    CustomerRetentionLifted: (
        CustomerRetentionLifted(retention=ID),
        CustomerRetentionLifted(retention=ID, fingerprint=FINGERPRINT),
    ),
    EngineStarted: (EngineStarted(epoch=1, owner="a"), EngineStarted(epoch=2**31, owner="host/boot/1/2/ab")),
    SnapshotTaken: (
        SnapshotTaken(at=1, digest="00", size_bytes=0),
        SnapshotTaken(at=2**53, digest="ab" * 32, size_bytes=2**31),
    ),
    CommandDeclined: (
        CommandDeclined(command="capture", reason="ALREADY_RESOLVED"),
        CommandDeclined(
            command="reverse",
            reason="ALREADY_RESOLVED",
            detail={"ended": "expired"},
            target=ID,
            fingerprint=FINGERPRINT,
        ),
    ),
    **RULES_EXAMPLES,
    **CARD_EXAMPLES,
    **TRANSFER_EXAMPLES,
    **CROSSING_EXAMPLES,
    **TOKEN_EXAMPLES,
    **BULK_EXAMPLES,
    **CREDIT_EXAMPLES,
    **PAYMENT_EXAMPLES,
}

PRESENTED: dict[str, Any] = {"card": ID, "masked_number": "941700******1234"}
"""A card that was presented at a terminal."""
GROWN: dict[type[Event], dict[str, Event]] = {
    AuthorizationApproved: {
        "spending": AuthorizationApproved(**LEAST, expires_at=TIME, rule_version="rules-1", spending=SPENDING),
        "card": AuthorizationApproved(**LEAST, expires_at=TIME, rule_version="default-1", card=ID),
        "presented": AuthorizationApproved(**LEAST, **PRESENTED, expires_at=TIME, rule_version="default-1"),
        "payment": AuthorizationApproved(**LEAST, expires_at=TIME, rule_version="default-1", payment=ID),
    },
    AuthorizationAdvised: {
        "card": AuthorizationAdvised(**LEAST, expires_at=TIME, rule_version="default-1", card=ID),
        "presented": AuthorizationAdvised(**LEAST, **PRESENTED, expires_at=TIME, rule_version="default-1"),
    },
    AuthorizationDeclined: {
        "card": AuthorizationDeclined(**LEAST, reason="ACCOUNT_CLOSED", rule_version="default-1", card=ID),
        "presented": AuthorizationDeclined(**LEAST, **PRESENTED, reason="CARD_BLOCKED", rule_version="default-1"),
    },
    AuthorizationIncremented: {"spending": AuthorizationIncremented(account=2, amount=1, spending=SPENDING)},
    AuthorizationAmountReplaced: {
        "returned": AuthorizationAmountReplaced(account=2, total=1, spending_returned=RETURNED),
        "spending": AuthorizationAmountReplaced(account=2, total=1, spending=SPENDING),
    },
    AuthorizationPartlyReversed: {
        "returned": AuthorizationPartlyReversed(account=2, amount=1, spending_returned=RETURNED)
    },
    AuthorizationReversed: {
        "returned": AuthorizationReversed(account=2, released=1, by="acquirer", spending_returned=RETURNED)
    },
    AuthorizationCaptured: {
        "returned": AuthorizationCaptured(
            account=2, amount=1, released=2, legs=(LEG,), clearing_reference="c-1", spending_returned=RETURNED
        ),
        "spending": AuthorizationCaptured(
            account=2, amount=1, released=0, legs=(LEG,), clearing_reference="c-1", spending=SPENDING
        ),
    },
    AuthorizationExpired: {
        "returned": AuthorizationExpired(account=2, released=1, expires_at=TIME, spending_returned=RETURNED)
    },
    RefundPosted: {
        "returned": RefundPosted(
            account=2, amount=1, legs=(LEG,), clearing_reference="c-3", spending_returned=RETURNED
        ),
        "returned_to_days": RefundPosted(
            account=2, amount=1, legs=(LEG,), clearing_reference="c-3", spending_returned=RETURNED_TO_DAYS
        ),
    },
    TransferPosted: {
        "quoted": TransferPosted(2, 3, MONEY, "KGS", "transfer_by_qr", legs=(FEE,), quote=ID, fingerprint=FINGERPRINT)
    },
    TransferReversed: {"returned": TransferReversed(legs=(LEG,), whole=True, spending_returned=RETURNED)},
}

"""Forms with fields that an event gained after its first files were written."""


def forms_of(kind: type[Event]) -> dict[str, Event]:
    """Return an event's examples by the names of their forms."""
    minimal, full = EXAMPLES[kind]
    grown = (GROWN, TAPPED, CREDITED, WITH_INPUTS, RESERVED)
    return {
        "minimal": minimal,
        "full": full,
        **{name: form for each in grown for name, form in each.get(kind, {}).items()},
    }


CASES = [(kind, form) for kind in topics.EVENTS for form in forms_of(kind)]


def path_of(topic: str, form: str) -> Path:
    return GOLDEN / f"{topic}.{form}.json"


@pytest.mark.parametrize(("kind", "form"), CASES, ids=lambda value: getattr(value, "TOPIC", value))
def test_an_event_is_stored_as_it_always_was(kind: type[Event], form: str) -> None:
    """An event's stored form is byte for byte that of its golden file, and decodes to the event."""
    stored = path_of(kind.TOPIC, form).read_bytes()
    example = forms_of(kind)[form]
    assert encode(example) == stored
    assert decode(kind.TOPIC, stored) == example


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_whatever_was_ever_written_is_understood(path: Path) -> None:
    """Every golden file, of today's version or an old one, decodes; its JSON holds no float."""
    topic = path.name.removesuffix(".json").rpartition(".")[0]
    assert isinstance(decode(topic, path.read_bytes()), Event)

    def no_float(text: str) -> None:
        raise AssertionError(f"a float: {text}")

    json.loads(path.read_bytes(), parse_float=no_float)


@pytest.mark.parametrize("kind", topics.EVENTS, ids=lambda kind: kind.TOPIC)
def test_the_full_form_leaves_nothing_out(kind: type[Event]) -> None:
    """The full example, with those that came later, sets every field; the minimal one those that have no default."""
    forms = forms_of(kind)
    fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
    assert set().union(*(json.loads(encode(example)) for example in forms.values())) == set(fields)
    assert set(json.loads(encode(forms["minimal"]))) == {name for name, field in fields.items() if field.required}


def test_an_unknown_topic_is_an_error() -> None:
    """A topic that nobody knows is named in the error, never skipped."""
    with pytest.raises(UnknownTopicError, match=r"moon\.landed\.v1") as unknown:
        decode("moon.landed.v1", b"{}")
    assert unknown.value.topic == "moon.landed.v1"


class AccountClosedThird(Event, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """A third form of an event, as a later release may have it."""

    TOPIC: ClassVar[str] = "account.closed.v3"

    words: list[str]
    by: str


def test_old_versions_are_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """An event of the first version reads as one of the third, through the second."""
    known = {topic: kind for topic, kind in topics.BY_TOPIC.items() if topic != "account.closed.v1"}
    monkeypatch.setattr(codec, "BY_TOPIC", known | {AccountClosedThird.TOPIC: AccountClosedThird})
    decoders = {topic: one for topic, one in codec._DECODERS.items() if topic != "account.closed.v1"}
    monkeypatch.setattr(codec, "_DECODERS", decoders)
    steps = {
        "account.closed.v1": Upcaster("account.closed.v2", lambda old: old | {"by": "nobody"}),
        "account.closed.v2": Upcaster(
            "account.closed.v3", lambda old: {"words": old.get("explanation", "").split(), "by": old["by"]}
        ),
    }
    monkeypatch.setattr(codec, "UPCASTERS", steps)
    expected = AccountClosedThird(words=["на", "покой"], by="nobody")
    assert decode("account.closed.v1", '{"explanation":"на покой"}'.encode()) == expected
    assert decode("account.closed.v2", '{"explanation":"на покой","by":"nobody"}'.encode()) == expected
    with pytest.raises(UnknownTopicError):
        decode("account.closed.v0", b"{}")


def write_missing() -> None:
    """Write the golden files that are not there yet; never change one."""
    GOLDEN.mkdir(exist_ok=True)
    for kind, form in CASES:
        path = path_of(kind.TOPIC, form)
        if not path.exists():
            path.write_bytes(encode(forms_of(kind)[form]))


if __name__ == "__main__":
    write_missing()
