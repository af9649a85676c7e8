"""The Merkle tree of RFC 6962 as its section 2.1 defines it: a naive recursion, to compare with."""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final

VECTORS: Final = (
    (b"", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    (b"\x00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    (b"\x10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    (b"\x20\x21", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    (b"\x30\x31", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    (b"\x40\x41\x42\x43", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    (bytes(range(0x50, 0x58)), "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (bytes(range(0x60, 0x70)), "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"),
)
"""Entries, and the root of the tree that ends with each: as the Certificate Transparency project publishes them."""

EMPTY: Final = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def hash_of(entry: bytes) -> bytes:
    """Return the hash of a leaf."""
    return sha256(b"\x00" + entry).digest()


def numbered(count: int) -> list[bytes]:
    """Return so many leaf hashes."""
    return [hash_of(str(number).encode()) for number in range(count)]


def naive_root(leaves: Sequence[bytes]) -> bytes:
    """Return MTH of leaf hashes."""
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return leaves[0]
    k = _split(len(leaves))
    return sha256(b"\x01" + naive_root(leaves[:k]) + naive_root(leaves[k:])).digest()


def naive_inclusion(index: int, leaves: Sequence[bytes]) -> list[bytes]:
    """Return PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*naive_inclusion(index, leaves[:k]), naive_root(leaves[k:])]
    return [*naive_inclusion(index - k, leaves[k:]), naive_root(leaves[:k])]


def naive_consistency(old: int, leaves: Sequence[bytes], *, whole: bool = True) -> list[bytes]:
    """Return SUBPROOF(m, D[n], b)."""
    if old == len(leaves):
        return [] if whole else [naive_root(leaves)]
    k = _split(len(leaves))
    if old <= k:
        return [*naive_consistency(old, leaves[:k], whole=whole), naive_root(leaves[k:])]
    return [*naive_consistency(old - k, leaves[k:], whole=False), naive_root(leaves[:k])]


def _split(count: int) -> int:
    k = 1
    while 2 * k < count:
        k *= 2
    return k
