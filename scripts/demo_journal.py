"""What a client knows by itself: what it asked for, and what it was told became of it.

The journal never asks the ledger. Whatever it holds as acknowledged must be true of the ledger for ever after,
whichever server died meanwhile.
"""

import threading
from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Intent(NamedTuple):
    """A transfer that the client wants, under the id that it will have for ever."""

    request_id: str
    debit_account_id: int
    credit_account_id: int
    amount_tyiyn: int


class Outcome(NamedTuple):
    """What was acknowledged: where it is recorded, and the reason where it was declined."""

    position: int
    reason: str = ""


class Journal:
    """Intents and acknowledged outcomes; safe to use from several threads."""

    def __init__(self) -> None:
        self.intents: dict[str, Intent] = {}
        self.outcomes: dict[str, Outcome] = {}
        self.contradictions: list[str] = []
        """Outcomes acknowledged twice, and differently."""
        self._lock = threading.Lock()

    def intend(self, intents: Iterable[Intent]) -> None:
        """Write down what is about to be sent."""
        with self._lock:
            self.intents.update((intent.request_id, intent) for intent in intents)

    def acknowledge(self, outcomes: Mapping[str, Outcome]) -> None:
        """Write down what the ledger said."""
        with self._lock:
            for request_id, outcome in outcomes.items():
                first = self.outcomes.setdefault(request_id, outcome)
                if first != outcome:
                    self.contradictions.append(f"{request_id}: first {first}, then {outcome}")

    @property
    def unanswered(self) -> list[Intent]:
        """What was sent, or was about to be, without an answer."""
        with self._lock:
            return [intent for request_id, intent in self.intents.items() if request_id not in self.outcomes]

    @property
    def made(self) -> list[Intent]:
        """The transfers acknowledged as made."""
        with self._lock:
            return [self.intents[request_id] for request_id, outcome in self.outcomes.items() if not outcome.reason]

    @property
    def declined(self) -> int:
        """How many transfers were declined for good."""
        with self._lock:
            return sum(bool(outcome.reason) for outcome in self.outcomes.values())

    def balances(self, opening: Mapping[int, int]) -> dict[int, int]:
        """Return what every account must have: the client's own arithmetic."""
        balances = dict(opening)
        for intent in self.made:
            balances[intent.debit_account_id] -= intent.amount_tyiyn
            balances[intent.credit_account_id] += intent.amount_tyiyn
        return balances
