"""The ledger's audit of itself: what it agrees to, what is an alarm and what is not, and what is signed meanwhile."""

import json
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path

import pytest

from domain.ports import Row
from ledger.audit.self_audit import Audited, Pace, SelfAudit, load, save
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.checkpoints import Checkpoints, HistoryDiffersError
from ledger.audit.source import AccountFigures
from ledger.audit.verify.findings import Check, Finding
from ledger.audit.verify.verifier import Verification
from ledger.log.api import Log
from ledger.log.errors import LogUnavailable
from ledger.log.merkle import Frontier
from ledger.rpc.projected_history import current_figures, tile_hashes
from projections.store import Store, open_store
from tests.ledger.audit.conftest import Original
from tests.ledger.audit.ledgers import LEDGER, Place, all_rows, change_tables, go_on, kept_notes, rewrite, spoil_tile
from tests.ledger.engine.world import HandClock

AT = 30
ROUNDS = 400


BREAK_TREE = "UPDATE trees SET edges = :edges, root = :root"


def broken_tree(place: Place) -> dict[str, bytes]:
    tree = Frontier().grown([bytes(32)] * len(all_rows(place)))
    return {"edges": tree.dump(), "root": tree.root}


class Auditor:
    """An audit that goes on until it is told to stop, in this thread."""

    def __init__(self, log: Log, store: Store, again_seconds: float = 1e9) -> None:
        self.told: list[Audited] = []
        self._store = store
        self._until: Callable[[Audited], bool] = lambda _: True
        self._rounds = 0
        self.behind: int | None = None
        self.between: Callable[[], object] = lambda: None
        self.audit = SelfAudit(log, 0, self, Pace(1.0, again_seconds), tell=self.told.append, wait=self._wait)

    def hashes(self, after: int, upto: int) -> bytes:
        upto = upto if self.behind is None else min(upto, self.behind)
        return b"".join(tile_hashes(self._store, 0, after, upto)) if after < upto else b""

    def figures(self) -> tuple[int, Iterable[AccountFigures]]:
        found = current_figures(self._store, 0)
        return (found.position, found.accounts) if self.behind is None else (0, ())

    def until(self, done: Callable[[Audited], bool], known: Audited | None = None) -> Audited:
        """Audit until the result is so; return it."""
        self._until, self._rounds = done, 0
        self.audit.run(known or self.audit.audited)
        return self.audit.audited

    def _wait(self, _seconds: float) -> bool:
        self._rounds += 1
        assert self._rounds < ROUNDS, self.audit.audited
        self.between()
        return self._until(self.audit.audited)


def audited(place: Place, done: Callable[[Audited], bool], known: Audited | None = None, **options: float) -> Audited:
    """Return what the audit of a ledger comes to."""
    with place.log() as log, closing(open_store(place.url)) as store:
        return Auditor(log, store, **options).until(done, known)


def alarmed(result: Audited) -> bool:
    return result.finding is not None


def test_an_untouched_ledger_agrees(original: Original) -> None:
    """Up to the newest event, pass after pass: each looks at everything again."""
    head = len(all_rows(original.place))
    result = audited(original.place, lambda each: each.passes == 3, again_seconds=0.0)
    assert (result.position, result.finding) == (head, None)
    assert result.at


@pytest.mark.parametrize(
    ("changed", "check", "field"),
    [
        ("originator_id = x''", Check.ROWS, "originator_id"),
        ("originator_id = randomblob(8)", Check.ROWS, "originator_id"),
        ("originator_id = originator_id || originator_id", Check.ROWS, "originator_id"),
        ("originator_version = '1,1'", Check.ROWS, "originator_version"),
        ("recorded_at = recorded_at || ',1'", Check.ROWS, "recorded_at"),
        ("state = 'Ысык-Көл'", Check.ROWS, "state"),
        ("state = 7", Check.ROWS, "state"),
        ("state = state || ''", Check.ROWS, "state"),
        ("request_id = 7", Check.ROWS, "request_id"),
        ("request_id = x''", Check.ROWS, "request_id"),
        ("topic = x'ff'", Check.ROWS, "topic"),
        ("caller = CAST(caller AS BLOB)", Check.ROWS, "caller"),
        ("caller = CAST(x'ff' AS TEXT)", Check.POSITIONS, "position"),
    ],
)
def test_what_no_event_can_hold_is_an_alarm(ledger: Place, changed: str, check: Check, field: str | None) -> None:
    """Not even one that is read like the value it was made of; what cannot be read is missing. None makes it wait."""
    ledger.change(f"UPDATE events SET {changed} WHERE position = {AT}")  # noqa: S608
    finding = audited(ledger, alarmed).finding
    assert finding is not None
    assert (finding.check, finding.position, finding.field) == (check, AT, field)


@pytest.mark.parametrize(
    "changed", ["CAST(originator_id AS TEXT)", "substr(CAST(originator_id || x'07' AS BLOB), 1, 16 + {})"]
)
def test_ids_that_make_up_for_each_other_are_an_alarm(ledger: Place, changed: str) -> None:
    """The bytes of both together are as many as ever, or the very same."""
    for place, more in ((AT, 1), (AT + 1, -1)):
        ledger.change(f"UPDATE events SET originator_id = {changed.format(more)} WHERE position = {place}")  # noqa: S608
    finding = audited(ledger, alarmed).finding
    assert finding is not None
    assert (finding.check, finding.position, finding.field) == (Check.ROWS, AT, "originator_id")


def test_what_differs_before_an_odd_value_is_told_first(ledger: Place) -> None:
    """The alarm names the first event that differs."""
    ledger.change(f"UPDATE events SET state = 7 WHERE position = {AT}")  # noqa: S608
    ledger.change(f"UPDATE events SET caller = 'x' WHERE position = {AT - 2}")  # noqa: S608
    finding = audited(ledger, alarmed).finding
    assert finding is not None
    assert (finding.check, finding.position) == (Check.LEAVES, AT - 2)


def test_large_events_are_looked_at_few_at_a_time(original: Original, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held in memory goes by bytes, not by events; nothing is left out by that."""
    sizes: list[int] = []
    add = Verification.add

    def measured(self: Verification, rows: Sequence[Row]) -> None:
        sizes.append(sum(len(row.state) for row in rows))
        add(self, rows)

    monkeypatch.setattr(Verification, "add", measured)
    monkeypatch.setattr("ledger.audit.self_audit.MOST_BYTES", 3_000)
    monkeypatch.setattr("ledger.audit.reading._AT_A_TIME", 4)
    rows = all_rows(original.place)
    result = audited(original.place, lambda each: each.position == len(rows))
    assert result.finding is None
    assert sum(sizes) == sum(len(row.state) for row in rows)
    assert max(sizes) < 3_000 + 4 * max(len(row.state) for row in rows)
    assert len(sizes) >= 3


def test_what_happens_meanwhile_is_followed(ledger: Place) -> None:
    """The newest events are looked at as they come."""
    before = len(all_rows(ledger))
    with ledger.log() as log, closing(open_store(ledger.url)) as store:
        auditor = Auditor(log, store)
        assert auditor.until(lambda each: each.position == before).position == before
    again = len(all_rows(ledger))
    assert again == before
    with ledger.log() as log, closing(open_store(ledger.url)) as store:
        auditor = Auditor(log, store)

        def append() -> None:
            auditor.between = lambda: None
            go_on(ledger, 40)

        auditor.between = append
        assert auditor.until(lambda each: each.position == before + 40).finding is None


@pytest.mark.parametrize(
    ("change", "check", "position"),
    [
        (lambda place: place.change("UPDATE events SET caller = 'x' WHERE position = 30"), Check.LEAVES, AT),
        (lambda place: place.change("DELETE FROM events WHERE position = 30"), Check.POSITIONS, AT),
        (lambda place: spoil_tile(place, AT), Check.LEAVES, AT),
        (
            lambda place: change_tables(place, "UPDATE balances SET held = held + 1 WHERE account_id = 4"),
            Check.FIGURES,
            None,
        ),
        (lambda place: place.change("UPDATE checkpoints SET note = 'none'"), Check.CHECKPOINTS, None),
        (lambda place: place.change(BREAK_TREE, **broken_tree(place)), Check.ROOTS, None),
    ],
)
def test_what_differs_is_an_alarm(
    ledger: Place, change: Callable[[Place], object], check: Check, position: int | None
) -> None:
    """Event, tile, figure, checkpoint or tree: the alarm names the check, and the event where there is one."""
    change(ledger)
    found = audited(ledger, alarmed).finding
    assert found is not None
    assert found.check is check
    if position is not None:
        assert found.position == position


def test_a_history_that_becomes_shorter_is_an_alarm(ledger: Place) -> None:
    """A truncated tail under a running audit: what it has seen is not there any more."""
    head = len(all_rows(ledger))
    with ledger.log() as log, closing(open_store(ledger.url)) as store:
        auditor = Auditor(log, store)

        def cut() -> None:
            if auditor.audit.audited.position == head:
                ledger.change("DELETE FROM events WHERE position > 50")
                auditor.between = lambda: None

        auditor.between = cut
        found = auditor.until(alarmed).finding
    assert found is not None
    assert (found.check, found.position, found.upto) == (Check.POSITIONS, 51, head)


def test_a_history_that_was_longer_before_a_restart_is_an_alarm(ledger: Place) -> None:
    """What was derived before says how many events there were: a backup that was put back in between shows."""
    rewrite(ledger, lambda row: row if row.position <= AT else None)
    found = audited(ledger, alarmed, Audited(64, 1)).finding
    assert found is not None
    assert (found.check, found.position, found.upto) == (Check.POSITIONS, AT + 1, 64)


def test_events_that_cannot_be_taken_in_are_an_alarm(ledger: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a changed event does to the verification, it is not taken for a database that is away for ever."""

    def stumble(*_: object) -> None:
        raise OverflowError("a number too large")

    monkeypatch.setattr("ledger.audit.verify.holds.Holds.add", stumble)
    found = audited(ledger, alarmed).finding
    assert found is not None
    assert (found.check, found.position) == (Check.ROWS, 1)
    assert "a number too large" in found.message


def test_a_number_past_all_bounds_is_an_alarm(ledger: Place) -> None:
    """An amount that no column of numbers can hold: the event is named."""
    state = json.dumps(json.loads(row_of(ledger, "authorization.approved.v1").state) | {"amount": 10**30})
    at = row_of(ledger, "authorization.approved.v1").position
    ledger.change("UPDATE events SET state = :state WHERE position = :at", state=state.encode(), at=at)
    found = audited(ledger, alarmed).finding
    assert found is not None
    assert found.position == at


def row_of(place: Place, topic: str) -> Row:
    return next(row for row in all_rows(place) if row.topic == topic)


def test_a_database_that_is_away_is_no_alarm(original: Original) -> None:
    """What cannot be read for the moment is read later."""
    head = len(all_rows(original.place))
    with original.place.log() as log, closing(open_store(original.place.url)) as store:
        auditor = Auditor(log, store)
        failures = iter(range(6))

        class Away:
            def __getattr__(self, name: str) -> object:
                if next(failures, None) is not None:
                    raise LogUnavailable("it is away")
                return getattr(log, name)

        auditor.audit = SelfAudit(Away(), 0, auditor, Pace(1.0, 1e9), tell=auditor.told.append, wait=auditor._wait)  # type: ignore[arg-type]
        assert auditor.until(lambda each: each.position == head).finding is None


def test_tables_that_are_behind_are_no_alarm(original: Original) -> None:
    """Projections that are made anew have no hashes and no figures for a while: they are waited for."""
    head = len(all_rows(original.place))
    with original.place.log() as log, closing(open_store(original.place.url)) as store:
        auditor = Auditor(log, store)
        auditor.behind = 0
        waited = iter(range(20))

        def catch_up() -> None:
            if next(waited, None) is None:
                auditor.behind = None

        auditor.between = catch_up
        result = auditor.until(lambda each: each.position == head)
    assert result.finding is None
    assert not any(each.finding for each in auditor.told)


def test_an_alarm_stands_until_a_whole_pass_agrees(ledger: Place) -> None:
    """Over a restart, and while the next pass has not come to the newest event; then it is gone."""
    alarm = Finding(Check.LEAVES, "something", AT)
    with ledger.log() as log, closing(open_store(ledger.url)) as store:
        auditor = Auditor(log, store)
        auditor.behind = 20

        def catch_up() -> None:
            if auditor.audit.audited.position == 20:
                auditor.behind = None

        auditor.between = catch_up
        result = auditor.until(lambda each: each.finding is None, Audited(10, 1, 0, alarm))
    assert result.position == len(all_rows(ledger))
    assert [each.finding for each in auditor.told] == [*[alarm] * (len(auditor.told) - 1), None]
    assert auditor.told[0].position == 20


def test_the_result_outlives_the_process(tmp_path: Path) -> None:
    """An alarm is kept in a file; one that is damaged, or not there, says nothing."""
    path = tmp_path / "self-audit.json"
    assert load(path) == Audited()
    known = Audited(5, 6, 7, Finding(Check.MONEY, "x", 6, account=3))
    save(path, known)
    assert load(path) == known
    path.write_text("{")
    assert load(path) == Audited()


@pytest.mark.parametrize(("position", "signs"), [(None, False), (AT, False), (10_000, True)])
def test_nothing_is_signed_past_a_difference(ledger: Place, position: int | None, signs: bool) -> None:  # noqa: FBT001
    """The last checkpoint before it is answered where that is enough; a new one only before the difference."""
    last = Checkpoint.parse(kept_notes(ledger)[-1]).size
    go_on(ledger, 5)
    ledger.change("DELETE FROM checkpoints WHERE size > :size", size=last)
    finding = Finding(Check.LEAVES, "something", position)
    with ledger.log() as log:
        signer = Checkpoints(
            log, 0, HandClock(), ledger=LEDGER, keys=ledger.keys, audited=lambda: Audited(1, 1, 0, finding)
        )
        head = log.head(0)
        assert signer.issue(log.tree(0), last).checkpoint.size == (head if signs else last)
        if not signs:
            with pytest.raises(HistoryDiffersError, match="something"):
                signer.issue(log.tree(0), head)


def test_a_call_that_was_overtaken_is_no_difference(ledger: Place) -> None:
    """Its tree is smaller than the one that another call has signed meanwhile: that one's checkpoint is answered."""
    with ledger.log() as log:
        before = log.tree(0)
    go_on(ledger, 3)
    with ledger.log() as log:
        signer = Checkpoints(log, 0, HandClock(), ledger=LEDGER, keys=ledger.keys)
        issued = signer.issue(before, before.size).checkpoint
        assert (issued.size, issued.root) == (before.size + 3, log.tree(0).root)


def test_a_log_that_has_lost_what_was_signed_is_a_difference(ledger: Place) -> None:
    """Nothing is signed of a history that ends before one that was signed."""
    with ledger.log() as log:
        before = log.tree(0)
    go_on(ledger, 3)
    edges, root = before.dump(), before.root
    ledger.change(
        "UPDATE trees SET size = :size, edges = :edges, root = :root", size=before.size, edges=edges, root=root
    )
    with ledger.log() as log:
        signer = Checkpoints(log, 0, HandClock(), ledger=LEDGER, keys=ledger.keys)
        with pytest.raises(HistoryDiffersError, match=f"signed for {before.size + 3} leaves"):
            signer.issue(before, before.size)


def test_a_rewritten_history_shows_in_the_checkpoint_that_was_signed(ledger: Place) -> None:
    """Events, tiles and tree agree with one another, and not with what was signed: the interval is named."""
    notes = kept_notes(ledger)
    rewrite(ledger, lambda row: row._replace(caller="x") if row.position == AT else row)
    size = Checkpoint.parse(notes[-1]).size
    ledger.change("UPDATE checkpoints SET note = :note WHERE size = :size", note=notes[-1], size=size)
    found = audited(ledger, alarmed).finding
    assert found is not None
    assert (found.check, found.position, found.upto) == (Check.ROOTS, 1, size)
