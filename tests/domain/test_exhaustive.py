"""Nothing is forgotten: every event is folded and named, every command and every reason is used."""

import re
from pathlib import Path

import pytest

import domain
from domain import aggregate, topics
from domain.event import Event
from domain.refusals import Kind, Reason

ROOT = Path(__file__).resolve().parents[2]


def all_events(base: type[Event] = Event) -> set[type[Event]]:
    """Return every event class of the product that has a topic."""
    found = {base} if "TOPIC" in vars(base) else set()
    return found.union(*(all_events(kind) for kind in base.__subclasses__()))


def test_every_event_is_in_the_table_once() -> None:
    """Each event class stands in EVENTS, each topic names one class and carries its version."""
    product = {kind for kind in all_events() if kind.__module__.startswith(f"{domain.__name__}.")}
    assert product == set(topics.EVENTS)
    assert len(topics.BY_TOPIC) == len(topics.EVENTS)
    for kind in topics.EVENTS:
        assert re.fullmatch(r"[a-z_]+\.[a-z_]+\.v[1-9][0-9]*", kind.TOPIC), kind


@pytest.mark.parametrize("kind", topics.EVENTS, ids=lambda kind: kind.TOPIC)
def test_every_event_has_a_fold_and_says_what_happened(kind: type[Event]) -> None:
    """An event without a fold could not be replayed; one without a sentence could not be read."""
    assert kind in aggregate._FOLDS
    assert kind.__doc__
    assert kind.__doc__.strip().endswith(".")
    assert kind.__doc__ != Event.__doc__


@pytest.mark.parametrize("kind", topics.EVENTS, ids=lambda kind: kind.TOPIC)
def test_an_event_is_frozen_and_untracked(kind: type[Event]) -> None:
    """Events do not change, and the garbage collector leaves them alone."""
    config = kind.__struct_config__
    assert config.frozen
    assert config.omit_defaults
    assert not config.gc


def uses(package: str) -> str:
    """Return the source of a package, without the table of reasons itself."""
    files = [path for path in (ROOT / package).rglob("*.py") if path.name != "refusals.py"]
    return "\n".join(path.read_text("utf-8") for path in files)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_every_reason_is_used(reason: Reason) -> None:
    """A reason that no code gives is a promise nobody keeps."""
    sources = "\n".join(uses(package) for package in ("domain", "ledger", "projections"))
    assert re.search(rf"\bReason\.{reason.name}\b", sources)


@pytest.mark.parametrize("reason", Reason, ids=lambda reason: reason.name)
def test_a_reason_is_recorded_exactly_when_it_depends_on_a_state(reason: Reason) -> None:
    """Declines are final; whatever else is refused leaves no trace."""
    assert reason.value.recorded == (reason.value.kind is Kind.STATE)
    assert reason.value.meaning.endswith(".")
    assert reason.value.advice.endswith(".")
