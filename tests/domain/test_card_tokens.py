"""What happens to a card happens to its tokens, in the same append."""

from uuid import UUID

import pytest

from domain.card import CardBlocked, CardBound, CardIssued, CardTokensLinked, CardTokensUnlinked, Loss
from domain.card_commands import BlockCard, CloseCard, RenewCard, ReplaceCard, ReportCardLost, UnbindCard, UnblockCard
from domain.command import Command
from domain.event import Event
from domain.refusals import Reason
from domain.token import Actor, Cause, State, TokenRelinked, TokenSuspended
from domain.tokenise import DeactivateToken, Ender, RelinkToken
from tests.domain.spec import ANA, BEK
from tests.domain.test_tokens import state, suspend, token, two_tokens
from tests.domain.tokens import CARD, HOLDER, OTHER_CARD, OTHER_PAR, OTHER_TOKEN, TOKEN, active, card

DEACTIVATE = DeactivateToken(token_id=TOKEN, by=Ender.WALLET)
RELINK = RelinkToken(token_id=TOKEN, card_id=OTHER_CARD)


def test_blocking_a_card_suspends_its_tokens_and_unblocking_lifts_that() -> None:
    """In the same append, by the issuer; whoever else suspended a token is not overruled."""
    spec = two_tokens().given_done(suspend(Actor.CARDHOLDER))
    spec.when(BlockCard(card_id=CARD))
    spec.then(CardBlocked(), TokenSuspended(by=Actor.ISSUER), TokenSuspended(by=Actor.ISSUER))
    spec.given_done(UnblockCard(card_id=CARD))
    assert token(spec).suspended_by == (Actor.CARDHOLDER,)
    assert token(spec, OTHER_TOKEN).suspended_by == ()


def test_a_block_does_not_suspend_twice() -> None:
    """A token that the issuer had suspended by itself is resumed with the card: it is one and the same party."""
    spec = active().given_done(suspend(Actor.ISSUER))
    spec.when(BlockCard(card_id=CARD)).then(CardBlocked())
    spec.given_done(UnblockCard(card_id=CARD))
    assert state(spec) is State.ACTIVE


@pytest.mark.parametrize(
    ("command", "cause"),
    [(CloseCard(card_id=CARD), Cause.CARD_CLOSED), (UnbindCard(card_id=CARD), Cause.CARD_UNBOUND)],
)
def test_a_card_that_is_closed_or_unbound_takes_its_tokens_along(command: Command, cause: Cause) -> None:
    """Every token that has not ended ends in the same append; one that has is left alone."""
    spec = two_tokens().given_done(DEACTIVATE, command)
    assert (token(spec).cause, token(spec, OTHER_TOKEN).cause) == (Cause.WALLET, cause)
    assert state(spec, OTHER_TOKEN) is State.DEACTIVATED


def test_a_lost_cards_tokens_become_the_replacements() -> None:
    """They keep everything but the card and its reference, a block before the loss included in what is lifted."""
    spec = two_tokens().given((OTHER_CARD, card(OTHER_PAR)))
    before = token(spec)
    spec.given_done(BlockCard(card_id=CARD), ReportCardLost(card_id=CARD, how=Loss.LOST))
    assert state(spec) is State.ACTIVE
    spec.given_done(ReplaceCard(card_id=CARD, replacement_card_id=OTHER_CARD))
    after = token(spec)
    assert (after.card, after.par, state(spec)) == (OTHER_CARD.bytes, OTHER_PAR, State.ACTIVE)
    assert (after.masked, after.keys, after.counter) == (before.masked, before.keys, before.counter)
    assert spec.life(OTHER_CARD).tokens == (TOKEN.bytes, OTHER_TOKEN.bytes)
    assert spec.life(CARD).tokens == ()


def test_a_renewed_cards_tokens_stay_as_they_are() -> None:
    """A token has an expiry of its own, and keeps its number."""
    spec = active()
    before = token(spec)
    spec.given_done(RenewCard(card_id=CARD, expires=2033_12))
    assert token(spec) == before


def test_a_token_is_relinked_to_another_card_of_the_customer() -> None:
    """A lost card that nothing replaces gives its token to one that the customer has bound: one event on each."""
    spec = active().given_done(ReportCardLost(card_id=CARD, how=Loss.STOLEN)).given(*another(ANA))
    spec.when(RELINK)
    spec.then(
        TokenRelinked(card=OTHER_CARD, par=OTHER_PAR),
        CardTokensUnlinked(tokens=(TOKEN,)),
        CardTokensLinked(tokens=(TOKEN,)),
    )
    assert spec.life(OTHER_CARD).tokens == (TOKEN.bytes,)


def test_a_token_is_not_relinked_to_a_card_that_does_not_fit() -> None:
    """The card must be known, the customer's own, and of the same account."""
    lost = ReportCardLost(card_id=CARD, how=Loss.STOLEN)
    active().given_done(lost).when(RELINK).then_refused(Reason.CARD_NOT_FOUND)
    active().given_done(lost).given(another(ANA)[0]).when(RELINK).then_refused(Reason.CARD_NOT_BOUND)
    active().given_done(lost).given(*another(BEK)).when(RELINK).then_refused(Reason.CARD_REPLACEMENT_UNFIT)


def another(account: int) -> list[tuple[UUID, Event]]:
    """Return another card of the customer."""
    issued = CardIssued(
        participant="bank-a", account=account, masked="941700******0002", expires=2030_12, par=OTHER_PAR
    )
    return [(OTHER_CARD, issued), (OTHER_CARD, CardBound(customer=HOLDER))]
