"""Reading a log ahead of whoever is sent it: nothing twice, nothing left out, wherever the pieces end."""

import asyncio
import random
from collections.abc import Sequence

import pytest

from ledger.audit.reading import TablePiece
from ledger.log.tables import Table
from ledger.rpc import audit_reads
from ledger.rpc.audit_reads import AT_ONCE, Looked, Pieces
from tests.ledger.log.rows import row


def told(ends: Sequence[int], after: int = 0) -> tuple[list[int], list[int]]:
    """Follow a log whose pieces end where ``ends`` says; return where they ended, and where any of them began."""
    begun: list[int] = []

    async def look(start: int) -> Looked:
        begun.append(start)
        await asyncio.sleep(0)
        end = next((each for each in ends if each > start), start)
        return Looked(TablePiece(Table.of(0, [row(end)] if end > start else []), end), end >= ends[-1])

    async def follow() -> list[int]:
        pieces, found = Pieces(look, after), []
        while True:
            looked = await pieces.next()
            found.append(looked.piece.reached)
            if looked.last:
                await pieces.close()
                return found

    return asyncio.run(follow()), begun


@pytest.mark.parametrize("seed", range(50))
def test_pieces_of_any_size_follow_one_another(seed: int) -> None:
    """Whole pieces, short ones and long ones, in any order: each is told once, in order."""
    chance = random.Random(seed)
    ends, end = [], 0
    for _ in range(chance.randrange(1, 30)):
        end += chance.choice((AT_ONCE, AT_ONCE, AT_ONCE, 1, AT_ONCE - 1, AT_ONCE + 1, 10 * AT_ONCE))
        ends.append(end)
    assert told(ends)[0] == ends


def test_whole_pieces_are_read_ahead() -> None:
    """Two of them, and none behind the last."""
    found, begun = told([AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE, 4 * AT_ONCE])
    assert found == [AT_ONCE, 2 * AT_ONCE, 3 * AT_ONCE, 4 * AT_ONCE]
    assert begun[:3] == [0, AT_ONCE, 2 * AT_ONCE]
    assert max(begun) <= (3 + audit_reads.AHEAD) * AT_ONCE


def test_the_next_two_pieces_are_under_way_before_they_are_asked_for() -> None:
    """The database is at work while the first one is sent."""
    begun: list[int] = []

    async def look(start: int) -> Looked:
        begun.append(start)
        return Looked(TablePiece(Table.of(0, []), start + AT_ONCE), last=False)

    async def follow() -> None:
        pieces = Pieces(look, 0)
        await pieces.next()
        await asyncio.sleep(0)
        await pieces.close()

    asyncio.run(follow())
    assert begun == [0, AT_ONCE, 2 * AT_ONCE]


def test_no_message_is_larger_than_it_should_be(monkeypatch: pytest.MonkeyPatch) -> None:
    """But for one that holds a single event."""
    monkeypatch.setattr(audit_reads, "MOST_BYTES", 100)
    sizes = [60, 40, 1, 99, 1, 250, 50, 50, 30]
    states = [b"x" * size for size in sizes]
    assert [sizes[part] for part in audit_reads.messages(states)] == [[60, 40], [1, 99], [1], [250], [50, 50], [30]]
    monkeypatch.setattr(audit_reads, "MOST", 1)
    assert [sizes[part] for part in audit_reads.messages(states)] == [[size] for size in sizes]
    assert list(audit_reads.messages([])) == []


def test_behind_a_short_piece_nothing_is_guessed() -> None:
    """Nobody knows where the piece behind a short one begins before it is there."""
    assert told([5, 9, 12]) == ([5, 9, 12], [0, 5, 9])


def test_a_failure_ahead_is_told_in_its_turn() -> None:
    """What can be read is told first; then why it goes no further; and nothing is left running."""

    async def look(start: int) -> Looked:
        if start >= 2 * AT_ONCE:
            raise RuntimeError(str(start))
        return Looked(TablePiece(Table.of(0, [row(1)]), start + AT_ONCE), last=False)

    async def follow() -> list[int]:
        pieces = Pieces(look, 0)
        found = [(await pieces.next()).piece.reached for _ in range(2)]
        with pytest.raises(RuntimeError, match=str(2 * AT_ONCE)):
            await pieces.next()
        await pieces.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return found

    assert asyncio.run(follow()) == [AT_ONCE, 2 * AT_ONCE]
