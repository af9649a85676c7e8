"""Every kind of notification has a text in every language, and a number of the contract."""

from itertools import combinations
from zoneinfo import ZoneInfo

import pytest

from domain.services.catalogue import Language
from ledger.rpc.text.notices import SIGNS, TITLES, text
from ledger.rpc.translate.notification import KIND_NUMBERS
from projections.answers import Channel, Cursor, Notice, NoticeKind
from protos.esep.v1 import notification_pb2 as pb


def notice(kind: NoticeKind) -> Notice:
    """Return a notice of a kind, with everything that a notice can have."""
    return Notice(
        partition=0,
        cursor=Cursor(1, 0),
        kind=kind,
        channel=Channel.PUSH,
        participant="bank-a",
        account_id=1,
        account_number="",
        currency="KGS",
        customer=b"",
        card=b"c" * 16,
        masked_card="941700******1234",
        amount=123_456,
        fee=500,
        counterparty=2,
        counterparty_number="1280016012345678",
        category="purchase",
        merchant="Dordoi 4111 1111 1111 1111",
        happened=1_790_000_000_000_000,
        source_id=b"s" * 16,
    )


@pytest.mark.parametrize("language", Language)
@pytest.mark.parametrize("kind", NoticeKind)
def test_every_kind_is_told_in_every_language(kind: NoticeKind, language: Language) -> None:
    """A text says what happened, how much, with which card, whom with; a card number in a name stays masked."""
    said = text(notice(kind), language, ZoneInfo("Asia/Bishkek"))
    assert said.startswith(TITLES[kind].of(language))
    assert "941700******1234" in said
    assert "411111******1111" in said
    assert "4111 1111" not in said
    assert "456" not in said.replace("234,56", "").replace("234.56", "")


@pytest.mark.parametrize("language", Language)
def test_no_two_kinds_are_told_alike(language: Language) -> None:
    """A title names one kind only, in each language."""
    for one, other in combinations(NoticeKind, 2):
        assert TITLES[one].of(language) != TITLES[other].of(language)


def test_each_language_has_words_of_its_own() -> None:
    """No text is left in another language."""
    for kind in NoticeKind:
        assert len({TITLES[kind].of(language) for language in Language}) == len(Language)


def test_every_kind_has_its_number() -> None:
    """The contract names exactly the kinds that there are."""
    named = {value for name, value in pb.NotificationKind.items() if not name.endswith("UNSPECIFIED")}
    assert set(KIND_NUMBERS.values()) == named
    assert set(KIND_NUMBERS) == set(TITLES) == set(NoticeKind)
    assert set(SIGNS) <= set(NoticeKind)
