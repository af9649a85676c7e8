"""Finding a service by what a person types: an index in memory, made once from a catalogue.

Everything is folded (``folding.py``), so a query in any of the three languages, or in Latin letters, meets the same
words. Found best first: names that begin with the query, then words that are or begin with its words, then words that
are a typing error away. Among equals a service's own name counts more than its provider's, its keywords and its
category, the caller's language more than the others, and then the catalogue's order. A query's words should all be
found; where no service has them all, those that have the most of them are, if that is at least half.

The words stand sorted, and their postings in the same order: whatever begins with a prefix is one slice of an array.
"""

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt
from rapidfuzz.distance import OSA

from domain.services.catalogue import Catalogue, Language, Names, Service
from domain.services.folding import fold

MAX_WORDS: Final = 8
"""Words of a query that are looked for; what comes after them is not."""

NAME, PROVIDER, KEYWORD, CATEGORY = 16, 12, 8, 4
_OWN_LANGUAGE: Final = 2
_WORD: Final = 130
_PREFIX: Final = 100
_FUZZY: Final = 60
_A_TYPO: Final = 20
_WHOLE_NAME: Final = 2_000
_NAME_PREFIX: Final = 1_000
_FUZZY_FROM: Final = 4
"""Shorter words are a typing error away from too many others."""
_TWO_TYPOS_FROM: Final = 8
_AFTER_ALL: Final = "\U0010ffff"

Scores = npt.NDArray[np.int32]


class _Entry(NamedTuple):
    """A text of a service: the words by which it is found, what they count, and their language (None for any)."""

    place: int
    words: tuple[str, ...]
    weight: int
    language: Language | None
    whole: bool
    """Whether the text is a name, which a query may begin with."""


class _Prefixes(NamedTuple):
    """Every word cut to one length, once, and the range of words that each stands for."""

    texts: list[str]
    ranges: list[tuple[int, int]]
    letters: npt.NDArray[np.uint64]
    """Which letters each holds, a bit a letter: most are told apart from a query's word by that alone."""


class _Sorted:
    """Texts in order, and for each the services that have it with what it counts in each language."""

    def __init__(self, postings: Iterable[tuple[str, int, int, Language | None]]) -> None:
        best: dict[tuple[str, int, Language | None], int] = {}
        for text, place, weight, language in postings:
            key = (text, place, language)
            best[key] = max(weight, best.get(key, 0))
        ordered = sorted(best, key=lambda key: key[0])
        self.texts: list[str] = []
        self._starts: list[int] = []
        for start, (text, _, _) in enumerate(ordered):
            if not self.texts or self.texts[-1] != text:
                self.texts.append(text)
                self._starts.append(start)
        self._starts.append(len(ordered))
        self._places = np.array([place for _, place, _ in ordered], dtype=np.intp)
        self._weights = {
            wanted: np.array(
                [best[key] + (_OWN_LANGUAGE if key[2] is wanted and wanted is not None else 0) for key in ordered],
                dtype=np.int32,
            )
            for wanted in (None, *Language)
        }

    def beginning_with(self, prefix: str) -> tuple[int, int]:
        """Return the range of texts that begin with a prefix."""
        low = bisect_left(self.texts, prefix)
        return low, bisect_left(self.texts, prefix + _AFTER_ALL, low)

    def raise_to(self, scores: Scores, texts: tuple[int, int], base: int, language: Language | None) -> None:
        """Raise the scores of the services that have one of these texts to what it counts."""
        found = slice(self._starts[texts[0]], self._starts[texts[1]])
        np.maximum.at(scores, self._places[found], self._weights[language][found] + base)


class Index:
    """The search among the services of a catalogue. Used by one thread at a time or by many: it does not change."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._services = catalogue.services
        entries = list(_entries(catalogue))
        self._words = _Sorted((word, e.place, e.weight, e.language) for e in entries for word in e.words)
        self._names = _Sorted((" ".join(e.words), e.place, e.weight, e.language) for e in entries if e.whole)
        longest = max(map(len, self._words.texts), default=0)
        self._prefixes = {length: self._cut(length) for length in range(_FUZZY_FROM - 1, longest + 1)}

    def search(self, query: str, language: Language | None, limit: int) -> list[Service]:
        """Return the services that a query finds, best first, at most ``limit``."""
        words = fold(query)[:MAX_WORDS]
        if not words:
            return []
        scores = np.zeros(len(self._services), dtype=np.int32)
        matched = np.zeros(len(self._services), dtype=np.int8)
        for word in dict.fromkeys(words):
            of_word = self._of_word(word, language)
            scores += of_word
            matched += of_word > 0
        self._add_names(scores, " ".join(words), language)
        most = int(matched.max(initial=0))
        if most == 0 or 2 * most < len(set(words)):
            return []
        return [self._services[place] for place in _best(scores, np.flatnonzero(matched == most), limit)]

    def _of_word(self, word: str, language: Language | None) -> Scores:
        """Return what every service counts for one word of a query, 0 where it is not found."""
        scores = np.zeros(len(self._services), dtype=np.int32)
        for texts, typos in self._near(word):
            self._words.raise_to(scores, texts, _FUZZY - typos * _A_TYPO, language)
        low, high = self._words.beginning_with(word)
        self._words.raise_to(scores, (low, high), _PREFIX, language)
        if low < high and self._words.texts[low] == word:
            self._words.raise_to(scores, (low, low + 1), _WORD, language)
        return scores

    def _near(self, word: str) -> Iterator[tuple[tuple[int, int], int]]:
        """Yield the ranges of words that begin nearly as a word of a query, and by how many typing errors."""
        if len(word) < _FUZZY_FROM or not word.isalpha():
            return
        letters = _letters(word)
        allowed = 2 if len(word) >= _TWO_TYPOS_FROM else 1
        for length in range(len(word) - allowed, len(word) + allowed + 1):
            prefixes = self._prefixes.get(length)
            if prefixes is None:
                continue
            # A typing error brings in one letter at most, and takes away one at most.
            surplus = np.bitwise_count(prefixes.letters & ~letters)
            missing = np.bitwise_count(~prefixes.letters & letters)
            for at in np.flatnonzero((surplus <= allowed) & (missing <= allowed)):
                typos = OSA.distance(word, prefixes.texts[at], score_cutoff=allowed)
                if typos <= allowed:
                    yield prefixes.ranges[at], typos

    def _add_names(self, scores: Scores, query: str, language: Language | None) -> None:
        bonus = np.zeros(len(self._services), dtype=np.int32)
        low, high = self._names.beginning_with(query)
        self._names.raise_to(bonus, (low, high), _NAME_PREFIX, language)
        if low < high and self._names.texts[low] == query:
            self._names.raise_to(bonus, (low, low + 1), _WHOLE_NAME, language)
        scores += bonus

    def _cut(self, length: int) -> _Prefixes:
        texts: list[str] = []
        ranges: list[tuple[int, int]] = []
        for at, word in enumerate(self._words.texts):
            if len(word) < length:
                continue
            if texts and word.startswith(texts[-1]):
                ranges[-1] = (ranges[-1][0], at + 1)
            else:
                texts.append(word[:length])
                ranges.append((at, at + 1))
        return _Prefixes(texts, ranges, np.array([_letters(text) for text in texts], dtype=np.uint64))


def _entries(catalogue: Catalogue) -> Iterator[_Entry]:
    @cache
    def folded(text: str) -> tuple[str, ...]:
        """Fold a provider's or a category's name once for all of its services."""
        return tuple(fold(text))

    for place, service in enumerate(catalogue.services):
        named: tuple[tuple[Names, int, bool], ...] = (
            (service.names, NAME, True),
            (catalogue.provider[service.provider_id].names, PROVIDER, True),
            (catalogue.category[service.category_id].names, CATEGORY, False),
        )
        for names, weight, whole in named:
            for language in Language:
                yield _Entry(place, folded(names.of(language)), weight, language, whole)
        for keyword in service.keywords:
            yield _Entry(place, folded(keyword), KEYWORD, None, whole=False)


def _letters(word: str) -> np.uint64:
    """Return which letters a word holds. Where two share a bit, fewer words are told apart, and none wrongly."""
    bits = 0
    for letter in word:
        bits |= 1 << ord(letter) % 64
    return np.uint64(bits)


def _best(scores: Scores, found: npt.NDArray[np.intp], limit: int) -> list[int]:
    """Return the places with the highest scores, equal ones in the catalogue's order."""
    ranks = scores[found].astype(np.int64) * -len(scores) + found
    if len(found) > limit:
        first = np.argpartition(ranks, limit - 1)[:limit]
        found, ranks = found[first], ranks[first]
    return [int(place) for place in found[np.argsort(ranks)]]
