"""Whatever reaches a person exists in Kyrgyz, Russian and English (row S38): the tables of words, walked to their ends.

What a message says follows from tables: titles of notifications, words of receipts, names of services. A word that is
missing in one language would be found by whoever speaks it; here it is found first.
"""

import importlib
import pkgutil
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import pytest

import ledger.rpc.text as package
from domain.authorization import State
from domain.rules import Operation
from domain.services.catalogue import Language, Names
from ledger.rpc.text import notices, words
from ledger.rpc.translate.authorization import KINDS as AUTHORIZATIONS
from ledger.services import load_catalogue
from projections.answers import NoticeKind
from protos.esep.v1.notification_pb2 import NotificationKind
from protos.esep.v1.service_directory_pb2 import Language as ProtoLanguage

CYRILLIC = re.compile("[А-Яа-яЁёҢңӨөҮү]")
LATIN = re.compile("[A-Za-z]")


def tables() -> Iterator[tuple[str, Any]]:
    """Yield every table and word of the modules that write texts, by its name."""
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        loaded = importlib.import_module(module.name)
        for name, value in vars(loaded).items():
            if isinstance(value, Names | Mapping) and not name.startswith("__"):
                yield f"{module.name.rpartition('.')[2]}.{name}", value


def named(where: str, value: Any) -> Iterator[tuple[str, Names]]:
    """Yield every name in a table, and where it stands."""
    if isinstance(value, Names):
        yield where, value
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from named(f"{where}[{key}]", each)


WORDS = dict(pair for name, value in tables() for pair in named(name, value))


def test_S38_the_contracts_languages_are_those_of_the_tables() -> None:
    """Kyrgyz, Russian, English: each can be asked for, and no other."""
    assert [language.name for language in Language] == ["KY", "RU", "EN"]
    assert set(ProtoLanguage.keys()) == {"LANGUAGE_UNSPECIFIED", *(f"LANGUAGE_{each.name}" for each in Language)}


@pytest.mark.parametrize("where", WORDS)
def test_S38_every_word_is_written_in_each_language(where: str) -> None:
    """Kyrgyz and Russian in Cyrillic letters, English in Latin ones, none empty."""
    each = WORDS[where]
    assert CYRILLIC.search(each.ky)
    assert CYRILLIC.search(each.ru)
    assert LATIN.search(each.en)
    assert not CYRILLIC.search(each.en)


def test_S38_what_belongs_to_a_language_is_there_for_all() -> None:
    """Tables by language, such as formats of time, leave none out."""
    by_language = {
        name: set(value)
        for name, value in tables()
        if isinstance(value, Mapping) and any(isinstance(key, Language) for key in value)
    }
    assert len(by_language) >= 3
    assert {name for name, languages in by_language.items() if languages != set(Language)} == set()


@pytest.mark.parametrize(
    ("kinds", "table"),
    [
        (NoticeKind, notices.TITLES),
        (State, words.STATES),
        (Operation, words.KINDS),
        (AUTHORIZATIONS.values(), words.KINDS),
    ],
    ids=["notifications", "states of authorisations", "operations", "kinds of authorisations"],
)
def test_S38_every_kind_of_thing_that_is_told_has_words(kinds: Iterable[str], table: Mapping[Any, Names]) -> None:
    """A kind without words would be told as money in or out, or not at all."""
    assert {kind for kind in kinds if kind not in table} == set()


def test_S38_every_notification_of_the_contract_has_a_title() -> None:
    """What can be sent is what there are words for."""
    sent = {name.removeprefix("NOTIFICATION_KIND_") for name, _ in NotificationKind.items()} - {"UNSPECIFIED"}
    assert sent == {kind.name for kind in notices.TITLES}


def test_S38_the_directory_speaks_three_languages() -> None:
    """Categories, providers, services, and the fields that a payer fills in."""
    catalogue = load_catalogue(None)
    found = [each.names for each in catalogue.categories] + [each.names for each in catalogue.provider.values()]
    for service in catalogue.services:
        found += [service.names, *(field.names for field in service.fields)]
    assert len(found) > 1_000
    assert [each for each in found if not (each.ky.strip() and each.ru.strip() and each.en.strip())] == []
    assert [each for each in found if CYRILLIC.search(each.en)] == []
