"""Aliases: one phone number leads to one card, of whoever shows that the number is theirs."""

from typing import Any

import pytest

from domain.alias import AliasLinked, AliasUnlinked, UnlinkPhone, find_alias
from domain.card import CardBlocked
from domain.credentials import Verdict
from domain.customer import CustomerErased
from domain.refusals import Reason
from tests.domain.transfer_world import (
    ADIL,
    ADILS_CARD,
    ADILS_SECOND_CARD,
    BAKYT,
    BAKYTS_CARD,
    NOBODYS_CARD,
    PHONE,
    TransferSpec,
    link,
)

UNLINK = UnlinkPhone(alias_id=PHONE, customer_id=BAKYT)


def test_a_number_leads_to_a_card_once_its_code_was_given() -> None:
    """The event holds the number sealed, and neither a code nor a hash."""
    spec = TransferSpec()
    spec.when(link(BAKYT, BAKYTS_CARD)).then(AliasLinked(customer=BAKYT, card=BAKYTS_CARD, phone=b"sealed"))
    assert link(BAKYT, BAKYTS_CARD).fingerprint() == link(BAKYT, BAKYTS_CARD, Verdict.WRONG, phone=b"").fingerprint()


@pytest.mark.parametrize(
    ("verdict", "reason"),
    [
        (Verdict.WRONG, Reason.ALIAS_CODE_WRONG),
        (Verdict.LOCKED, Reason.ALIAS_CODE_LOCKED),
        (Verdict.LAPSED, Reason.ALIAS_CODE_EXPIRED),
        (Verdict.ABSENT, Reason.ALIAS_CODE_REQUIRED),
    ],
)
def test_without_the_right_code_nothing_is_linked(verdict: Verdict, reason: Reason) -> None:
    """Each way in which a try can end has a reason of its own."""
    TransferSpec().when(link(BAKYT, BAKYTS_CARD, verdict)).then_refused(reason)


def test_ones_own_number_needs_no_code_while_it_leads_nowhere() -> None:
    """The registration confirmed it; but moving it, and a code that is wrong, are refused all the same."""
    spec = TransferSpec()
    spec.when(link(ADIL, ADILS_CARD, Verdict.WRONG, own=True)).then_refused(Reason.ALIAS_CODE_WRONG)
    spec.given_done(link(ADIL, ADILS_CARD, Verdict.ABSENT, own=True))
    spec.when(link(ADIL, ADILS_SECOND_CARD, Verdict.ABSENT, own=True)).then_refused(Reason.ALIAS_CODE_REQUIRED)
    spec.given_done(link(ADIL, ADILS_SECOND_CARD))


def test_a_number_that_another_customer_linked_moves_with_a_code_only() -> None:
    """Whoever has the phone has the number; the last link is the one that counts, and all stand in the history."""
    spec = TransferSpec().linked()
    spec.when(link(ADIL, ADILS_CARD, Verdict.ABSENT, own=True)).then_refused(Reason.ALIAS_CODE_REQUIRED)
    spec.given_done(link(ADIL, ADILS_CARD))
    assert (spec.life(PHONE).customer, spec.life(PHONE).version) == (ADIL.bytes, 2)
    spec.when(UNLINK).then_refused(Reason.ALIAS_NOT_FOUND)


@pytest.mark.parametrize(
    ("customer", "card", "reason"),
    [
        (BAKYT, ADILS_CARD, Reason.CARD_NOT_BOUND),
        (BAKYT, NOBODYS_CARD, Reason.CARD_NOT_BOUND),
        (BAKYT, PHONE, Reason.CARD_NOT_FOUND),
    ],
)
def test_a_number_leads_to_ones_own_card_only(customer: Any, card: Any, reason: Reason) -> None:
    """A card of somebody else, of nobody, or none at all is refused before any code counts."""
    TransferSpec().when(link(customer, card)).then_refused(reason)


def test_a_blocked_card_is_not_linked() -> None:
    """Only a card that could be spent from."""
    TransferSpec().given((BAKYTS_CARD, CardBlocked())).when(link(BAKYT, BAKYTS_CARD)).then_refused(Reason.CARD_BLOCKED)


def test_linking_again_changes_nothing() -> None:
    """The same card of the same customer is refused, and after unlinking it is not."""
    spec = TransferSpec().linked()
    spec.when(link(BAKYT, BAKYTS_CARD)).then_refused(Reason.ALIAS_ALREADY_LINKED)
    spec.when(UNLINK).then(AliasUnlinked())
    spec.when(UNLINK).then_refused(Reason.ALIAS_NOT_LINKED)
    spec.when(link(BAKYT, BAKYTS_CARD)).then(AliasLinked(customer=BAKYT, card=BAKYTS_CARD, phone=b"sealed"))


def test_a_number_of_an_erased_customer_leads_nowhere() -> None:
    """It is nobody's, whatever stands in its history, and its next owner needs no leave to take it."""
    spec = TransferSpec().linked().given((BAKYT, CustomerErased()))
    spec._bring(PHONE.bytes)
    spec._bring(BAKYT.bytes)
    assert find_alias(spec.books, PHONE.bytes) is None
    spec.given_done(link(ADIL, ADILS_CARD, Verdict.ABSENT, own=True))
