"""What crossed between partitions, laid side by side: each way in which it may not fit is told, and nothing else."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import pytest

from domain.crossing import TransferCompleted, TransferReceived, TransferRejected, TransferReturned, TransferSent
from domain.engine import EngineStarted
from domain.event import Event, Leg, Policy
from domain.ids import account_id
from domain.ports import Row
from ledger.audit.verify.crossings import Crossed, Crossings, Ended
from ledger.audit.verify.findings import Check, Findings
from ledger.log.codec import encode

ID = UUID(int=7)
PAYER, PAYEE = account_id(0, 5), account_id(1, 5)
MONEY: dict[str, Any] = {"debit_account": PAYER, "credit_account": PAYEE, "amount": 300, "currency": "KGS"}
LEG = (Leg(kind="transfer", debit_account=PAYER, credit_account=account_id(0, 1), amount=300),)
SENT = TransferSent(**MONEY, legs=LEG)
RECEIVED = TransferReceived(transfer=ID, home=0, sent_at=10, **MONEY, legs=LEG)
REJECTED = TransferRejected(transfer=ID, home=0, sent_at=10, reason="ACCOUNT_NOT_FOUND", **MONEY)
COMPLETED = TransferCompleted(position=3)
RETURNED = TransferReturned(position=3, reason="ACCOUNT_NOT_FOUND", legs=LEG)
CLEARED = ({"KGS": 300}, {"KGS": -300})


def row(partition: int, position: int, time: int, event: Event) -> Row:
    return Row(partition, position, ID.bytes, 1, event.TOPIC, encode(event), time, None, "esep")


def home(*events: Event) -> list[Row]:
    """Return partition 0's history: the sending at time 10, and what follows."""
    return [row(0, number, 9 + number, event) for number, event in enumerate(events, 1)]


def there(event: Event, position: int = 3) -> list[Row]:
    return [row(1, position, 11, event)]


def looked_at(
    first: Sequence[Row],
    second: Sequence[Row],
    cleared: Sequence[dict[str, int]] = CLEARED,
    ends: Sequence[tuple[int, int]] = ((9, 20), (9, 20)),
) -> tuple[Crossed, list[str]]:
    """Return what two histories come to, and what is wrong between them."""
    findings = Findings()
    with Crossings(findings) as crossings:
        for partition, rows in enumerate((first, second)):
            crossings.add(rows)
            crossings.end(partition, Ended(*ends[partition], cleared[partition]))
        crossed = crossings.finish()
    assert {each.check for each in findings.listed()} <= {Check.CROSSINGS}
    return crossed, [each.message for each in findings.listed()]


def test_what_was_sent_and_arrived_fits() -> None:
    """Received and completed, or refused and returned: nothing is in transit, and nothing is wrong."""
    crossed, wrong = looked_at(home(SENT, COMPLETED), there(RECEIVED))
    assert (crossed, wrong) == (Crossed(2, 20, 1, {"KGS": 0}), [])
    crossed, wrong = looked_at(home(SENT, RETURNED), there(REJECTED), [{"KGS": 0}, {}])
    assert (crossed, wrong) == (Crossed(2, 20, 1, {"KGS": 0}), [])


def test_what_is_on_its_way_is_in_transit() -> None:
    """At the cut, which is the earliest of the ends: what happened later in one partition does not count there."""
    crossed, wrong = looked_at(home(SENT), [], [{"KGS": 300}, {}])
    assert (crossed.in_transit, wrong) == ({"KGS": 300}, [])
    crossed, wrong = looked_at(home(SENT), there(RECEIVED), ends=((1, 10), (9, 20)))
    assert (crossed.cut_at, crossed.in_transit, wrong) == (10, {"KGS": 300}, [])


def test_what_another_history_has_not_come_to_is_no_contradiction() -> None:
    """It was read earlier: a receipt of what was sent later, and the end of what arrives later."""
    assert looked_at([], there(RECEIVED), [{}, CLEARED[1]], ends=((1, 9), (9, 20)))[1] == []
    assert looked_at(home(SENT, COMPLETED), [], [CLEARED[0], {}], ends=((9, 20), (2, 10)))[1] == []


CHANGED = msgspec.structs.replace


@pytest.mark.parametrize(
    ("first", "second", "says"),
    [
        ([], there(RECEIVED), "partition 0 has not sent it"),
        (home(SENT), there(CHANGED(RECEIVED, amount=301)), "its amount was 300 when it was sent, and is 301"),
        (home(SENT), there(CHANGED(RECEIVED, credit_account=PAYEE + 1)), "its credit_account was"),
        (home(SENT), there(CHANGED(RECEIVED, currency="USD")), "its currency was 'KGS'"),
        (home(SENT), there(CHANGED(RECEIVED, sent_at=8)), "its sent_at was 10"),
        (home(SENT), [row(1, 3, 10, RECEIVED)], "it arrived before it was sent"),
        (home(SENT), there(RECEIVED) + there(RECEIVED, 4), "it arrived in partition 1 at position 3 already"),
        (home(SENT), there(REJECTED) + there(RECEIVED, 4), "it arrived in partition 1 at position 3 already"),
        (home(SENT, COMPLETED), [], "partition 1 has not received it at position 3"),
        (home(SENT, COMPLETED), there(REJECTED), "partition 1 has not received it at position 3"),
        (home(SENT, RETURNED), there(RECEIVED), "partition 1 has not rejected it at position 3"),
        (home(SENT, COMPLETED, RETURNED), there(RECEIVED), "it was ended at position 2 already"),
        (home(CHANGED(SENT, credit_account=account_id(0, 9))), there(RECEIVED), "was sent to partition 0"),
        (home(CHANGED(SENT, credit_account=account_id(4, 9))), [], "sent to partition 4, which is not here"),
        ([], there(CHANGED(RECEIVED, home=4)), "it came from partition 4, which is not here"),
    ],
)
def test_what_does_not_fit_is_told(first: list[Row], second: list[Row], says: str) -> None:
    """With the transfer, its home, and the event that says something else."""
    _, wrong = looked_at(first, second)
    told = [each for each in wrong if says in each]
    assert told, wrong
    assert f"transfer {ID} of partition " in told[0]


def test_clearing_accounts_hold_what_crossed_and_nothing_else() -> None:
    """A partition whose clearing account has more is told with both figures."""
    _, wrong = looked_at(home(SENT, COMPLETED), there(RECEIVED), [{"KGS": 299}, {"KGS": -300, "USD": 1}])
    assert [each.split(" have ", 1)[1] for each in wrong] == [
        "299 tyiyn (KGS), and by what crossed they must have 300",
        "1 tyiyn (USD), and by what crossed they must have 0",
    ]


def test_a_partition_that_was_left_out_is_missed() -> None:
    """Its engines said how many partitions the ledger has."""
    started = EngineStarted(epoch=1, owner="x", policy=Policy(several=3))
    _, wrong = looked_at(home(started), [], [{}, {}])
    assert wrong == ["the ledger has 3 partitions, and the histories of 2 are here"]


def test_what_cannot_be_read_is_left_to_the_others() -> None:
    """A state that is none, and numbers out of all bounds, are told where each partition is looked at by itself."""
    broken = row(0, 1, 10, SENT)._replace(state=b"{")
    far = row(0, 2, 11, SENT)._replace(state=encode(SENT).replace(b"300", b"9" * 30))
    assert looked_at([broken, far], [], [{}, {}])[1] == []
