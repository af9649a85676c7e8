"""Events to bytes and back: JSON in a stable key order, under topics that carry their version.

A stored event is never rewritten. When an event changes, its topic gets the next version and the old one an
upcaster: a function from the old JSON object to the new one. A topic that is not known is an error that stops
whoever meets it, because skipping an event would mean deciding on a false state.
"""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from domain.event import Event
from domain.topics import BY_TOPIC


class UnknownTopicError(Exception):
    """The log holds an event of a kind this code does not know."""

    def __init__(self, topic: str) -> None:
        super().__init__(f"the log holds an event of the unknown topic {topic!r}: a newer version of Esep wrote it")
        self.topic = topic


class Upcaster(msgspec.Struct, frozen=True):
    """Turns the JSON object of an old topic into that of its successor."""

    successor: str
    upcast: Callable[[dict[str, Any]], dict[str, Any]]


UPCASTERS: Final[dict[str, Upcaster]] = {}
"""By old topic. Every version ever written has a golden file that must load for ever."""

encode: Final[Callable[[Event], bytes]] = msgspec.json.Encoder().encode
"""Returns the stored form of an event; its topic is ``event.TOPIC``."""

_DECODERS: Final = {topic: msgspec.json.Decoder(kind).decode for topic, kind in BY_TOPIC.items()}


def decode(topic: str, state: bytes) -> Event:
    """Return the event that was stored, upcast to today's form; raises UnknownTopicError."""
    decoder = _DECODERS.get(topic)
    if decoder is not None:
        event: Event = decoder(state)
        return event
    return _upcast(topic, msgspec.json.decode(state))


def _upcast(topic: str, content: dict[str, Any]) -> Event:
    while topic not in BY_TOPIC:
        upcaster = UPCASTERS.get(topic)
        if upcaster is None:
            raise UnknownTopicError(topic)
        topic, content = upcaster.successor, upcaster.upcast(content)
    return msgspec.convert(content, BY_TOPIC[topic])
