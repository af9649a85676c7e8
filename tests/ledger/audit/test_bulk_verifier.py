"""What the verifier reads in bulks: every leg in the columns, by itself, and not by the domain's own reading."""

import pytest

from domain import bulk
from domain.bulk import BulkLegReversed, BulkPosted
from domain.event import Event, Leg
from domain.legs import Legs, RefusedLeg
from ledger.audit.verify import fold
from ledger.audit.verify.findings import Check
from ledger.audit.verify.verifier import verify
from ledger.log.codec import encode
from tests.bulks import bulk_posted
from tests.ledger.audit.test_verifier import DOLLARS, ONE, OPENED, SOME, TWO, Made, found, posted

RIGHT = (ONE, TWO, 5), (TWO, ONE, 3), (ONE, TWO, 7)


def test_bulks_count_in_every_sum() -> None:
    """What their legs move is moved, refused ones move nothing, and a reversal takes it back."""
    event = bulk_posted(*RIGHT, (ONE, DOLLARS, 9), refused=(RefusedLeg(1, "X"), RefusedLeg(3, "X")))
    back = BulkLegReversed(leg=2, legs=(Leg("reversal", TWO, ONE, 7),))
    verdict = verify(Made(*OPENED, (SOME, 1, event), (SOME, 2, back), posted(ONE, TWO, 1)))
    assert [each for each in verdict.findings.listed() if each.check is not Check.FIGURES] == []
    assert verdict.sums["KGS"] == {"accounts": 2, "sum_tyiyn": 0, "debited_tyiyn": 5 + 7 + 7 + 1}


def test_a_bulk_that_moves_nothing_counts_in_no_sum() -> None:
    """Every leg of it was refused."""
    event = bulk_posted(*RIGHT, refused=tuple(RefusedLeg(leg, "X") for leg in range(len(RIGHT))))
    verdict = verify(Made(*OPENED, (SOME, 1, event), posted(ONE, TWO, 1)))
    assert [each for each in verdict.findings.listed() if each.check is not Check.FIGURES] == []
    assert verdict.sums["KGS"] == {"accounts": 2, "sum_tyiyn": 0, "debited_tyiyn": 1}


@pytest.mark.parametrize(
    ("leg", "what"),
    [
        ((ONE, 77, 5), "account 77 was not opened by then"),
        ((ONE, ONE, 5), "both are one account"),
        ((ONE, TWO, 0), "not an amount that can move"),
        ((ONE, TWO, -5), "not an amount that can move"),
        ((ONE, DOLLARS, 5), "different currencies"),
        ((ONE, TWO, 2**62), "out of all bounds"),
    ],
)
def test_a_leg_that_moves_no_money_is_found(leg: tuple[int, int, int], what: str) -> None:
    """Among legs that are right, by the position of its bulk."""
    findings = found(Made(*OPENED, (SOME, 1, bulk_posted(*RIGHT, leg, *RIGHT))), Check.MONEY)
    assert findings[0].position == 4
    assert what in findings[0].message


@pytest.mark.parametrize(
    "change",
    [
        (b'"count":3', b'"count":4'),
        (b'"amounts":"BQ', b'"amounts":"!Q'),
        (b'"amounts":"BQ', b'"amounts":"BQAAAAAAAAAF'),
        (b'"count":3', b'"count":-1'),
        (b'"currency"', b'"references":["","","",""],"currency"'),
        (b'"currency"', b'"refused":[{"leg":3,"reason":"X"}],"currency"'),
    ],
)
def test_columns_that_do_not_fit_are_no_bulk(change: tuple[bytes, bytes]) -> None:
    """Nobody reads other legs from them than were posted: the event is told to be none."""
    state = encode(bulk_posted(*RIGHT)).replace(*change)
    (finding, *_) = found(Made(*OPENED, (SOME, 1, (BulkPosted.TOPIC, state))), Check.EVENTS)
    assert (finding.position, finding.field) == (4, "state")


def test_a_domain_that_reads_other_legs_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The columns are read twice, by the domain and by the verifier: a mistake of one shows."""

    def all_legs(event: BulkPosted) -> Legs:
        return bulk.asked_legs(event)

    event: Event = bulk_posted(*RIGHT, refused=(RefusedLeg(1, "X"),))
    made = Made(*OPENED, (SOME, 1, event))
    assert found(made, Check.FOLD) == []
    monkeypatch.setattr(fold, "posted_legs", all_legs)
    (finding,) = found(made, Check.FOLD)
    assert finding.position == 4
    assert "other movements" in finding.message
