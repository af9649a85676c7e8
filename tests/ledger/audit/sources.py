"""A source whose whole history is at hand, made of rows of one's own: naive trees, and one fixed key."""

from collections.abc import Iterator, Sequence

from domain.leaf import leaf_hash
from domain.ports import Row
from ledger.audit.signing.checkpoint import Checkpoint
from ledger.audit.signing.keys import SigningKey, SigningKeys, Validity
from ledger.audit.source import AccountFigures
from tests.ledger.log.trees import naive_consistency, naive_root

ORIGIN = "esep.kg/test/0"


def some_rows(count: int, *, salt: str = "") -> list[Row]:
    """Return rows as different as they come: with and without request ids, with letters of any script."""
    return [
        Row(
            0,
            position,
            position.to_bytes(16, "big"),
            1 + position % 3,
            f"topic{position % 4}.v1",
            f'{{"n":{position},"name":"Ысык-Көл \\"{salt}\\""}}'.encode() * (1 + position % 5),
            1_790_000_000_000_000 + position * 7,
            None if position % 2 else (position + 1).to_bytes(16, "big"),
            f"bank-{position % 3}",
        )
        for position in range(1, count + 1)
    ]


class ListSource:
    """A history that is a list."""

    def __init__(self, rows: Sequence[Row], *, origin: str = ORIGIN, seed: int = 1) -> None:
        self._rows = rows
        self._leaves = [leaf_hash(row) for row in rows]
        self._keys = SigningKeys([SigningKey(bytes([seed]) * 32, Validity())])
        self._origin = origin
        self.partition = 0
        self.head = len(rows)

    def rows(self, after: int) -> Iterator[Sequence[Row]]:
        for start in range(after, self.head, 7):
            if start < len(self._rows):
                yield self._rows[start : start + 7]

    def leaf_hashes(self, after: int) -> Iterator[bytes]:
        for start in range(after, self.head, 11):
            yield b"".join(self._leaves[start : start + 11])

    def checkpoints(self) -> Sequence[str]:
        text = Checkpoint(self._origin, self.head, naive_root(self._leaves)).text()
        return [str(self._keys.sign(self._origin, text, 0))]

    def keys(self) -> Sequence[str]:
        return [str(key.verifier(self._origin)) for key in self._keys.keys]

    def figures(self) -> Iterator[AccountFigures]:
        for account in range(1, self.head // 10 + 1):
            yield AccountFigures(account, "bank-a", "customer", "KGS", account * 10, account, 5, 2)

    def consistency(self, old: int) -> Sequence[bytes]:
        return naive_consistency(old, self._leaves)
