"""Checkpoints and proofs over the wire, verified as an auditor would."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.note import Note, VerifierKey, verified
from ledger.audit.signing.proofs import verify_consistency, verify_inclusion
from ledger.log.api import Kept
from protos.esep.v1 import audit_service_pb2 as pb
from protos.esep.v1.account_pb2 import ACCOUNT_KIND_CUSTOMER
from protos.esep.v1.account_service_pb2 import OpenAccountRequest
from protos.esep.v1.common_pb2 import LogPosition
from tests.ledger.audit.checker import check_consistency, check_inclusion
from tests.ledger.audit.test_note import witness
from tests.rpc.world import PATIENCE, Refusal, World, new_id, refused

WITNESS_SEED = b"w" * 32
WITNESS, _ = witness(WITNESS_SEED, 0)


@pytest.fixture
def world(tmp_path: Path, store_url: str) -> Iterator[World]:
    with World(tmp_path, database_url=store_url, witnesses=(WITNESS,)) as made:
        yield made


class Auditor:
    """A client that asks AuditService."""

    def __init__(self, world: World) -> None:
        self._client = world.client("auditor")

    def ask(self, method: str, **fields: Any) -> Any:
        request = getattr(pb, f"{method}Request")(**fields)
        return getattr(self._client.audit, method)(request, metadata=self._client.metadata, timeout=PATIENCE)

    def refused(self, method: str, **fields: Any) -> Refusal:
        return refused(lambda: self.ask(method, **fields))


@pytest.fixture
def auditor(world: World) -> Auditor:
    return Auditor(world)


def grow(world: World, accounts: int) -> int:
    """Open so many accounts; return the last position."""
    client = world.client()
    positions = []
    for _ in range(accounts):
        request = OpenAccountRequest(request_id=new_id(), participant_id="bank-a", kind=ACCOUNT_KIND_CUSTOMER)
        opened = client.accounts.OpenAccount(request, metadata=client.metadata, timeout=PATIENCE)
        positions.append(opened.receipt.position)
    return positions[-1]


def checkpoint_of(answer: Any) -> Checkpoint:
    """Return the checkpoint of an answer, after verifying its note by the key that the answer tells."""
    note = Note.parse(answer.checkpoint.note)
    keys = [VerifierKey.parse(each.verifier_key) for each in answer.keys]
    assert verified(note, keys) == keys
    found = Checkpoint.parse(note.text)
    assert (found.size, found.root) == (answer.checkpoint.tree.position, answer.checkpoint.root_hash)
    return found


def at(position: int, partition: int = 0) -> LogPosition:
    return LogPosition(partition=partition, position=position)


def test_a_checkpoint_reaches_what_was_acknowledged(world: World, auditor: Auditor) -> None:
    """Whoever has a receipt gets a checkpoint that reaches it, signed by the ledger."""
    position = grow(world, 3)
    found = checkpoint_of(auditor.ask("GetCheckpoint", min_position=at(position)))
    assert found.origin == "esep.kg/test/0"
    assert found.size >= position


def test_a_current_checkpoint_reaches_everything(
    world: World, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that was signed within the last second is answered again, but not to who asks for a current one."""
    monkeypatch.setattr("ledger.audit.signing.checkpoints._FRESH", 3_600_000_000)  # However slow this machine is.
    kept = checkpoint_of(auditor.ask("GetCheckpoint", min_position=at(grow(world, 1))))
    position = grow(world, 1)
    assert checkpoint_of(auditor.ask("GetCheckpoint")).size == kept.size < position
    current = checkpoint_of(auditor.ask("GetCheckpoint", current=True))
    assert current.size == position
    assert checkpoint_of(auditor.ask("GetCheckpoint", current=True)) == current


def test_an_owner_who_was_overtaken_unawares_signs_nothing_as_current(
    world: World, auditor: Auditor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log holds what it did not write: its own tree is the beginning of it at best, and not told to be all."""
    position, head = grow(world, 1), world.log.head
    monkeypatch.setattr("ledger.rpc.audit_proofs._ACKNOWLEDGED_SECONDS", 0.1)
    monkeypatch.setattr("ledger.engine.pulse.Pulse._overtaken", lambda _: False)  # Nor does it notice meanwhile.
    monkeypatch.setattr(world.log, "head", lambda partition: head(partition) + 1)
    assert auditor.refused("GetCheckpoint", current=True).reason == "NOT_THE_OWNER"
    assert checkpoint_of(auditor.ask("GetCheckpoint", min_position=at(position))).size >= position
    monkeypatch.setattr(world.log, "head", head)
    assert checkpoint_of(auditor.ask("GetCheckpoint", current=True)).size >= position


def test_every_event_is_proved(world: World, auditor: Auditor) -> None:
    """Each event of a checkpoint's tree is proved by its own bytes, and pymerkle agrees."""
    position = grow(world, 9)
    found = checkpoint_of(auditor.ask("GetCheckpoint", min_position=at(position)))
    for each in range(1, found.size + 1):
        proof = auditor.ask("ProveInclusion", event=at(each), tree_size=found.size)
        leaf = sha256(b"\0" + proof.leaf).digest()
        assert (proof.leaf_hash, proof.leaf_index) == (leaf, each - 1)
        verify_inclusion(leaf, each - 1, found.size, proof.hashes, found.root)
        check_inclusion(leaf, each - 1, found.size, proof.hashes, found.root)


def test_checkpoints_follow_from_one_another(world: World, auditor: Auditor) -> None:
    """The tree of an earlier checkpoint is proved to be the beginning of a later one's."""
    kept = [checkpoint_of(auditor.ask("GetCheckpoint", min_position=at(grow(world, 3)))) for _ in range(3)]
    for old, new in ((kept[0], kept[1]), (kept[0], kept[2]), (kept[1], kept[2])):
        sizes = {"old_tree_size": old.size, "new_tree_size": new.size}
        proof = auditor.ask("ProveConsistency", **sizes).hashes
        verify_consistency(old.size, old.root, new.size, new.root, proof)
        check_consistency(old.size, old.root, new.size, new.root, proof)
    assert list(auditor.ask("ProveConsistency", old_tree_size=2, new_tree_size=2).hashes) == []


def test_an_idle_ledger_has_one_checkpoint(world: World, auditor: Auditor) -> None:
    """As long as nothing happens the same checkpoint is answered, and it can be asked for by its size."""
    position = grow(world, 1)
    first = auditor.ask("GetCheckpoint", min_position=at(position))
    world.clock.ahead += 60_000_000
    again = auditor.ask("GetCheckpoint")
    assert again.checkpoint == first.checkpoint
    assert auditor.ask("GetCheckpoint", tree_size=position).checkpoint == first.checkpoint


def test_a_cosignature_is_answered_with_the_checkpoint(world: World, auditor: Auditor) -> None:
    """What a witness has signed stands under the checkpoint from then on, in the place of its earlier line."""
    size = grow(world, 1)
    signed = auditor.ask("GetCheckpoint", min_position=at(size)).checkpoint
    text = Note.parse(signed.note).text
    told = signed
    for seen_at in (1_700_000_000, 1_700_000_100):
        _, line = witness(WITNESS_SEED, seen_at, text=text)
        told = auditor.ask("CosignCheckpoint", tree_size=size, cosignature=line).checkpoint
        note = Note.parse(told.note)
        assert len(note.signatures) == 2
        assert WITNESS.verify(note.text, note.signatures[1]) == seen_at
    grow(world, 1)
    world.clock.ahead += 60_000_000
    assert auditor.ask("GetCheckpoint").checkpoint.tree.position > size
    assert auditor.ask("GetCheckpoint", cosigned=True).checkpoint == told
    assert auditor.ask("GetCheckpoint", tree_size=size).checkpoint == told


def test_checkpoints_are_listed(world: World, auditor: Auditor) -> None:
    """Page by page, the newest first, each as GetCheckpoint answers it; or only what a witness has cosigned."""
    sizes = []
    for _ in range(3):
        size = grow(world, 1)
        sizes.append(auditor.ask("GetCheckpoint", min_position=at(size)).checkpoint.tree.position)
    _, line = witness(
        WITNESS_SEED, 7, text=Note.parse(auditor.ask("GetCheckpoint", tree_size=sizes[1]).checkpoint.note).text
    )
    auditor.ask("CosignCheckpoint", tree_size=sizes[1], cosignature=line)
    found, token = [], ""
    while True:
        page = auditor.ask("ListCheckpoints", page_size=2, page_token=token)
        found += page.checkpoints
        token = page.next_page_token
        if not token:
            break
    assert [each.tree.position for each in found] == sizes[::-1]
    assert found == [auditor.ask("GetCheckpoint", tree_size=size).checkpoint for size in reversed(sizes)]
    assert list(auditor.ask("ListCheckpoints", cosigned=True).checkpoints) == [found[1]]


def test_cosignatures_that_are_none(world: World, auditor: Auditor) -> None:
    """A line by an unknown witness, of another checkpoint, or that is no signature, is refused and not kept."""
    size = grow(world, 1)
    text = Note.parse(auditor.ask("GetCheckpoint", min_position=at(size)).checkpoint.note).text
    _, stranger = witness(b"s" * 32, 1, text=text)
    _, other = witness(WITNESS_SEED, 1, text=text.replace(f"\n{size}\n", f"\n{size + 1}\n"))
    for line, rule in (
        (stranger, "NOT_ACCEPTED"),
        (other, "NOT_ACCEPTED"),
        ("— witness.example", "NOT_ACCEPTED"),
        ("", "NOT_ACCEPTED"),
        ("x" * 401, "TOO_LONG"),
    ):
        error = auditor.refused("CosignCheckpoint", tree_size=size, cosignature=line)
        assert (error.reason, error.fields) == ("INVALID_ARGUMENT", {"cosignature": rule})
    _, line = witness(WITNESS_SEED, 1, text=text)
    error = auditor.refused("CosignCheckpoint", tree_size=size + 1, cosignature=line)
    assert error.fields == {"tree_size": "NO_CHECKPOINT"}
    assert auditor.refused("GetCheckpoint", cosigned=True).fields == {"cosigned": "NO_CHECKPOINT"}


@pytest.mark.parametrize(
    ("method", "fields", "field", "rule"),
    [
        ("GetCheckpoint", {"partition": 1}, "partition", "UNKNOWN"),
        ("GetCheckpoint", {"tree_size": -1}, "tree_size", "NEGATIVE"),
        ("GetCheckpoint", {"tree_size": 999_999}, "tree_size", "NO_CHECKPOINT"),
        ("GetCheckpoint", {"tree_size": 1, "cosigned": True}, "cosigned", "NOT_TOGETHER"),
        ("GetCheckpoint", {"cosigned": True}, "cosigned", "NO_CHECKPOINT"),
        ("GetCheckpoint", {"current": True, "tree_size": 1}, "current", "NOT_TOGETHER"),
        ("GetCheckpoint", {"current": True, "cosigned": True}, "current", "NOT_TOGETHER"),
        ("GetCheckpoint", {"min_position": at(1, 7)}, "min_position.partition", "UNKNOWN"),
        ("CosignCheckpoint", {"partition": 1}, "partition", "UNKNOWN"),
        ("ListCheckpoints", {"partition": 1}, "partition", "UNKNOWN"),
        ("ListCheckpoints", {"page_size": -1}, "page_size", "NEGATIVE"),
        ("ProveInclusion", {"event": at(1, 1), "tree_size": 1}, "event.partition", "UNKNOWN"),
        ("ProveInclusion", {"event": at(0), "tree_size": 1}, "event.position", "NOT_POSITIVE"),
        ("ProveInclusion", {"event": at(-4), "tree_size": 1}, "event.position", "NOT_POSITIVE"),
        ("ProveInclusion", {"event": at(2), "tree_size": 1}, "tree_size", "TOO_SMALL"),
        ("ProveInclusion", {"event": at(1), "tree_size": 999_999}, "tree_size", "POSITION_IN_FUTURE"),
        ("ProveConsistency", {"partition": 1}, "partition", "UNKNOWN"),
        ("ProveConsistency", {"old_tree_size": 0, "new_tree_size": 1}, "old_tree_size", "NOT_POSITIVE"),
        ("ProveConsistency", {"old_tree_size": 2, "new_tree_size": 1}, "new_tree_size", "TOO_SMALL"),
        ("ProveConsistency", {"old_tree_size": 1, "new_tree_size": 999_999}, "new_tree_size", "POSITION_IN_FUTURE"),
    ],
)
def test_bad_input(auditor: Auditor, method: str, fields: dict[str, Any], field: str, rule: str) -> None:
    """Each field that cannot be is named, with the rule that it breaks."""
    error = auditor.refused(method, **fields)
    assert (error.reason, error.fields) == ("INVALID_ARGUMENT", {field: rule})


def test_a_server_that_does_not_decide_signs_nothing(world: World, auditor: Auditor) -> None:
    """A standby refuses to sign what only the owner can vouch for, and still finds what was signed."""
    size = grow(world, 1)
    signed = auditor.ask("GetCheckpoint", min_position=at(size)).checkpoint
    world.engine.closed_for_business = True
    assert auditor.refused("GetCheckpoint").reason == "NOT_THE_OWNER"
    assert auditor.ask("GetCheckpoint", tree_size=size).checkpoint == signed


@pytest.mark.parametrize("further", [0, 1000])
def test_nothing_is_signed_that_contradicts(world: World, auditor: Auditor, further: int) -> None:
    """A ledger whose log disagrees with what it has signed signs no more."""
    size = grow(world, 1) + further
    other = Checkpoint(world.checkpoints.origin, size, b"\1" * 32)
    note = world.checkpoints._keys.sign(other.origin, other.text(), world.clock.now())
    world.log.keep_checkpoint(0, Kept(size, str(note), world.clock.now()))
    world.clock.ahead += 60_000_000
    assert auditor.refused("GetCheckpoint").reason == "LEDGER_UNAVAILABLE"
