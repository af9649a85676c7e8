"""The engine agrees with the naive reference ledger, whatever it is asked and whenever it is restarted.

Hypothesis looks for the shortest disagreement; the long lives are walks by a seeded generator that stays among
living accounts and open holds, where most of the rules are.
"""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.ledger.engine.comparison import NEVER, Comparison
from tests.ledger.engine.world import DAY

STEPS = 250
AMOUNTS = (1, 30, 100, 250, 700, 2_000, 9_000)


def test_engine_and_reference_agree_after_every_step() -> None:
    """The engine gives the reference's answers and figures, also after a restart from a snapshot or from genesis."""
    run_state_machine_as_test(
        Comparison,
        settings=settings(
            max_examples=10,
            stateful_step_count=40,
            deadline=None,
            print_blob=True,
            suppress_health_check=list(HealthCheck),
        ),
    )


@pytest.mark.parametrize("seed", [*range(3), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(3, 12))])
def test_long_lives_agree(seed: int) -> None:
    """In a long life, every rule of every command comes to the same in the engine and in the reference."""
    walk = Walk(seed)
    try:
        for _ in range(STEPS):
            walk.step()
    finally:
        walk.machine.teardown()


class Walk:
    """A life of a ledger, told by a seeded generator."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.machine = Comparison()
        self.machine.found()
        self._weights: dict[Callable[[], None], int] = {
            self.transfer: 6,
            self.reverse_transfer: 4,
            self.batch: 3,
            self.hold: 10,
            self.change: 6,
            self.reverse: 4,
            self.capture: 8,
            self.force_post: 2,
            self.refund: 4,
            self.notice: 1,
            self.account: 3,
            self.repeat: 6,
            self.later: 3,
            self.restart: 1,
        }

    def step(self) -> None:
        (action,) = self.random.choices(list(self._weights), list(self._weights.values()))
        action()

    # Choosing.

    def some(self, *choices: Any) -> Any:
        return self.random.choice(choices)

    def rarely(self, chance: float = 0.1) -> bool:
        return self.random.random() < chance

    def pair(self) -> tuple[int, int]:
        first = self.some(2, 2, 3, 3, 4, 1, 5)
        second = self.some(*({1, 2, 3, 4, 5} - {first}))
        return (first, self.some(6, 99)) if self.rarely(0.05) else (first, second)

    def authorization(self) -> bytes:
        known = self.machine.reference.authorizations
        still = [key for key, one in known.items() if one["state"] == "open"]
        if still and self.rarely(0.7):
            return bytes(self.some(*still))
        return bytes(self.some(*known)) if known and not self.rarely() else NEVER

    def ask(self, name: str, content: dict[str, Any], **options: Any) -> None:
        self.machine._ask(name, content, trial=self.rarely(), **options)

    # Acting.

    def transfer(self) -> None:
        debit, credit = self.pair()
        legs = [(*self.pair(), self.some(*AMOUNTS)) for _ in range(self.some(0, 0, 0, 1, 2))]
        when = self.machine.clock.now() + self.some(-1, -31, 1) * DAY if self.rarely() else None
        request = self.some(self.machine.desk.ids.unordered(), self.machine.desk.ids.recent())
        content = self.machine._transfer(debit, credit, self.some(*AMOUNTS), legs, self.some("", "KGS"), when)
        self.ask("transfer", content, request=request)

    def reverse_transfer(self) -> None:
        known = list(self.machine.reference.transfers)
        transfer = self.some(*known) if known and not self.rarely() else NEVER
        self.ask("reverse_transfer", {"transfer": transfer, "amount": self.some(None, *AMOUNTS)})

    def batch(self) -> None:
        lines = [
            (self.some(1, 2, 3, 4), self.some(1, 2, 3), self.some(*AMOUNTS), self.rarely())
            for _ in range(self.some(1, 5))
        ]
        self.machine.batch(lines=lines, atomic=self.some(False, True), old=self.rarely(0.3))

    def hold(self) -> None:
        account, credit = self.pair()
        reference = f"a{self.random.randrange(40)}" if self.rarely(0.4) else ""
        content = {
            "account": account,
            "credit": credit,
            "amount": self.some(*AMOUNTS),
            "currency": "",
            "reference": reference,
        }
        if self.rarely(0.2):
            self.ask("advise", content)
        else:
            self.ask("authorize", content | {"partial": self.some(False, True)})

    def change(self) -> None:
        name = self.some("increment", "replace", "reverse_part")
        key = "total" if name == "replace" else "amount"
        self.ask(name, {"authorization": self.authorization(), key: self.some(*AMOUNTS)})

    def reverse(self) -> None:
        by_id = self.some(True, False)
        reference = f"a{self.random.randrange(40)}"
        self.ask("reverse", {"authorization": self.authorization() if by_id else None, "reference": reference})

    def capture(self) -> None:
        amount = self.some(*AMOUNTS)
        parts = ((4, amount - 1), (5, 1)) if self.rarely(0.2) and amount > 1 else ()
        content = {
            "authorization": self.authorization(),
            "amount": amount,
            "final": self.some(False, True),
            "reference": f"c{self.random.randrange(300)}",
            "parts": parts,
        }
        self.ask("capture", content)

    def force_post(self) -> None:
        account, credit = self.pair()
        reference = f"c{self.random.randrange(300)}"
        self.ask(
            "force_post", {"account": account, "credit": credit, "amount": self.some(*AMOUNTS), "reference": reference}
        )

    def refund(self) -> None:
        captured = [key for key, one in self.machine.reference.authorizations.items() if one["captured"]]
        linked = bool(captured) and not self.rarely(0.3)
        content = {
            "authorization": self.some(*captured) if linked else None,
            "account": 2,
            "merchant": self.some(4, 99) if self.rarely() else 4,
            "amount": self.some(*AMOUNTS),
            "reference": f"c{self.random.randrange(300)}",
        }
        self.ask("refund", content)

    def notice(self) -> None:
        self.ask("notice", {"reference": f"c{self.random.randrange(300)}", "amount": 1})

    def account(self) -> None:
        account = self.some(2, 3, 3, 7, 8, 99)
        name = self.some("freeze", "unfreeze", "unfreeze", "set_overdraft", "set_minimum", "close", "open_account")
        target = {"account": account, "version": self.some(None, None, 2)}
        more = {
            "freeze": dict(
                zip(("debits", "credits_"), self.some((True, True), (True, False), (False, True)), strict=True)
            ),
            "unfreeze": {"debits": True, "credits_": self.some(True, False)},
            "set_overdraft": {"limit": self.some(0, 500, 2_000)},
            "set_minimum": {"minimum": self.some(0, 350)},
            "close": {},
        }
        if name == "open_account":
            self.ask(name, self.machine._account("customer", number=self.some("", "n1", "n2", "n3")))
        else:
            self.ask(name, target | more[name])

    def repeat(self) -> None:
        self.machine.repeat(
            pick=self.random.randrange(10_000), how=self.some("same", "same", "other content", "other caller")
        )

    def later(self) -> None:
        if self.rarely(0.6):
            self.machine.to_an_expiry(short=self.some(0, 1, 2))
        else:
            self.machine.later(days=self.some(1, 3, 8))

    def restart(self) -> None:
        self.machine.restart()
