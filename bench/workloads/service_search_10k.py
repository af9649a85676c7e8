"""The search among 10,000 services, beside a plain substring scan over the same names. No server and no store.

The services are the shipped ones, again and again under other numbers until there are enough. Queries are words of
their names in every language, every second one with a typing error, every fourth one cut short: what people type.
"""

from collections.abc import Callable, Iterator
from random import Random
from time import perf_counter

import msgspec

from bench.report import Result, result
from bench.session import SEED, Session, Workload
from bench.stores import SQLITE
from bench.windows import Window, alternate, compare
from domain.services.catalogue import Catalogue, Content, Language, Names, Service
from domain.services.search import Index
from ledger.services import load_catalogue

_NAME = "service_search_10k"
_SERVICES = 10_000
_FOUND = 10
_LANGUAGES = tuple(Language)


def measure(session: Session) -> Iterator[Result]:
    """Compare the index with the scan, query by query."""
    catalogue = _many()
    index = Index(catalogue)
    texts = [" ".join(service.names.of(language) for language in Language).casefold() for service in catalogue.services]
    queries = _queries(catalogue.services, session.scale.calls)

    def scan(query: str) -> None:
        folded = query.casefold()
        _ = [place for place, text in enumerate(texts) if folded in text][:_FOUND]

    pairs = alternate(
        session.scale.rounds,
        lambda: _ask(queries, lambda query: index.search(query, Language.RU, _FOUND)),
        lambda: _ask(queries, scan),
    )
    yield result(_NAME, session.store.name, "queries/s", "substring_scan", compare(pairs))


def _ask(queries: list[str], answer: Callable[[str], object]) -> Window:
    latencies = []
    began = perf_counter()
    for query in queries:
        started = perf_counter()
        answer(query)
        latencies.append((perf_counter() - started) * 1000)
    return Window(len(queries), perf_counter() - began, latencies)


def _many() -> Catalogue:
    """Return a catalogue of 10,000 services, each copy of one under a number of its own."""
    shipped = load_catalogue(None)
    services: list[Service] = []
    for number in range(_SERVICES):
        copy, place = divmod(number, len(shipped.services))
        service = shipped.services[place]
        # A made-up word as well, so that the vocabulary grows as it would with as many providers.
        word = "".join(Random(SEED + number).choices("абгдезийклмнопрсту", k=7))
        names = Names(*(f"{service.names.of(language)} {word} {copy}" for language in Language))
        services.append(msgspec.structs.replace(service, id=f"{service.id}-{copy}", names=names))
    content = Content(tuple(shipped.categories), tuple(shipped.provider.values()), tuple(services))
    return Catalogue(content, "bench")


def _queries(services: tuple[Service, ...], count: int) -> list[str]:
    random = Random(SEED)
    found = []
    for number in range(count):
        words = random.choice(services).names.of(random.choice(_LANGUAGES)).split()
        query = " ".join(random.sample(words, k=min(len(words), random.randint(1, 3))))
        if number % 2 and len(query) > 4:
            at = random.randrange(1, len(query) - 1)
            query = query[:at] + random.choice("аеиотрнс") + query[at + 1 :]
        if number % 4 == 0:
            query = query[: max(1, len(query) * 2 // 3)]
        found.append(query)
    return found


WORKLOAD = Workload((_NAME,), measure, stores=(SQLITE,))
