"""Which kinds of events are archived: those of which nothing has to be known at once."""

from domain.topics import EVENTS
from ledger.audit.archiving import MOVED

KEPT = frozenset(
    {
        "account",
        "adjustment",
        "alias",
        "card",
        "customer",
        "device",
        "engine",
        "participant",
        "payee",
        "proposal",
        "rules",
        "token",
        "wallet",
    }
)
"""What the topics begin with whose events keep their states in the database."""


def test_it_is_decided_of_every_kind_of_event_whether_it_moves() -> None:
    """A new kind of event belongs to one of the two lists."""
    kinds = {kind.TOPIC.partition(".")[0] for kind in EVENTS}
    assert kinds == MOVED | KEPT
    assert not MOVED & KEPT
