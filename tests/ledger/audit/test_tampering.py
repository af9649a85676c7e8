"""Whatever is changed behind the ledger's back is found, and said where: one change a test, in the very tables."""

from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import text

from domain.ids import format_uuid
from domain.leaves import leaf_hashes
from domain.ports import Row
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.note import COSIGNATURE, Note, Signature, VerifierKey, cosigned
from ledger.audit.verify.findings import Check, Finding
from ledger.audit.verify.verifier import Verdict
from ledger.log.merkle import Frontier
from ledger.log.schema import events
from projections.schema import balances
from tests.ledger.audit.conftest import Original
from tests.ledger.audit.ledgers import (
    Place,
    all_rows,
    begin,
    change_tables,
    go_on,
    kept,
    kept_notes,
    note_of,
    put,
    rewrite,
    spoil_tile,
    stored,
    stranger,
    verified,
)

AT = 30
"""The position at which the tests change something, between the checkpoints."""

OTHERS: dict[str, Any] = {
    "partition": 1,
    "position": 1_000,
    "originator_id": bytes(range(16)),
    "originator_version": 9,
    "topic": "transfer.declined.v1",
    "state": b'{"debit_account":1,"credit_account":2,"amount":1}',
    "recorded_at": 1_790_000_000_000_001,
    "request_id": bytes(range(16)),
    "caller": "bank-z",
}
"""What stands in the place of each field that is stored and hashed."""


def only(verdict: Verdict, check: Check) -> Finding:
    """Return the first finding of a kind."""
    found = verdict.findings.of(check)
    assert found, verdict.findings.listed()
    return found[0]


def change(place: Place, field: str) -> None:
    """Put something else in the place of a field."""
    sql = f"UPDATE events SET {field} = :value WHERE position = :at"  # noqa: S608 - a column of the table
    place.change(sql, value=OTHERS[field], at=AT)


def row_at(place: Place, position: int) -> Row:
    with place.log() as log:
        return log.read(0, position - 1, 1)[0]


def test_the_untouched_ledger_verifies(original: Original) -> None:
    """Nothing is found where nothing was changed, with every checkpoint that was ever signed."""
    verdict = verified(original.place, kept=kept(*original.notes), keys=[original.place.public])
    assert verdict.ok, verdict.findings.listed()
    assert verdict.events == verdict.head == verdict.last_checkpoint
    assert verdict.sums["KGS"]["sum_tyiyn"] == 0 < verdict.sums["KGS"]["debited_tyiyn"]
    assert verdict.open_holds == 4


def test_every_stored_field_has_a_change_here() -> None:
    """A column that is added to the table of events is tried as well, or this fails."""
    assert OTHERS.keys() == {column.name for column in events.columns} == set(Row._fields)


@pytest.mark.parametrize("field", [column.name for column in events.columns])
def test_a_changed_field_is_found_where_it_is(original: Original, ledger: Place, field: str) -> None:
    """Each field of an event that is stored and hashed: the position is named, and the field where it can be told."""
    before = row_at(ledger, AT)
    assert getattr(before, field) != OTHERS[field]
    change(ledger, field)
    verdict = verified(ledger, kept=kept(*original.notes), keys=[ledger.public])
    if field in ("partition", "position"):  # The event is not where it was: its place is empty.
        found = only(verdict, Check.POSITIONS)
        assert (found.position, found.field) == (AT, "position")
        return
    found = only(verdict, Check.LEAVES)
    assert found.position == AT
    assert found.field == (None if field in ("originator_id", "state") else field), found.message
    assert "is not the one whose hash the tiles hold" in found.message
    root = only(verdict, Check.ROOTS)
    assert (root.position or 0) <= AT <= (root.upto or 0)
    rewritten = only(verdict, Check.KEPT)
    assert (rewritten.position, rewritten.upto) == around(original, AT)


@pytest.mark.parametrize(
    ("field", "was"), [("topic", "topic"), ("caller", "caller"), ("originator_version", "originator_version")]
)
def test_what_a_field_was_is_told_where_it_can_be_guessed(ledger: Place, field: str, was: str) -> None:
    """The true hash says what stood there, so that the finding says it too."""
    before = getattr(row_at(ledger, AT), field)
    change(ledger, field)
    assert only(verified(ledger), Check.LEAVES).message.endswith(f"{was} was {before!r}")


def test_every_event_can_be_the_changed_one(ledger: Place) -> None:
    """The first, the last and any other: always the one that was changed, and no other."""
    with ledger.log() as log:
        head = log.head(0)
    for position in (1, 2, head // 2, head - 1, head):
        was = row_at(ledger, position).caller
        sql = "UPDATE events SET caller = :caller WHERE position = :at"
        ledger.change(sql, caller="somebody", at=position)
        assert [each.position for each in verified(ledger).findings.of(Check.LEAVES)] == [position]
        ledger.change(sql, caller=was, at=position)
    assert verified(ledger).ok


def test_a_deleted_event_is_missing(ledger: Place) -> None:
    """Its position is named, and the version that its aggregate lacks; whatever else stands is still looked at."""
    gone = row_at(ledger, AT)
    ledger.change("DELETE FROM events WHERE position = :at", at=AT)
    ledger.change("UPDATE events SET caller = 'x' WHERE position = :at", at=AT + 5)
    verdict = verified(ledger)
    assert only(verdict, Check.POSITIONS) == Finding(
        Check.POSITIONS, f"no event has position {AT}: after {AT - 1} comes {AT + 1}", AT, AT, field="position"
    )
    assert [each.position for each in verdict.findings.of(Check.LEAVES)] == [AT + 5]
    assert only(verdict, Check.VERSIONS).aggregate == format_uuid(gone.originator_id)


def test_the_life_of_an_aggregate_has_no_gap(ledger: Place) -> None:
    """Where an event in the middle of a life is taken out and the positions are closed up, the versions show it."""
    rows = all_rows(ledger)
    lives = [row for row in rows if row.originator_version == 2 and any(_next(row, each) for each in rows)]
    gone = lives[0]
    after = next(each for each in rows if _next(gone, each))
    rewrite(ledger, lambda row: None if row == gone else row)
    found = only(verified(ledger), Check.VERSIONS)
    assert found.position == after.position - 1
    assert found.aggregate == format_uuid(gone.originator_id)
    assert "after version 1" in found.message
    assert "has version 3" in found.message


def test_an_inserted_event_is_found(ledger: Place) -> None:
    """An event that was never appended has no place: not in the order, not in the tiles, not under any signature."""
    with ledger.log() as log:
        last = log.read(0, log.head(0) - 1, 1)[0]
    forged = last._replace(
        position=last.position + 1, originator_id=bytes(range(16)), originator_version=1, request_id=None
    )
    put(ledger, forged._replace(recorded_at=last.recorded_at + 1))
    verdict = verified(ledger)
    assert only(verdict, Check.CHECKPOINTS).position == forged.position
    assert only(verdict, Check.LEAVES).position == forged.position
    assert "the tiles end before this event" in only(verdict, Check.LEAVES).message


def test_swapped_events_are_both_found(ledger: Place) -> None:
    """Two events in each other's place: both are named, and time that runs backwards between them."""
    for before, after in ((AT, 9_000), (AT + 1, AT), (9_000, AT + 1)):
        ledger.change("UPDATE events SET position = :after WHERE position = :before", before=before, after=after)
    verdict = verified(ledger)
    assert [each.position for each in verdict.findings.of(Check.LEAVES)] == [AT, AT + 1]
    assert only(verdict, Check.TIMES).position == AT + 1


def test_a_request_is_recorded_once(ledger: Place) -> None:
    """A second event under the id of a request that was carried out before is named, wherever it stands."""
    rows = all_rows(ledger)
    asked = next(row for row in rows if row.request_id is not None)
    last = rows[-1]
    with ledger.behind() as connection:
        connection.execute(text("DROP INDEX events_by_request"))
    ledger.change("UPDATE events SET request_id = :id WHERE position = :at", id=asked.request_id, at=last.position)
    found = only(verified(ledger), Check.REQUESTS)
    assert (found.position, found.field) == (last.position, "request_id")
    assert f"recorded at position {asked.position} and again at {last.position}" in found.message


def test_a_truncated_tail_is_missing(original: Original, ledger: Place) -> None:
    """Even where tree, tiles and checkpoints are cut back with it: whoever kept a checkpoint proves what is missing."""
    cut = AT
    rewrite(ledger, lambda row: row if row.position <= cut else None)
    assert verified(ledger).ok
    found = only(verified(ledger, kept=kept(*original.notes)), Check.KEPT)
    assert (found.position, found.upto) == (cut + 1, around(original, cut + 1)[1])
    assert "are missing" in found.message


def test_a_restored_backup_that_went_on_is_another_history(original: Original, ledger: Place) -> None:
    """The same signatures by the true key, the same beginning: the first interval that was lost is named."""
    cut = AT
    rewrite(ledger, lambda row: row if row.position <= cut else None)
    go_on(ledger, 60)
    verdict = verified(ledger, kept=kept(*original.notes), keys=[ledger.public])
    found = only(verdict, Check.KEPT)
    assert (found.position, found.upto) == around(original, cut + 1)
    assert not verdict.findings.of(Check.ROOTS)


def test_a_rewritten_history_with_a_consistent_tree_is_found(original: Original, ledger: Place) -> None:
    """Events, tree, tiles, figures and checkpoints agree, signed by the true key: only who kept a checkpoint knows."""
    rows = all_rows(ledger)
    moved = next(row for row in rows if row.position > AT and row.topic == "transfer.posted.v1")
    forged = moved._replace(state=moved.state.replace(b'"amount":5', b'"amount":6'))
    assert forged != moved
    rewrite(ledger, lambda row: forged if row == moved else row)
    assert verified(ledger, keys=[ledger.public]).ok
    verdict = verified(ledger, kept=kept(*reversed(original.notes)), keys=[ledger.public])
    found = only(verdict, Check.KEPT)
    assert (found.position, found.upto) == around(original, moved.position)
    assert "is not what was signed" in found.message


def test_a_replaced_checkpoint_is_found(ledger: Place) -> None:
    """A note of another root under the old signature is none, and says of which size it is."""
    size, note = len(all_rows(ledger)), kept_notes(ledger)[-1]
    lines = note.split("\n")
    lines[2] = "A" * 43 + "="
    ledger.change("UPDATE checkpoints SET note = :note WHERE size = :size", note="\n".join(lines), size=size)
    found = only(verified(ledger), Check.CHECKPOINTS)
    assert found.position == size
    assert "is not one of this text" in found.message


def test_a_checkpoint_by_another_key_is_refused(ledger: Place, original: Original) -> None:
    """A root that somebody else signed counts for nothing, whichever name he gives himself."""
    with ledger.log() as log:
        forged = note_of(stranger(ledger), log.tree(0))
    verdict = verified(ledger, notes=[*original.notes[:-1], forged])
    found = verdict.findings.of(Check.CHECKPOINTS)
    assert "it is signed by an unknown key" in found[0].message
    assert f"known are: {ledger.public.name}+{ledger.public.key_id.hex()}" in found[0].message
    assert "no checkpoint that counts reaches the end" in found[1].message
    refused = only(verified(ledger, kept=kept(forged)), Check.KEPT)
    assert refused.message.startswith("kept-1.note is refused: it is signed by an unknown key")


def test_keys_of_the_auditor_count_and_no_others(ledger: Place) -> None:
    """A ledger may name any key as its own: where the auditor gives one, the ledger's word is worth nothing."""
    verdict = verified(ledger, keys=[stranger(ledger).public])
    assert "it is signed by an unknown key" in only(verdict, Check.CHECKPOINTS).message
    assert verdict.given_keys
    assert not verified(ledger).given_keys


def test_a_checkpoint_of_another_ledger_is_refused(ledger: Place, original: Original) -> None:
    """Its root says nothing about this history, and it is not taken for one that does."""
    other = original.notes[0].replace("esep.kg/test/0", "esep.kg/other/0")
    assert "unknown key" in only(verified(ledger, kept=kept(other)), Check.KEPT).message


@pytest.mark.postgres
def test_every_changed_field_is_found_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """The same as on SQLite, field by field: nothing is found before, the place is found, and nothing afterwards."""
    place = Place(tmp_path, postgres_url)
    notes = begin(place)
    assert verified(place, kept=kept(*notes), keys=[place.public]).ok
    before = row_at(place, AT)
    with place.behind() as connection:
        was = stored(connection, before)
        others = stored(connection, Row(**OTHERS))
    for field in Row._fields:
        set_field = f"UPDATE events SET {field} = :value WHERE "  # noqa: S608 - a column of the table
        place.change(f"{set_field} position = :at", value=others[field], at=AT)
        found = verified(place, kept=kept(*notes), keys=[place.public]).findings
        check = Check.POSITIONS if field in ("partition", "position") else Check.LEAVES
        assert [each.position for each in found.of(check)][:1] == [AT], field
        moved_to = OTHERS["position"] if field == "position" else AT
        place.change(f"{set_field} position = :at", value=was[field], at=moved_to)
    assert verified(place, kept=kept(*notes), keys=[place.public]).ok


@pytest.mark.postgres
def test_what_is_missing_or_rewritten_is_found_on_postgresql(postgres_url: str, tmp_path: Path) -> None:
    """A deleted event, a changed balance, a truncated tail: the same findings as on SQLite."""
    place = Place(tmp_path, postgres_url)
    notes = begin(place)
    change_tables(place, "UPDATE balances SET posted = posted + 1 WHERE account_id = 4")
    assert [(each.account, each.field) for each in verified(place).findings.listed()] == [(4, "posted")]
    gone = row_at(place, AT)
    place.change("DELETE FROM events WHERE position = :at", at=AT)
    assert only(verified(place), Check.POSITIONS).position == AT
    put(place, gone)
    rewrite(place, lambda row: row if row.position <= AT else None)
    assert verified(place, keys=[place.public]).ok
    found = only(verified(place, kept=kept(*notes), keys=[place.public]), Check.KEPT)
    assert (found.position, found.upto) == (AT + 1, min(_size(note) for note in notes if _size(note) > AT))


def _size(note: str) -> int:
    return Checkpoint.parse(note).size


def test_a_changed_tile_is_told_from_a_changed_event(ledger: Place) -> None:
    """The event is the one that was signed: so it is the tile that was changed."""
    spoil_tile(ledger, AT)
    verdict = verified(ledger)
    found = only(verdict, Check.LEAVES)
    assert (found.position, found.field) == (AT, "tile")
    assert not verdict.findings.of(Check.ROOTS)


def test_a_changed_tree_shows_in_the_next_checkpoint(ledger: Place) -> None:
    """Whatever is signed from a tree that is not the events' has a root that no event leads to."""
    with ledger.log() as log:
        wrong = log.tree(0).grown([bytes(32)])
    ledger.change(
        "UPDATE trees SET edges = :edges, root = :root, size = :size",
        edges=wrong.dump(),
        root=wrong.root,
        size=wrong.size,
    )
    rows = all_rows(ledger)
    other = Frontier().grown([bytes(32), *leaf_hashes(rows[1:])])
    note = note_of(ledger, other)
    found = only(verified(ledger, notes=[*kept_notes(ledger)[:1], note]), Check.ROOTS)
    first = Checkpoint.parse(kept_notes(ledger)[0]).size
    assert (found.position, found.upto) == (first + 1, len(rows))


def test_a_changed_balance_is_found(ledger: Place) -> None:
    """What the ledger answers for an account is what follows from the events, or the account is named, with both."""
    change_tables(ledger, "UPDATE balances SET posted = posted + 1 WHERE account_id = 4")
    found = only(verified(ledger), Check.FIGURES)
    assert (found.account, found.field) == (4, "posted")
    assert "as the ledger answers" in found.message


@pytest.mark.parametrize("column", ["posted", "held"])
def test_every_figure_of_every_account_is_compared(ledger: Place, column: str) -> None:
    """One by one, each of them alone."""
    assert column in balances.columns
    for account in range(1, 9):
        change_figure(ledger, column, account, 1)
        assert [(each.account, each.field) for each in verified(ledger).findings.listed()] == [(account, column)]
        change_figure(ledger, column, account, -1)


def test_a_missing_account_is_found(ledger: Place) -> None:
    """An account that was opened and is not answered for, and one that never was."""
    change_tables(ledger, "UPDATE accounts SET account_id = 999 WHERE account_id = 8")
    found = verified(ledger).findings.of(Check.FIGURES)
    assert [each.account for each in found] == [999, 8]


def change_figure(place: Place, column: str, account: int, by: int) -> None:
    change_tables(place, f"UPDATE balances SET {column} = {column} + {by} WHERE account_id = {account}")  # noqa: S608


def _next(one: Row, other: Row) -> bool:
    return one.originator_id == other.originator_id and other.originator_version == one.originator_version + 1


def sizes_of(original: Original) -> list[int]:
    return [Checkpoint.parse(note).size for note in original.notes]


def around(original: Original, position: int) -> tuple[int, int]:
    """Return the interval between kept checkpoints that a position lies in."""
    sizes = sizes_of(original)
    return 1 + max((size for size in sizes if size < position), default=0), min(
        size for size in sizes if size >= position
    )


def test_a_witness_counts_where_the_auditor_gives_its_key(ledger: Place) -> None:
    """How far it has seen is told; a line under its name that is none of its signatures is named."""
    private = Ed25519PrivateKey.generate()
    witness = VerifierKey("witness.kg/one", COSIGNATURE, private.public_key().public_bytes_raw())
    *earlier, last = kept_notes(ledger)
    note = Note.parse(last)

    def cosigned_at(seen_at: int, signed_at: int) -> str:
        value = seen_at.to_bytes(8, "big") + private.sign(cosigned(note.text, signed_at))
        return str(note._replace(signatures=(*note.signatures, Signature(witness.name, witness.key_id, value))))

    right = verified(ledger, notes=[*earlier, cosigned_at(7, 7)], keys=[ledger.public, witness])
    assert right.ok, right.findings.listed()
    assert right.witnessed == {witness.name: right.head}
    assert not verified(ledger, notes=[*earlier, cosigned_at(7, 7)], keys=[ledger.public]).witnessed
    wrong = verified(ledger, notes=[*earlier, cosigned_at(7, 8)], keys=[ledger.public, witness])
    assert only(wrong, Check.WITNESSES).position == wrong.head
    assert not wrong.witnessed
