"""What the clients of two racing engines ask for: every kind of command, over few accounts, from a seed.

Targets are taken from what was acknowledged, so that a thing that is not found is a thing that was lost.
"""

from random import Random
from typing import Any, Final

from tests.faults.rival import Ask
from tests.ledger.engine.comparison import NEVER, POPULATION
from tests.ledger.engine.translation import Content

AMOUNTS: Final = (1, 30, 100, 250, 700, 2_000, 9_000)


class Ids:
    """UUIDv7 by a clock in seconds, and UUIDv4, from a seed."""

    def __init__(self, random: Random) -> None:
        self._random = random

    def recent(self, now: float) -> bytes:
        made = int(now * 1000).to_bytes(6, "big")
        return made + b"\x70" + self._random.randbytes(1) + b"\x80" + self._random.randbytes(7)

    def unordered(self) -> bytes:
        some = self._random.randbytes
        return some(6) + b"\x40" + some(1) + b"\x80" + some(7)


class Traffic:
    """Makes requests. ``transfers`` and ``holds`` are what was acknowledged as done."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.ids = Ids(random)
        self.transfers: list[bytes] = []
        self.holds: list[bytes] = []
        self._tag = 0
        self._kinds = {
            self._transfer: 8,
            self._each: 4,
            self._batch: 2,
            self._reverse_transfer: 3,
            self._hold: 8,
            self._change: 4,
            self._reverse: 3,
            self._capture: 6,
            self._force_post: 1,
            self._refund: 2,
            self._account: 2,
        }

    def founding(self, now: float) -> list[Ask]:
        """Return the requests that open the accounts and fund them."""
        opened = [self._ask("open_account", _account(**fields), now) for fields in POPULATION]
        return opened + [self._ask("transfer", _movement(1, account, 20_000), now) for account in (2, 3, 4)]

    def next(self, now: float) -> Ask:
        """Return the next request."""
        (make,) = self.random.choices(list(self._kinds), list(self._kinds.values()))
        name, content = make(now)
        return self._ask(name, content, now)

    def again(self, ask: Ask, *, other_content: bool) -> Ask:
        """Return a request once more, or another one under its id."""
        self._tag += 1
        if other_content and ask.content.get("amount") and self.random.random() < 0.5:
            return ask._replace(tag=self._tag, content=ask.content | {"amount": ask.content["amount"] + 1})
        return ask._replace(tag=self._tag, caller="stranger" if other_content else ask.caller)

    def tag(self) -> int:
        """Return a tag for a message that is no request."""
        self._tag += 1
        return self._tag

    def _ask(self, name: str, content: Content, now: float) -> Ask:
        self._tag += 1
        request = self.ids.unordered() if self.random.random() < 0.15 else self.ids.recent(now)
        return Ask(self._tag, name, request, content, f"client-{self.random.randrange(3)}")

    def _some(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def _pair(self, *, known: bool = False) -> tuple[int, int]:
        first, second = self.random.sample(range(1, 6), 2)
        if known:
            return first, second
        return (first, self._some(6, 99)) if self.random.random() < 0.04 else (first, second)

    def _target(self, known: list[bytes]) -> bytes:
        recent = known[-30:]
        return self._some(*recent) if recent and self.random.random() > 0.03 else NEVER

    def _transfer(self, now: float) -> tuple[str, Content]:
        debit, credit = self._pair()
        legs = [(*self.random.sample(range(1, 6), 2), self._some(*AMOUNTS)) for _ in range(self._some(0, 0, 0, 1))]
        return "transfer", _movement(debit, credit, self._some(*AMOUNTS), legs)

    def _items(self, now: float, *, known: bool = False) -> list[tuple[bytes, Content]]:
        made = [self.ids.recent(now) for _ in range(self._some(2, 5, 12))]
        return [(request, _movement(*self._pair(known=known), self._some(1, 2, 30, 400))) for request in made]

    def _each(self, now: float) -> tuple[str, Content]:
        items = self._items(now)
        return "each", {"items": items + items[:1] if self.random.random() < 0.3 else items}

    def _batch(self, now: float) -> tuple[str, Content]:
        # Which of its transfers refuses a batch depends on the state: an unknown account would leave no trace of when.
        return "batch", {"items": self._items(now, known=True)}

    def _reverse_transfer(self, now: float) -> tuple[str, Content]:
        return "reverse_transfer", {"transfer": self._target(self.transfers), "amount": self._some(None, *AMOUNTS)}

    def _hold(self, now: float) -> tuple[str, Content]:
        account, credit = self._pair()
        reference = f"a{self.random.randrange(60)}" if self.random.random() < 0.4 else ""
        amount = self._some(*AMOUNTS)
        held = {"account": account, "credit": credit, "amount": amount, "currency": "", "reference": reference}
        return (
            ("advise", held)
            if self.random.random() < 0.2
            else ("authorize", held | {"partial": self._some(False, True)})
        )

    def _change(self, now: float) -> tuple[str, Content]:
        name = self._some("increment", "replace", "reverse_part")
        key = "total" if name == "replace" else "amount"
        return name, {"authorization": self._target(self.holds), key: self._some(*AMOUNTS)}

    def _reverse(self, now: float) -> tuple[str, Content]:
        target = self._target(self.holds) if self.random.random() < 0.6 else None
        return "reverse", {"authorization": target, "reference": f"a{self.random.randrange(60)}"}

    def _capture(self, now: float) -> tuple[str, Content]:
        amount = self._some(*AMOUNTS)
        return "capture", {
            "authorization": self._target(self.holds),
            "amount": amount,
            "final": self._some(False, True),
            "reference": f"c{self.random.randrange(400)}",
            "parts": (),
        }

    def _force_post(self, now: float) -> tuple[str, Content]:
        account, credit = self.random.sample(range(1, 6), 2)
        reference = f"c{self.random.randrange(400)}"
        return "force_post", {
            "account": account,
            "credit": credit,
            "amount": self._some(*AMOUNTS),
            "reference": reference,
        }

    def _refund(self, now: float) -> tuple[str, Content]:
        return "refund", {
            "authorization": self._target(self.holds) if self.holds and self.random.random() < 0.7 else None,
            "account": 2,
            "merchant": 4,
            "amount": self._some(*AMOUNTS),
            "reference": f"c{self.random.randrange(400)}",
        }

    def _account(self, now: float) -> tuple[str, Content]:
        name = self._some("freeze", "unfreeze", "unfreeze", "set_overdraft", "set_minimum")
        more: dict[str, Content] = {
            "freeze": {"debits": True, "credits_": False},
            "unfreeze": {"debits": True, "credits_": True},
            "set_overdraft": {"limit": self._some(0, 500, 2_000)},
            "set_minimum": {"minimum": self._some(0, 350)},
        }
        return name, {"account": self._some(3, 5), "version": None, **more[name]}


def _movement(debit: int, credit: int, amount: int, legs: Any = ()) -> Content:
    return {"debit": debit, "credit": credit, "amount": amount, "currency": "", "legs": tuple(legs), "when": None}


def _account(kind: str, currency: str = "KGS", overdraft: int = 0) -> Content:
    return {
        "participant": "bank",
        "kind": kind,
        "currency": currency,
        "number": "",
        "overdraft": overdraft,
        "minimum": 0,
    }
