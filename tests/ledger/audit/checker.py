"""Proofs checked by pymerkle, which shares no code with this project.

It counts leaves from 1, writes the leaf itself first, and says of each hash on the way up whether it is a left child.
Its own consistency proofs go down to a leaf where those of RFC 6962 stop at a subtree, so of these it is asked for the
two roots that they lead to, not whether they have its own form.
"""

from collections.abc import Sequence

from pymerkle.proof import ConsistencyProof, InclusionProof, verify_inclusion


def check_inclusion(leaf: bytes, index: int, size: int, hashes: Sequence[bytes], root: bytes) -> None:
    """Raise pymerkle's InvalidProof unless a proof leads from the leaf to the root."""
    rule = [*_left_siblings(index, size - 1, len(hashes)), 0]
    proof = InclusionProof("sha256", security=True, size=size, index=index + 1, rule=rule, path=[leaf, *hashes])
    verify_inclusion(leaf, root, proof, index=index + 1, size=size, algorithm="sha256")


def check_consistency(old: int, old_root: bytes, new: int, new_root: bytes, hashes: Sequence[bytes]) -> None:
    """Raise AssertionError unless a proof leads, by pymerkle's hashing, to both roots."""
    path = [old_root, *hashes] if not old & (old - 1) else list(hashes)
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    lefts = _left_siblings(at, last, len(path) - 1)
    proof = ConsistencyProof(
        "sha256", security=True, size=new, prior_size=old, rule=[*lefts, 0], subset=[1, *lefts], path=path
    )
    assert proof.retrieve_prior_state() == old_root
    assert proof.compute_root() == new_root


def _left_siblings(at: int, last: int, count: int) -> list[int]:
    """Tell, on the way up from a node, whether each hash is that of a left child; the way must end at the root."""
    lefts = []
    for _ in range(count):
        left = bool(at & 1 or at == last)
        lefts.append(int(left))
        while left and not at & 1 and at:
            at, last = at >> 1, last >> 1
        at, last = at >> 1, last >> 1
    assert last == 0
    return lefts
