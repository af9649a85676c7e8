"""What the verifier knows of money, holds, lives and kinds: histories whose tree is right and whose content is not."""

from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import authorization as auth
from domain.account import AccountKind, AccountOpened, MinimumBalanceSet, OverdraftLimitSet
from domain.adjustment import AdjustmentProposed
from domain.books import Books
from domain.crossing import TransferReturned
from domain.event import Event, Leg
from domain.ids import account_id, account_originator
from domain.leaves import leaf_hashes
from domain.ports import Row
from domain.topics import BY_TOPIC, EVENTS
from domain.transfer import TransferDeclined, TransferPosted, TransferReversed
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.keys import SigningKey, SigningKeys, Validity
from ledger.audit.source import AccountFigures
from ledger.audit.verify import fold
from ledger.audit.verify.findings import MOST_TOLD, Check, Finding
from ledger.audit.verify.money import LEGS_ONLY, TRANSFER
from ledger.audit.verify.sorted_runs import RECORD, SortedRuns
from ledger.audit.verify.verifier import Verdict, verify
from ledger.log.codec import encode
from ledger.log.merkle import Frontier

ORIGIN = "esep.kg/made/0"
KEYS = SigningKeys([SigningKey(bytes(32), Validity())])
ONE, TWO, DOLLARS = (account_id(0, index) for index in (1, 2, 3))
SOME = bytes(range(16))
END = 10**15


class Made:
    """A history of any events, in a tree of its own that was signed as it is."""

    partition = 0

    def __init__(self, *events: tuple[bytes, int, Event | tuple[str, bytes]], figures: Sequence[Any] = ()) -> None:
        self._rows = [
            Row(0, position, originator, version, *_stored(event), 1_000 + position, None, "made")
            for position, (originator, version, event) in enumerate(events, 1)
        ]
        self.head = len(self._rows)
        self._figures = figures

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        yield self._rows[after:]

    def leaf_hashes(self, after: int) -> Iterator[bytes]:
        yield from leaf_hashes(self._rows[after:])

    def checkpoints(self) -> Sequence[str]:
        tree = Frontier().grown(leaf_hashes(self._rows))
        return [str(KEYS.sign(ORIGIN, Checkpoint(ORIGIN, tree.size, tree.root).text(), 1))]

    def keys(self) -> Sequence[str]:
        return [str(KEYS.keys[0].verifier(ORIGIN))]

    def figures(self) -> Iterator[AccountFigures]:
        return iter(self._figures)


def _stored(event: Event | tuple[str, bytes]) -> tuple[str, bytes]:
    return event if isinstance(event, tuple) else (event.TOPIC, encode(event))


def opened(account: int, currency: str = "KGS", **fields: Any) -> tuple[bytes, int, Event]:
    event = AccountOpened(participant="bank-a", kind=AccountKind.SETTLEMENT, currency=currency, **fields)
    return account_originator(account), 1, event


OPENED = (opened(ONE), opened(TWO), opened(DOLLARS, "USD"))


def found(source: Made, *checks: Check) -> list[Finding]:
    """Return what is found of these kinds; the figures, of which there are none, are left out."""
    return [each for each in verify(source).findings.listed() if each.check in checks]


FORCED = auth.ForcePosted(account=ONE, amount=1, legs=(Leg("x", ONE, DOLLARS, 1),), clearing_reference="c")


def posted(debit: int, credit: int, amount: int, **fields: Any) -> tuple[bytes, int, Event]:
    return Random(f"{debit}{credit}{amount}").randbytes(16), 1, TransferPosted(debit, credit, amount, **fields)


def approved(amount: int, **fields: Any) -> Event:
    known: dict[str, Any] = {"account": ONE, "credit_account": TWO, "currency": "KGS", "kind": "purchase"}
    return auth.AuthorizationApproved(amount=amount, **(known | {"rule_version": "1", "expires_at": END} | fields))


# Money.


@pytest.mark.parametrize(
    ("moved", "what"),
    [
        (posted(ONE, 77, 5), "account 77 was not opened by then"),
        (posted(0, TWO, 5), "account 0 was not opened by then"),
        (posted(ONE, ONE, 5), "both are one account"),
        (posted(ONE, TWO, 0), "not an amount that can move"),
        (posted(ONE, TWO, -5), "not an amount that can move"),
        (posted(ONE, DOLLARS, 5), "different currencies"),
        (posted(ONE, TWO, 2**62), "out of all bounds"),
        (posted(ONE, TWO, 5, legs=(Leg("fee", TWO, 77, 1),)), "account 77 was not opened by then"),
        (
            (
                SOME,
                1,
                auth.ForcePosted(account=ONE, amount=1, legs=(Leg("x", ONE, DOLLARS, 1),), clearing_reference="c"),
            ),
            "currencies",
        ),
    ],
)
def test_money_comes_from_somewhere_and_goes_somewhere(moved: Any, what: str) -> None:
    """Each movement that is none is named by its position, among as many as one likes that are right."""
    right = [posted(ONE, TWO, amount) for amount in range(1, 50)]
    findings = found(Made(*OPENED, *right[:20], moved, *right[20:]), Check.MONEY)
    assert findings[0].position == 24
    assert what in findings[0].message


def test_an_account_is_credited_only_once_it_is_opened() -> None:
    """Not even in the same few thousand events that are looked at together."""
    (finding, *_) = found(Made(opened(ONE), posted(ONE, TWO, 5), opened(TWO)), Check.MONEY)
    assert (finding.position, finding.account) == (2, TWO)


def test_the_sums_tell_when_currencies_are_mixed() -> None:
    """Som that become dollars are missing in one sum and too many in the other."""
    verdict = verify(Made(*OPENED, posted(ONE, DOLLARS, 5)))
    assert {code: each["sum_tyiyn"] for code, each in verdict.sums.items()} == {"KGS": -5, "USD": 5}
    assert any("come to -5 tyiyn together" in each.message for each in verdict.findings.of(Check.MONEY))


def test_every_kind_of_event_that_can_move_money_is_known() -> None:
    """Whatever has legs, or a debit and a credit, and is not a refusal, is read for its movements.

    A return says why the money came back, as refusals do, and moves it.
    """
    moving = {
        kind.TOPIC
        for kind in EVENTS
        if {"legs", "debit_account"} & set(kind.__struct_fields__)
        and ("reason" not in kind.__struct_fields__ or kind is TransferReturned)
    }
    assert moving - {AdjustmentProposed.TOPIC} == {TRANSFER, *LEGS_ONLY}  # a proposal moves nothing yet
    assert TransferDeclined.TOPIC not in moving
    assert BY_TOPIC.keys() >= moving


# Holds.


@pytest.mark.parametrize(
    ("events", "position", "what"),
    [
        ([approved(5), auth.AuthorizationReversed(account=ONE, released=6, by="x")], 5, "lets go of 1 tyiyn more"),
        ([approved(5), auth.AuthorizationReversed(account=ONE, released=4, by="x")], 5, "1 tyiyn of it are not let go"),
        ([approved(5), auth.AuthorizationPartlyReversed(account=ONE, amount=6)], 5, "lets go of 1 tyiyn more"),
        ([approved(5), auth.AuthorizationExpired(account=TWO, released=5, expires_at=END)], 5, f"is on account {ONE}"),
        ([auth.AuthorizationIncremented(account=ONE, amount=5)], 4, "a hold that is not open"),
        ([approved(5), approved(5)], 5, "had begun before"),
        ([approved(5, account=77)], 4, "account 77, which was not opened"),
        (
            [
                approved(5),
                auth.AuthorizationReversed(account=ONE, released=5, by="x"),
                auth.AuthorizationPartlyReversed(account=ONE, amount=1),
            ],
            6,
            "a hold that is not open",
        ),
    ],
)
def test_a_hold_lets_go_of_what_it_holds(events: list[Event], position: int, what: str) -> None:
    """Neither more nor less, on its own account, and once."""
    history = [(SOME, version, event) for version, event in enumerate(events, 1)]
    finding = found(Made(*OPENED, *history), Check.HOLDS)[0]
    assert finding.position == position
    assert what in finding.message


def test_what_is_held_is_compared_without_what_has_lapsed() -> None:
    """A hold whose time was over at the last event counts no more, said or unsaid."""
    held = [(SOME, 1, approved(5)), (SOME[::-1], 1, approved(7, expires_at=1_003))]
    figures = [
        AccountFigures(each, "bank-a", "settlement", "KGS", 0, held, 0, 0) for each, held in ((ONE, 5), (TWO, 0))
    ]
    dollars = AccountFigures(DOLLARS, "bank-a", "settlement", "USD", 0, 0, 0, 0)
    verdict = verify(Made(*OPENED, *held, figures=[*figures, dollars]))
    assert verdict.ok, verdict.findings.listed()
    assert verdict.open_holds == 2


def test_limits_of_accounts_are_figures() -> None:
    """What may be overdrawn and what must remain follow from the events, like every other figure."""
    originator = account_originator(ONE)
    history = (opened(ONE), (originator, 2, OverdraftLimitSet(limit=9)), (originator, 3, MinimumBalanceSet(minimum=4)))
    for limits, wrong in (((9, 4), None), ((8, 4), "overdraft_limit"), ((9, 5), "minimum_balance")):
        figures = [AccountFigures(ONE, "bank-a", "settlement", "KGS", 0, 0, *limits)]
        fields = [each.field for each in verify(Made(*history, figures=figures)).findings.listed()]
        assert fields == ([] if wrong is None else [wrong])


# The domain's own fold.


def test_a_mistaken_rule_of_the_domain_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The events are read here without the domain: when it takes other movements from them, the event is named."""
    reversal = TransferReversed(legs=(Leg("reversal", TWO, ONE, 5),), whole=True)
    transfer = posted(ONE, TWO, 5)
    history = Made(*OPENED, transfer, (transfer[0], 2, reversal))
    assert not found(history, Check.FOLD)
    monkeypatch.setattr(fold, "movements", lambda event: ())
    assert found(history, Check.FOLD)[0].position == 5


def test_books_that_come_to_something_else_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the domain's own figures are others than those that stand in the events: the account and the figure."""
    history = Made(*OPENED, *(posted(ONE, TWO, amount) for amount in range(1, 10)))

    class Mistaken(Books):
        def evolve(self, change: Any, recorded_at: int, position: int) -> None:
            if position == 7:
                change = change._replace(event=msgspec.structs.replace(change.event, amount=1_000))
            super().evolve(change, recorded_at, position)

    monkeypatch.setattr(fold, "Books", Mistaken)
    (finding,) = found(history, Check.FOLD)
    assert (finding.account, finding.field) == (ONE, "posted")


# Kinds.


@pytest.mark.parametrize(
    ("event", "field", "what"),
    [
        (("account.opened.v9", b"{}"), "topic", "unknown"),
        ((TRANSFER, b"not json"), "state", "no JSON"),
        ((TRANSFER, b'{"debit_account":1,"credit_account":"x","amount":1}'), "state", "credit_account"),
    ],
)
def test_an_event_that_cannot_be_read_is_named(event: tuple[str, bytes], field: str, what: str) -> None:
    """Of an unknown kind, no JSON, or not what its kind holds: which, and where."""
    (finding,) = found(Made(*OPENED, (SOME, 1, event), posted(ONE, TWO, 1)), Check.EVENTS)
    assert (finding.position, finding.field) == (4, field)
    assert what in finding.message


def test_findings_of_one_kind_do_not_fill_the_report() -> None:
    """The first ones are told, all of them are counted."""
    wrong = [(Random(number).randbytes(16), 1, TransferPosted(ONE, 77, 5)) for number in range(50)]
    verdict: Verdict = verify(Made(*OPENED, *wrong))
    assert len(verdict.findings.of(Check.MONEY)) == MOST_TOLD
    assert verdict.findings.counts[Check.MONEY] == 50


# Lives, among more than memory holds.


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 2**32), st.integers(0, 2_000), st.integers(1, 300), st.sampled_from([2, 64, 150, 500]))
def test_runs_are_merged_in_order(seed: int, count: int, at_once: int, run: int) -> None:
    """Whatever comes, in whatever pieces, comes back sorted, each as often as it came."""
    random = Random(seed)
    records = [(random.randrange(7), random.randrange(5), random.randrange(1, 2**40)) for _ in range(count)]
    with SortedRuns(run=run) as runs:
        for start in range(0, len(records), at_once):
            part = records[start : start + at_once]
            ids = b"".join(_spread(name) for name, _, _ in part)
            runs.add(ids, np.array([version for _, version, _ in part]), np.array([at for _, _, at in part]))
        merged = [tuple(record) for piece in runs.merged() for record in piece.tolist()]
    expected = []
    for name, version, at in records:
        spread = _spread(name)
        expected.append((int.from_bytes(spread[:8], "big"), int.from_bytes(spread[8:], "big"), version, at))
    assert merged == sorted(expected)
    assert list(RECORD.names or ()) == ["high", "low", "version", "position"]


def _spread(name: int) -> bytes:
    """Return an id; some share their first half, some have bits that a float would lose."""
    return [(0).to_bytes(8, "big"), b"\xff" * 8][name % 2] + (2**63 - 3 + name).to_bytes(8, "big")


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda versions: versions.remove(1), "the first event of the aggregate has version 2"),
        (lambda versions: versions.remove(20), "after version 19"),
        (lambda versions: versions.__setitem__(20, 20), "two events of version 20"),
        (lambda versions: versions.__setitem__(slice(19, 21), [21, 20]), "stands before version"),
    ],
)
def test_a_life_that_does_not_count_is_found(
    change: Callable[[list[int]], None], what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A gap, a version that stands twice, one before its time: also where the ids have to be sorted on the disk."""
    monkeypatch.setattr("ledger.audit.verify.chains.SortedRuns", lambda directory: SortedRuns(directory, run=8))
    versions = list(range(1, 60))
    change(versions)
    others = [Random(number).randbytes(16) for number in range(len(versions))]
    events = []
    for version, other in zip(versions, others, strict=True):
        events += [(SOME, version, TransferDeclined(reason="x", debit_account=1, credit_account=2, amount=1))]
        events += [(other, 1, TransferDeclined(reason="x", debit_account=1, credit_account=2, amount=1))]
    findings = found(Made(*events), Check.VERSIONS)
    assert findings
    assert what in findings[0].message
    assert all(each.aggregate == "00010203-0405-0607-0809-0a0b0c0d0e0f" for each in findings)


def test_lives_that_count_are_right_in_any_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """A life that goes on from one piece of what was sorted into the next is one life."""
    monkeypatch.setattr("ledger.audit.verify.chains.SortedRuns", lambda directory: SortedRuns(directory, run=100))
    event = TransferDeclined(reason="x", debit_account=1, credit_account=2, amount=1)
    lives = [Random(number).randbytes(16) for number in range(5)]
    verdict = verify(Made(*((life, version, event) for version in range(1, 301) for life in lives)))
    assert not verdict.findings.of(Check.VERSIONS)
    assert verdict.aggregates == len(lives)
