"""Requests, each answered twice: by the engine on a real store, and by the naive reference ledger.

Few accounts, few references, request ids that come again with the same or other content and from other callers,
time that jumps over expiries, trial runs and restarts in between. After every step both must have given the same
answer and must show the same figures.
"""

import shutil
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from domain.authorization import Authorization
from domain.event import Policy
from ledger.engine.tickets import BatchOutcome
from ledger.log.factory import open_log
from ledger.log.sqlite import SQLiteLog
from tests.ledger.engine.translation import Content, to_command, to_transfer, verdict
from tests.ledger.engine.world import BRISK, DAY, Desk, HandClock, columns, open_holds
from tests.reference.ledger import Ledger
from tests.waiting import eventually

ACCOUNTS = st.sampled_from([2, 1, 2, 3, 4, 5, 6, 7])
TRIALS = st.sampled_from([False, False, False, True])
AMOUNTS = st.sampled_from([1, 50, 100, 300, 1_000, 5_000])
REFERENCES = st.sampled_from(["r1", "r2", "r3"])
NEVER = b"\x01" * 16
POPULATION: list[dict[str, Any]] = [
    {"kind": "cash"},
    {"kind": "customer"},
    {"kind": "customer", "overdraft": 500},
    {"kind": "merchant"},
    {"kind": "settlement"},
    {"kind": "customer", "currency": "USD"},
]


class WithoutSnapshots(SQLiteLog):
    """A log that has kept no snapshot."""

    def load_snapshot(self, partition: int, *, upto: int) -> tuple[int, bytes] | None:
        return None


class Comparison(RuleBasedStateMachine):
    """The engine and the reference, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="esep-reference-"))
        self.path = self.root / "esep.db"
        self.clock = HandClock()
        self.policy = Policy(currencies=("KGS", "USD"))
        self.desk = self._desk(open_log(f"sqlite:///{self.path}"))
        self.reference = Ledger(currencies=("KGS", "USD"))
        self.asked: list[tuple[str, bytes, Content, str]] = []

    def _desk(self, log: Any) -> Desk:
        return Desk(log, self.clock, settings=BRISK, policy=self.policy, seed=1).serving()

    def teardown(self) -> None:
        try:
            self.clock.advance(500)  # Or the microseconds of a restart could pass an expiry.
            eventually(lambda: not self.desk.books.any_lapsed(self.clock.now()))  # What the sweep ends, by the clock.
            self.desk.stop()
            figures, holds = columns(self.desk), open_holds(self.desk)
            assert not self.desk.fatal
            self.desk.log.close()
            for make in (SQLiteLog, WithoutSnapshots):
                self.desk = self._desk(make(self.path))
                self._compare_books()
                assert columns(self.desk) == figures
                assert open_holds(self.desk) == holds
                self.desk.stop()
                self.desk.log.close()
        finally:
            shutil.rmtree(self.root, ignore_errors=True)

    @initialize()
    def found(self) -> None:
        for fields in POPULATION:
            self._ask("open_account", self._account(**fields))
        for account in (2, 3, 4):
            self._ask("transfer", self._transfer(1, account, 2_000))

    # Asking both.

    def _ask(
        self, name: str, content: Content, *, request: bytes | None = None, caller: str = "a", trial: bool = False
    ) -> None:
        self.clock.advance(1_000)
        request = request or self.desk.ids.recent()
        command = to_command(name, request, content)
        outcome = self.desk.ask(command, request, caller=caller, validate_only=trial)
        answer = verdict(self.desk, outcome, caller, command)
        self._agree(answer, name, caller, request, self._at(outcome), content, trial=trial)
        if not trial:
            self.asked.append((name, request, content, caller))

    def _at(self, outcome: Any) -> int:
        return getattr(outcome, "recorded_at", 0) or self.clock.now()

    def _agree(
        self, answer: str, name: str, caller: str, request: bytes, at: int, content: Content, *, trial: bool = False
    ) -> None:
        assert answer == self.reference.ask(name, caller, request, at, content, trial=trial)
        self._compare(content)

    # Comparing.

    def _compare(self, content: Content) -> None:
        self._compare_books()
        if content.get("authorization") in self.reference.authorizations:
            self._compare_authorization(content["authorization"])

    def _compare_books(self) -> None:
        if self._figures() != self._expected():
            eventually(lambda: self._figures() == self._expected())  # The sweep may be at work.
        assert len(self.desk.books.accounts) == len(self.reference.accounts)

    def _now(self) -> int:
        """Return the ledger's time: a record may be a few microseconds ahead of the clock."""
        return max(self.clock.now(), self.desk.engine._decider.recorded_at)

    def _figures(self) -> dict[int, tuple[int, int, int]]:
        books, now = self.desk.books, self._now()
        return {
            account: (
                self.desk.posted(account),
                self.desk.held(account) - self._lapsed(account, now),
                books.accounts.version[account],
            )
            for account in self.reference.accounts
        }

    def _lapsed(self, account: int, now: int) -> int:
        """Return what is held by holds that have ended, while the sweep may be taking them out of the books."""
        books = self.desk.books
        holds = [books.open.get(held) for held in tuple(books.holds.get(account, ()))]
        return sum(one.remaining for one in holds if one is not None and one.expires_at <= now)

    def _expected(self) -> dict[int, tuple[int, int, int]]:
        ledger = self.reference
        return {
            account: (ledger.posted(account), ledger.held(account, self._now()), own["version"])
            for account, own in ledger.accounts.items()
        }

    def _compare_authorization(self, authorization_id: bytes) -> None:
        expected = self.reference.authorizations[authorization_id]
        actual = self.desk.aggregate(authorization_id)
        assert isinstance(actual, Authorization)
        if not (expected["state"] == "open" and expected["expires"] <= self._now()):
            assert (actual.state.value, actual.remaining) == (expected["state"], expected["remaining"])
        assert (actual.captured, actual.refunded) == (expected["captured"], expected["refunded"])

    # What is asked.

    @staticmethod
    def _account(kind: str, currency: str = "KGS", overdraft: int = 0, number: str = "") -> Content:
        return {
            "participant": "bank",
            "kind": kind,
            "currency": currency,
            "number": number,
            "overdraft": overdraft,
            "minimum": 0,
        }

    @staticmethod
    def _transfer(
        debit: int, credit: int, amount: int, legs: Any = (), currency: str = "", when: Any = None
    ) -> Content:
        return {
            "debit": debit,
            "credit": credit,
            "amount": amount,
            "currency": currency,
            "legs": tuple(leg for leg in legs if leg[0] != leg[1]),
            "when": when,
        }

    def _authorization(self, pick: int) -> bytes:
        known = list(self.reference.authorizations)
        return known[pick % len(known)] if known and pick else NEVER

    @rule(kind=st.sampled_from(["customer", "cash"]), number=st.sampled_from(["", "n1", "n2"]), trial=TRIALS)
    def open_account(self, *, kind: str, number: str, trial: bool) -> None:
        self._ask("open_account", self._account(kind, number=number), trial=trial)

    @rule(
        debit=ACCOUNTS,
        apart=st.integers(1, 6),
        amount=AMOUNTS,
        legs=st.lists(st.tuples(ACCOUNTS, ACCOUNTS, AMOUNTS), max_size=2),
        currency=st.sampled_from(["", "", "", "KGS", "USD"]),
        days=st.sampled_from([None, None, None, -1, -31, 1]),
        age=st.sampled_from([0, 0, 0, DAY, 40 * DAY]),
        trial=TRIALS,
    )
    def transfer(
        self, *, debit: int, apart: int, amount: int, legs: Any, currency: str, days: Any, age: int, trial: bool
    ) -> None:
        credit = (debit + apart - 1) % 7 + 1
        when = None if days is None else self.clock.now() + days * DAY
        request = self.desk.ids.recent(age=age)
        self._ask("transfer", self._transfer(debit, credit, amount, legs, currency, when), request=request, trial=trial)

    @rule(pick=st.integers(0, 9), amount=st.none() | AMOUNTS, trial=TRIALS)
    def reverse_transfer(self, *, pick: int, amount: int | None, trial: bool) -> None:
        known = list(self.reference.transfers)
        transfer = known[-pick % len(known)] if pick else NEVER
        self._ask("reverse_transfer", {"transfer": transfer, "amount": amount}, trial=trial)

    @rule(
        lines=st.lists(st.tuples(ACCOUNTS, st.integers(1, 6), AMOUNTS, st.booleans()), min_size=1, max_size=4),
        atomic=st.booleans(),
        old=st.booleans(),
    )
    def batch(self, *, lines: Any, atomic: bool, old: bool) -> None:
        self.clock.advance(1_000)
        items: list[tuple[bytes, Content]] = []
        seen = [request for name, request, _, _ in self.asked if name == "transfer"]
        for debit, apart, amount, again in lines:
            request = seen[-1] if again and seen else self.desk.ids.unordered() if old else self.desk.ids.recent()
            items.append((request, self._transfer(debit, (debit + apart - 1) % 7 + 1, amount)))
        transfers = [to_transfer(request, content) for request, content in items]
        if atomic:
            request = self.desk.ids.recent()
            outcome = self.desk.ask_many(transfers, caller="a", atomic=True, request_id=request, fingerprint="f")
            answer = verdict(self.desk, outcome, "a", "f")
            self._agree(answer, "batch", "a", request, self._at(outcome), {"items": items})
            return
        each = self.desk.ask_many(transfers, caller="a")
        assert isinstance(each, BatchOutcome)
        special = dict(each.declined) | dict(each.repeated)
        for index, (request, content) in enumerate(items):
            answer = verdict(self.desk, special[index], "a", transfers[index]) if index in special else "OK"
            at = self.desk.log.read(0, each.positions[index] - 1, 1)[0].recorded_at if each.positions[index] else 0
            assert answer == self.reference.ask("transfer", "a", request, at or each.recorded_at, content)
        self._compare({})

    @rule(
        account=ACCOUNTS,
        apart=st.integers(1, 6),
        amount=AMOUNTS,
        currency=st.sampled_from(["", "", "USD"]),
        reference=st.just("") | REFERENCES,
        partial=st.none() | st.booleans(),
        trial=TRIALS,
    )
    def hold(
        self, *, account: int, apart: int, amount: int, currency: str, reference: str, partial: Any, trial: bool
    ) -> None:
        content = {
            "account": account,
            "credit": (account + apart - 1) % 7 + 1,
            "amount": amount,
            "currency": currency,
            "reference": reference,
        }
        if partial is None:
            self._ask("advise", content, trial=trial)
        else:
            self._ask("authorize", content | {"partial": partial}, trial=trial)

    @rule(
        how=st.sampled_from(["increment", "replace", "reverse_part"]),
        pick=st.integers(0, 9),
        amount=AMOUNTS,
        trial=TRIALS,
    )
    def change(self, *, how: str, pick: int, amount: int, trial: bool) -> None:
        key = "total" if how == "replace" else "amount"
        self._ask(how, {"authorization": self._authorization(-pick), key: amount}, trial=trial)

    @rule(pick=st.none() | st.integers(0, 9), reference=REFERENCES, trial=TRIALS)
    def reverse(self, *, pick: int | None, reference: str, trial: bool) -> None:
        target = None if pick is None else self._authorization(-pick)
        self._ask("reverse", {"authorization": target, "reference": reference}, trial=trial)

    @rule(
        pick=st.integers(0, 9),
        amount=AMOUNTS,
        final=st.booleans(),
        reference=REFERENCES,
        parts=st.booleans(),
        number=st.integers(0, 99),
        trial=TRIALS,
    )
    def capture(
        self, *, pick: int, amount: int, final: bool, reference: str, parts: bool, number: int, trial: bool
    ) -> None:
        content = {
            "authorization": self._authorization(-pick),
            "amount": amount,
            "final": final,
            "reference": reference if number < 50 else f"c{number}",
            "parts": ((4, amount - 1), (5, 1)) if parts and amount > 1 else (),
        }
        self._ask("capture", content, trial=trial)

    @rule(account=ACCOUNTS, apart=st.integers(1, 6), amount=AMOUNTS, reference=REFERENCES, trial=TRIALS)
    def force_post(self, *, account: int, apart: int, amount: int, reference: str, trial: bool) -> None:
        content = {
            "account": account,
            "credit": (account + apart - 1) % 7 + 1,
            "amount": amount,
            "reference": reference,
        }
        self._ask("force_post", content, trial=trial)

    @rule(pick=st.none() | st.integers(0, 9), amount=AMOUNTS, reference=st.integers(0, 30), trial=TRIALS)
    def refund(self, *, pick: int | None, amount: int, reference: int, trial: bool) -> None:
        content = {
            "authorization": None if pick is None else self._authorization(-pick),
            "account": 2,
            "merchant": 4,
            "amount": amount,
            "reference": f"r{reference}",
        }
        self._ask("refund", content, trial=trial)

    @rule(reference=REFERENCES)
    def notice(self, *, reference: str) -> None:
        self._ask("notice", {"reference": reference, "amount": 5})

    @rule(
        name=st.sampled_from(["freeze", "unfreeze"]),
        account=ACCOUNTS,
        debits=st.booleans(),
        credits_=st.booleans(),
        version=st.sampled_from([None, None, 1, 2]),
        trial=TRIALS,
    )
    def freeze(
        self, *, name: str, account: int, debits: bool, credits_: bool, version: int | None, trial: bool
    ) -> None:
        debits = debits or not credits_
        content = {"account": account, "debits": debits, "credits_": credits_, "version": version}
        self._ask(name, content, trial=trial)

    @rule(
        name=st.sampled_from(["set_overdraft", "set_minimum", "close"]),
        account=st.integers(2, 9),
        amount=st.sampled_from([0, 200, 1_000]),
    )
    def limit(self, *, name: str, account: int, amount: int) -> None:
        amounts = {"set_overdraft": {"limit": amount}, "set_minimum": {"minimum": amount}}.get(name, {})
        self._ask(name, {"account": account, "version": None, **amounts})

    # Again, later, and after a restart.

    @rule(pick=st.integers(0, 99), how=st.sampled_from(["same", "same", "other content", "other caller"]))
    def repeat(self, *, pick: int, how: str) -> None:
        name, request, content, caller = self.asked[pick % len(self.asked)]
        if how == "other content" and "amount" in content and not content.get("parts") and content["amount"]:
            content = content | {"amount": content["amount"] + 1}
        self._ask(name, content, request=request, caller="b" if how == "other caller" else caller)

    @rule(name=st.sampled_from(["transfer", "authorize"]))
    def old_request(self, *, name: str) -> None:
        content = (
            self._transfer(1, 2, 70)
            if name == "transfer"
            else {"account": 2, "credit": 4, "amount": 7, "currency": "", "reference": "", "partial": False}
        )
        self._ask(name, content, request=self.desk.ids.unordered())

    @rule(days=st.sampled_from([1, 3, 8]))
    def later(self, *, days: int) -> None:
        self.clock.advance(days * DAY)
        self._compare_books()

    @rule(short=st.integers(0, 2))
    def to_an_expiry(self, *, short: int) -> None:
        """Go to the very instant at which a hold ends, or to one or two microseconds before."""
        ends = [
            one["expires"] - short
            for one in self.reference.authorizations.values()
            if one["state"] == "open" and one["expires"] - short - 1_000 > self.clock.now()
        ]
        if ends:
            self.clock.time = min(ends) - 1_000
            self._compare_books()

    @rule()
    def restart(self) -> None:
        self.desk.stop()
        self.desk.log.close()
        self.desk = Desk(
            open_log(f"sqlite:///{self.path}"),
            self.clock,
            settings=BRISK,
            policy=self.policy,
            seed=len(self.asked) + 1_000,
        ).serving()
        self._compare_books()
