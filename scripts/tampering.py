"""Tampering with an export as somebody would who can write to every file of it, and knows how it is made.

Whoever changes an export writes its manifest anew as well, so that no size and no digest gives the change away; the
last of the forgers has even stolen the ledger's own signing key. What none of them has is the checkpoint that the
auditor took home.
"""

import shutil
from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes
from typing import Any, Final, NamedTuple

import msgspec

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.audit.export.format import (
    MANIFEST,
    Manifest,
    Piece,
    Written,
    event_lines,
    figures_lines,
    read_event_lines,
    read_figures_lines,
)
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.keys import KEY_BYTES, SigningKey, SigningKeys, Validity
from ledger.audit.signing.note import Note
from ledger.log.merkle import HASH_BYTES, Frontier

TRANSFER: Final = "transfer.posted.v1"
ONE_SOM: Final = 100


class Copy:
    """An export that may be tampered with: its events and accounts in memory, and its files."""

    def __init__(self, export: Path, directory: Path) -> None:
        """Copy an export of JSON Lines into a directory that is not there yet."""
        shutil.copytree(export, directory)
        self._directory = directory
        self.manifest = msgspec.json.decode((directory / MANIFEST).read_bytes(), type=Manifest)
        pieces = self.manifest.pieces
        self.rows = [row for piece in pieces for row in read_event_lines(self._read(piece.events))]
        self.leaves = b"".join(self._read(piece.leaves) for piece in pieces)
        self.accounts = list(read_figures_lines(self._read(self.manifest.accounts)))

    def transfer(self) -> int:
        """Return the index of the transfer in the middle of all."""
        found = [index for index, row in enumerate(self.rows) if row.topic == TRANSFER]
        return found[len(found) // 2]

    def put(self, index: int, rows: Sequence[Row], *, replaced: int) -> None:
        """Let events stand in the place of as many others, those behind move along, and as many hashes be there."""
        self.rows[index : index + replaced] = rows
        self.rows = [row._replace(position=position) for position, row in enumerate(self.rows, 1)]
        hashes = b"".join(map(leaf_hash, self.rows[index : index + len(rows)]))
        self.leaves = self.leaves[: index * HASH_BYTES] + hashes + self.leaves[(index + replaced) * HASH_BYTES :]

    def hash_anew(self) -> None:
        """Let the leaf hashes be those of the events."""
        self.leaves = b"".join(map(leaf_hash, self.rows))

    def sign(self, keys: SigningKeys) -> None:
        """Let the last checkpoint be one of these events, signed with these keys, in the place of the true one."""
        origin = Checkpoint.parse(Note.parse(self.manifest.checkpoints[-1]).text).origin
        hashes = [self.leaves[start : start + HASH_BYTES] for start in range(0, len(self.leaves), HASH_BYTES)]
        tree = Frontier().grown(hashes)
        note = keys.sign(origin, Checkpoint(origin, tree.size, tree.root).text(), self.rows[-1].recorded_at)
        self.manifest = msgspec.structs.replace(self.manifest, checkpoints=[str(note)])

    def write(self) -> None:
        """Write everything, and a manifest in which every size and digest is right."""
        first = self.manifest.pieces[0]
        for piece in self.manifest.pieces[1:]:
            (self._directory / piece.events.file).unlink()
            (self._directory / piece.leaves.file).unlink()
        whole = Piece(
            first=1,
            last=len(self.rows),
            events=self._write(first.events.file, event_lines(self.rows)),
            leaves=self._write(first.leaves.file, self.leaves),
        )
        accounts = self._write(self.manifest.accounts.file, figures_lines(self.accounts))
        self.manifest = msgspec.structs.replace(self.manifest, head=whole.last, pieces=[whole], accounts=accounts)
        self._write(MANIFEST, msgspec.json.encode(self.manifest))

    def _read(self, written: Written) -> bytes:
        return (self._directory / written.file).read_bytes()

    def _write(self, name: str, content: bytes) -> Written:
        (self._directory / name).write_bytes(content)
        return Written(name, len(content), sha256(content).hexdigest())


class Forgery(NamedTuple):
    """What somebody passes off as the history, and the check of ``esep audit verify`` that must find it."""

    title: str
    check: str


class Tampering(NamedTuple):
    """A forgery, and how it is made of a copy of the truth."""

    forgery: Forgery
    tamper: Callable[[Copy, SigningKeys], int]
    """Changes a copy; returns the position that must be named, 0 where it is no event's."""


def raise_amount(copy: Copy, _: SigningKeys) -> int:
    """Let a transfer have moved one som more."""
    index = copy.transfer()
    copy.rows[index] = _changed(copy.rows[index], lambda state: state | {"amount": state["amount"] + ONE_SOM})
    return copy.rows[index].position


def take_out(copy: Copy, _: SigningKeys) -> int:
    """Let an event not have happened, and those behind it move up."""
    index = copy.transfer()
    copy.put(index, [], replaced=1)
    return index + 1


def put_in(copy: Copy, _: SigningKeys) -> int:
    """Let a transfer have been made twice, under another id; the first event that moved along gives it away."""
    index = copy.transfer()
    twin = copy.rows[index]._replace(originator_id=sha256(copy.rows[index].originator_id).digest()[:16])
    copy.put(index + 1, [twin], replaced=0)
    return index + 3


def swap(copy: Copy, _: SigningKeys) -> int:
    """Let two events have happened in the other order."""
    index = copy.transfer()
    one, other = copy.rows[index], copy.rows[index + 1]
    copy.rows[index] = other._replace(position=one.position, recorded_at=one.recorded_at)
    copy.rows[index + 1] = one._replace(position=other.position, recorded_at=other.recorded_at)
    return one.position


def change_balance(copy: Copy, _: SigningKeys) -> int:
    """Let an account have one som more than follows from its movements."""
    richest = max(range(len(copy.accounts)), key=lambda index: copy.accounts[index].posted)
    account = copy.accounts[richest]
    copy.accounts[richest] = msgspec.structs.replace(account, posted=account.posted + ONE_SOM)
    return 0


def replace_checkpoint(copy: Copy, keys: SigningKeys) -> int:
    """Change an amount, make all hashes anew, and sign with a key of one's own."""
    raise_amount(copy, keys)
    copy.hash_anew()
    copy.sign(stranger())
    return len(copy.rows)


def rewrite(copy: Copy, keys: SigningKeys) -> int:
    """Change an amount and whatever follows from it, make all hashes anew, and sign with the ledger's own key.

    Nothing in itself is wrong with it. It differs somewhere behind the first checkpoint that was kept, which is that of
    the first export.
    """
    state = msgspec.json.decode(copy.rows[copy.transfer()].state)
    raise_amount(copy, keys)
    more = {state["debit_account"]: -ONE_SOM, state["credit_account"]: ONE_SOM}
    copy.accounts = [
        msgspec.structs.replace(account, posted=account.posted + more.get(account.account_id, 0))
        for account in copy.accounts
    ]
    copy.hash_anew()
    copy.sign(keys)
    return copy.manifest.pieces[0].last + 1


TAMPERINGS: Final = (
    Tampering(Forgery("an amount is raised by one som", "leaf_hashes"), raise_amount),
    Tampering(Forgery("an event is taken out", "leaf_hashes"), take_out),
    Tampering(Forgery("an event is put in", "leaf_hashes"), put_in),
    Tampering(Forgery("two events change places", "leaf_hashes"), swap),
    Tampering(Forgery("a balance is told one som too high", "figures"), change_balance),
    Tampering(Forgery("all is hashed anew, under a stranger's signature", "checkpoints"), replace_checkpoint),
    Tampering(Forgery("all is hashed anew, under the ledger's own signature", "kept_checkpoints"), rewrite),
)
OLD_BACKUP: Final = Forgery("an old backup is put back, true in itself", "kept_checkpoints")


def stranger() -> SigningKeys:
    """Return a key that nobody knows."""
    return SigningKeys([SigningKey(token_bytes(KEY_BYTES), Validity())])


def _changed(row: Row, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Row:
    return row._replace(state=msgspec.json.encode(change(msgspec.json.decode(row.state))))
