"""Up to where the archive command goes: no further than everything else has come, and it says what that was."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from ledger.audit.signing.checkpoint import Checkpoint
from ledger.cli import archive
from ledger.cli.problems import ProblemError
from ledger.log.api import ArchivingLog
from projections.store import Store

FAR = 1_000
SIGNED, KEPT, TOLD, NEWEST = "the last signed checkpoint", "the last snapshot", "the projections", "the last event"


def tables(position: int) -> Store:
    """Return tables that have come to a position, nothing where they have not begun."""
    session = SimpleNamespace(one=lambda _sql, _partition: (position,) if position else None)
    return cast("Store", SimpleNamespace(snapshot=lambda work: work(session)))


@pytest.mark.parametrize(
    ("reached", "bound"),
    [
        ({"signed": 90}, (90, SIGNED)),
        ({"snapshot": 90}, (89, KEPT)),
        ({"projected": 90}, (90, TOLD)),
        ({"head": 90}, (89, NEWEST)),
        ({"snapshot": 0}, (0, KEPT)),
        ({"projected": 0}, (0, TOLD)),
    ],
    ids=lambda value: "-".join(map(str, value)),
)
def test_what_is_still_to_be_read_stays(
    monkeypatch: pytest.MonkeyPatch, reached: dict[str, int], bound: tuple[int, str]
) -> None:
    """A start and a new owner look at the event at which a snapshot was kept, or the log ends, as it was recorded."""
    at = {"signed": FAR, "snapshot": FAR, "projected": FAR, "head": FAR, **reached}
    monkeypatch.setattr(archive, "trusted_position", lambda _log, _partition: at["snapshot"])
    log = cast("ArchivingLog", SimpleNamespace(head=lambda _partition: at["head"]))
    asked = archive._Partition(log, tables(at["projected"]), 0)
    assert min(asked._bounds(Checkpoint("esep.kg/test/0", at["signed"], bytes(32)))) == bound


def test_projections_that_do_not_reach_the_checkpoint_are_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without their tiles nothing can be proven: whoever archives is told to see to them."""
    monkeypatch.setattr(archive, "_PATIENCE_SECONDS", 0.0)
    log = cast("ArchivingLog", None)
    archive._Partition(log, tables(90), 0)._wait_for_projections(90)
    with pytest.raises(ProblemError) as refused:
        archive._Partition(log, tables(89), 0)._wait_for_projections(90)
    problem: Any = refused.value.problem
    assert problem.reason == "PROJECTIONS_BEHIND"
