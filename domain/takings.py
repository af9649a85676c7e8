"""What an authorisation has taken of limits, piece by piece, so that each goes back to the day it was taken from.

An authorisation may hold more, or be posted for more, on a later day than it was made. The newest piece is given back
first, so what is left counts where it did. The operation itself counts with the first piece, and goes back with it.
"""

from typing import Final

from domain.limits import Spending, SpendingReturned, Taking
from domain.times import SECOND

_BUCKET: Final = 15 * 60 * SECOND
"""Pieces of one quarter of an hour are one: days begin at no other moment in any time zone."""

Takings = tuple[Taking, ...]


def amount_of(takings: Takings) -> int:
    """Return the amount they come to, in tyiyn."""
    return sum(taking.amount for taking in takings)


def with_taken(takings: Takings, spending: Spending, now: int) -> Takings:
    """Return them with what was taken now."""
    if takings and takings[-1].taken_at // _BUCKET == now // _BUCKET:
        last = takings[-1]
        return (*takings[:-1], Taking(last.taken_at, last.amount + spending.amount, last.count + spending.count))
    return (*takings, Taking(now, spending.amount, spending.count))


def give_back_newest(takings: Takings, spending: Spending, amount: int) -> SpendingReturned:
    """Return what gives ``amount`` of them back, which is no more than they come to and not nothing."""
    pieces: list[Taking] = []
    for taking in reversed(takings):
        if not amount and taking.amount:
            break
        piece = min(amount, taking.amount)
        amount -= piece
        pieces.append(Taking(taking.taken_at, piece, taking.count if piece == taking.amount else 0))
    first, *earlier = pieces
    return SpendingReturned(spending, first.taken_at, first.amount, first.count, tuple(earlier))


def without_returned(takings: Takings, returned: SpendingReturned) -> Takings:
    """Return what is left of them.

    Events of old give everything back to the first day, more than was taken on it: the rest is left out of the newest.
    """
    left, surplus = list(takings), 0
    for piece in returned.pieces:
        amount, count = piece.amount, piece.count
        for index, taking in enumerate(left):
            if taking.taken_at == piece.taken_at:
                part = min(amount, taking.amount)
                amount -= part
                left[index] = Taking(taking.taken_at, taking.amount - part, max(0, taking.count - count))
        surplus += amount
    for index in reversed(range(len(left))):
        part = min(surplus, left[index].amount)
        surplus -= part
        left[index] = Taking(left[index].taken_at, left[index].amount - part, left[index].count)
    return tuple(taking for taking in left if taking.amount or taking.count)
