"""What becomes of a card's tokens when something happens to the card, in the same append.

A blocked card's tokens are suspended by the issuer, an unblocked one's resumed; a closed or unbound card's end; a
replaced card's go to the replacement. A renewed card's stay as they are: a token has an expiry of its own. Nothing here
touches a token that has ended.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from domain.card import Card, CardTokensLinked, CardTokensUnlinked
from domain.event import Change, Event
from domain.token import (
    Actor,
    Cause,
    Token,
    TokenDeactivated,
    TokenRelinked,
    TokenResumed,
    TokenSuspended,
    following,
)

if TYPE_CHECKING:
    from domain.books import Books


def suspended(books: "Books", card: Card, now: int) -> list[Change]:
    """Return how the issuer suspends a card's tokens; those that it has suspended already stay so."""
    event = TokenSuspended(by=Actor.ISSUER)
    return _each(books, card, now, lambda token: None if Actor.ISSUER in token.suspended_by else event)


def resumed(books: "Books", card: Card, now: int) -> list[Change]:
    """Return how the issuer's suspension of a card's tokens is lifted; others' stay."""
    event = TokenResumed(by=Actor.ISSUER)
    return _each(books, card, now, lambda token: event if Actor.ISSUER in token.suspended_by else None)


def ended(books: "Books", card: Card, now: int, cause: Cause) -> list[Change]:
    """Return how a card's tokens end with it."""
    event = TokenDeactivated(cause=cause)
    return _each(books, card, now, lambda _: event)


def moved(books: "Books", old: Card, new: Card, now: int) -> list[Change]:
    """Return how a lost card's tokens become its replacement's; on both cards this follows one other event."""
    tokens = _live(books, old, now)
    if not tokens:
        return []
    relinked = TokenRelinked(card=UUID(bytes=new.card_id), par=new.par)
    ids = tuple(UUID(bytes=token.token_id) for token in tokens)
    return [
        *(following(token, relinked) for token in tokens),
        Change(old.card_id, old.version + 2, CardTokensUnlinked(tokens=ids)),
        Change(new.card_id, new.version + 2, CardTokensLinked(tokens=ids)),
    ]


def _each(books: "Books", card: Card, now: int, event: Callable[[Token], Event | None]) -> list[Change]:
    found = [(token, event(token)) for token in _live(books, card, now)]
    return [following(token, what) for token, what in found if what is not None]


def _live(books: "Books", card: Card, now: int) -> list[Token]:
    """Return a card's tokens that have not ended; the requested ones end and move as the others do."""
    return [token for token in books.aggregates(card.tokens) if isinstance(token, Token) and token.live(now)]
