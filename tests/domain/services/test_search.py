"""What people type, and what they find: in three languages, with typing errors, in the wrong letters."""

import pytest

from domain.services.catalogue import Language
from domain.services.folding import fold
from domain.services.search import Index
from ledger.services import load_catalogue
from tests.domain.services.catalogues import content, read, service

INDEX = Index(load_catalogue(None))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ЭЛЕКТР", "электр"),
        ("ёлка", "елка"),
        ("өзгөн", "озгон"),
        ("үй", "уй"),
        ("чоң", "чон"),
        ("Жалал-Абад", "jalal abad"),
        ("Джалал-Абад", "Dzhalal-Abad"),
        ("Хан", "khan"),
        ("щит", "shchit"),
        ("касса", "каса"),
        ("Café", "cafe"),
        ("объект", "обект"),
    ],
)
def test_what_sounds_alike_is_folded_alike(one: str, other: str) -> None:
    assert fold(one) == fold(other)


def test_folding_keeps_what_tells_names_apart() -> None:
    assert fold("№ 11") == ["11"]
    assert fold("й") != fold("и")
    assert fold("!? — ") == []


@pytest.mark.parametrize(
    ("query", "language", "first"),
    [
        # Kyrgyz
        ("Мега", Language.KY, "mobile-mega"),
        ("суу каракол", Language.KY, "water-karakol"),
        ("жер салыгы озгон", Language.KY, "tax-land-uzgen-district"),
        ("жарык бишкек", Language.KY, "electricity-bishkek"),
        ("таштанды нарын", Language.KY, "waste-naryn"),
        ("12 мектеп", Language.KY, "school-bishkek-12"),
        ("насыя айыл", Language.KY, "loan-aiyl"),
        # Russian
        ("билайн", Language.RU, "mobile-beeline"),
        ("налог земельный чуй", Language.RU, "tax-land-chuy-district"),
        ("детский сад 7", Language.RU, "kindergarten-bishkek-7"),
        ("оптима кредит", Language.RU, "loan-optima"),
        ("штраф пдд", Language.RU, "fine-traffic"),
        # English
        ("electricity osh", Language.EN, "electricity-osh"),
        ("heating karakol", Language.EN, "heating-karakol"),
        ("driving", Language.EN, "state-licence"),
        # Latin letters for Cyrillic ones
        ("svet bishkek", Language.RU, "electricity-bishkek"),
        ("elektroenergiya tokmok", Language.RU, "electricity-tokmok"),
        ("kyrgyztelekom", Language.RU, "internet-kyrgyztelecom"),
        # Typing errors: one wrong, one missing, one too many, two swapped
        ("электроенергия ош", Language.RU, "electricity-osh"),
        ("мегоком", Language.RU, "mobile-mega"),
        ("бешкек отопление", Language.RU, "heating-bishkek"),
        ("водаканал ош", Language.RU, "water-osh"),
        ("beline", Language.EN, "mobile-beeline"),
        ("elctricity naryn", Language.EN, "electricity-naryn"),
        ("камсыздандуруу атн", Language.KY, "insurance-atn"),
        ("тутагаз", None, None),
        ("ққ", None, None),
        ("!!!", None, None),
    ],
)
def test_the_first_that_is_found(query: str, language: Language | None, first: str | None) -> None:
    found = INDEX.search(query, language, 10)
    assert (found[0].id if found else None) == first


def ranked(query: str, *titles: str, language: Language | None = None) -> list[str]:
    services = [service(id=f"s{at}", names=dict.fromkeys(("ky", "ru", "en"), title)) for at, title in enumerate(titles)]
    index = Index(read(content(*services)))
    return [titles[int(found.id[1:])] for found in index.search(query, language, 10)]


@pytest.mark.parametrize(
    ("query", "best_first"),
    [
        ("garden", ["garden", "garden tools"]),  # the whole name, the beginning of one
        ("garden", ["garden tools", "our garden"]),  # the beginning of a name, a word in it
        ("gard", ["our gard", "our garden"]),  # a word, the beginning of one
        ("garde", ["our garden", "our gards"]),  # the beginning of a word, a typing error
        ("bromeliad", ["our bromeliat", "our bromelist"]),  # one typing error, two
    ],
)
def test_the_better_match_comes_first(query: str, best_first: list[str]) -> None:
    """Also when the catalogue has them in the other order."""
    assert ranked(query, *best_first) == best_first
    assert ranked(query, *reversed(best_first)) == best_first


def test_equals_stand_in_the_catalogues_order() -> None:
    assert ranked("lamp", "lamp b", "lamp a", "lamp c") == ["lamp b", "lamp a", "lamp c"]


def test_services_with_more_of_the_words_are_found_alone() -> None:
    assert ranked("red lamp", "lamp", "red lamp", "red") == ["red lamp"]
    assert ranked("red lamp shade", "red", "blue") == []


def test_the_callers_language_decides_among_equals() -> None:
    """Both names hold the word, one of them in the language that is asked in."""
    one = service(id="one", names={"ky": "x", "ru": "мир", "en": "y"})
    other = service(id="other", names={"ky": "мир", "ru": "z", "en": "y"})
    index = Index(read(content(one, other)))
    assert [found.id for found in index.search("мир", Language.RU, 5)] == ["one", "other"]
    assert [found.id for found in index.search("мир", Language.KY, 5)] == ["other", "one"]


def test_a_typing_error_is_forgiven_wherever_it_stands() -> None:
    """One letter wrong, missing, too many or swapped, at every place of a word; two of them in a long one."""
    word = "bromeliad"
    letters = list(word)
    wrong = {"".join([*letters[:at], "k", *letters[at + 1 :]]) for at in range(len(word))}
    wrong |= {"".join([*letters[:at], *letters[at + 1 :]]) for at in range(len(word))}
    wrong |= {"".join([*letters[:at], "k", *letters[at:]]) for at in range(len(word) + 1)}
    wrong |= {"".join([*letters[:at], *letters[at : at + 2][::-1], *letters[at + 2 :]]) for at in range(len(word) - 1)}
    wrong |= {"bkomeliak", "bomeliod", "rbomelida"}
    assert {query for query in wrong if ranked(query, "bromeliad") != ["bromeliad"]} == set()
    assert ranked("bkkteliad", "bromeliad") == []


def test_no_more_are_returned_than_asked_for() -> None:
    assert len(INDEX.search("электр", None, 7)) == 7
    assert INDEX.search("электр", None, 7) == INDEX.search("электр", None, 50)[:7]
