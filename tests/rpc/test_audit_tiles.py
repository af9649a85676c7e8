"""Tiles and figures over the wire: what an auditor takes along to verify offline."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.access import Access
from ledger.log.merkle import HASH_BYTES
from projections import tiles
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CASH, ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.common_pb2 import AsOf
from tests.ledger.log.trees import naive_root
from tests.rpc.test_audit_proofs import Auditor, at, grow
from tests.rpc.world import Bank, World

WIDTH = 4


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Return a ledger whose tiles are four hashes wide, so that a few events fill three levels of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE_BITS", 2)
        patch.setattr(tiles, "TILE_WIDTH", WIDTH)
        with World(Path(tmp_path_factory.mktemp("ledger"))) as made:
            grow(made, 21)
            yield made


@pytest.fixture
def auditor(world: World) -> Auditor:
    return Auditor(world)


def leaves(auditor: Auditor, size: int) -> list[bytes]:
    """Return the leaf hash of each event, by the proof that answers it."""
    proofs = [auditor.ask("ProveInclusion", event=at(each), tree_size=size) for each in range(1, size + 1)]
    return [sha256(b"\0" + proof.leaf).digest() for proof in proofs]


def cut(tile: bytes) -> list[bytes]:
    return [tile[start : start + HASH_BYTES] for start in range(0, len(tile), HASH_BYTES)]


@pytest.mark.parametrize("size", [1, 3, 4, 5, 16, 17, 21])
def test_the_tiles_are_the_trees(auditor: Auditor, size: int) -> None:
    """Level 0 is the leaf hashes of that very tree; each hash above is the root over a whole tile below."""
    expected, level = leaves(auditor, size), 0
    while expected:
        found = auditor.ask("ReadTiles", tree_size=size, level=level).tiles
        assert [cut(tile) for tile in found] == [
            expected[start : start + WIDTH] for start in range(0, len(expected), WIDTH)
        ]
        whole = [tile for tile in found if len(tile) == WIDTH * HASH_BYTES]
        expected, level = [naive_root(cut(tile)) for tile in whole], level + 1
    assert list(auditor.ask("ReadTiles", tree_size=size, level=level).tiles) == []


def test_tiles_are_read_in_ranges(auditor: Auditor) -> None:
    """Ranges behind one another hold what one answer holds; behind the last tile there is nothing."""
    whole = list(auditor.ask("ReadTiles", tree_size=21).tiles)
    parts = [auditor.ask("ReadTiles", tree_size=21, first_tile=first, tile_count=4).tiles for first in (0, 4)]
    assert [tile for part in parts for tile in part] == whole
    assert list(auditor.ask("ReadTiles", tree_size=21, first_tile=6).tiles) == []


def test_an_answer_holds_so_many_tiles(auditor: Auditor, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for more than the limit, or for no number, gets the limit."""
    monkeypatch.setattr("ledger.rpc.audit_proofs.MAX_TILES", 2)
    assert [len(auditor.ask("ReadTiles", tree_size=21, tile_count=count).tiles) for count in (0, 1, 3)] == [2, 1, 2]


@pytest.mark.parametrize(
    ("method", "fields", "field", "rule"),
    [
        ("ReadTiles", {"tree_size": 1, "partition": 1}, "partition", "UNKNOWN"),
        ("ReadTiles", {}, "tree_size", "NOT_POSITIVE"),
        ("ReadTiles", {"tree_size": 999_999}, "tree_size", "POSITION_IN_FUTURE"),
        ("ReadTiles", {"tree_size": 1, "level": -1}, "level", "RANGE"),
        ("ReadTiles", {"tree_size": 1, "level": 8}, "level", "RANGE"),
        ("ReadTiles", {"tree_size": 1, "first_tile": -1}, "first_tile", "NEGATIVE"),
        ("ReadTiles", {"tree_size": 1, "tile_count": -1}, "tile_count", "NEGATIVE"),
        ("ListAccountFigures", {"page_size": -1}, "page_size", "NEGATIVE"),
        ("ListAccountFigures", {"as_of": AsOf(position=at(999_999))}, "as_of", "POSITION_IN_FUTURE"),
        ("ListAccountFigures", {"as_of": AsOf(position=at(1, 1))}, "as_of.position.partition", "UNKNOWN"),
        ("ListAccountFigures", {"as_of": AsOf(position=at(-1))}, "as_of.position", "NEGATIVE"),
    ],
)
def test_bad_input(auditor: Auditor, method: str, fields: dict[str, Any], field: str, rule: str) -> None:
    """Each field that cannot be is named, with the rule that it breaks."""
    error = auditor.refused(method, **fields)
    assert (error.reason, error.fields) == ("INVALID_ARGUMENT", {field: rule})


def test_figures_of_every_account(tmp_path: Path) -> None:
    """Page by page every account is told once, as of one position, whatever happens meanwhile."""
    with World(tmp_path) as world:
        bank, auditor = Bank(world), Auditor(world)
        first = auditor.ask("ListAccountFigures", page_size=2)
        bank.move(bank.rich, bank.poor, 5)
        bank.open(ACCOUNT_KIND_CUSTOMER)
        found = list(first.accounts)
        token = first.next_page_token
        while token:
            page = auditor.ask("ListAccountFigures", page_size=2, page_token=token)
            assert page.position == first.position
            found += page.accounts
            token = page.next_page_token
        told = {each.account_id: each.posted_tyiyn for each in found}
        assert told == {bank.cash: -1_000_000, bank.rich: 1_000_000, bank.poor: 0, bank.merchant: 0}
        assert (found[0].kind, found[0].participant_id, found[0].currency_code) == (ACCOUNT_KIND_CASH, "bank-a", "KGS")
        again = auditor.ask("ListAccountFigures", as_of=AsOf(position=first.position))
        assert list(again.accounts) == found
        assert len(auditor.ask("ListAccountFigures").accounts) == 5
        assert list(auditor.ask("ListAccountFigures", as_of=AsOf(position=at(0))).accounts) == []


def test_reading_tiles_is_noted(world: World, auditor: Auditor) -> None:
    """Who takes hashes and figures along is noted like any other reader."""
    before = world.access_log.head()
    auditor.ask("ReadTiles", tree_size=9, first_tile=1)
    auditor.ask("ListAccountFigures", page_size=7)
    noted: list[Access] = world.access_log.read(after=before, upto=before + 9, limit=9)
    assert [(each.note.method, each.note.request) for each in noted] == [
        ("AuditService/ReadTiles", '{"tree_size": "9", "first_tile": "1"}'),
        ("AuditService/ListAccountFigures", '{"page_size": 7}'),
    ]
