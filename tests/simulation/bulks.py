"""Bulks in the simulation: what clients ask for, the commands of it, what the rules say it comes to, and what was said.

The rules stand here as in the reference ledger: written from the description alone, leg by leg, with nothing of the
product. What a record or an answer says of a bulk is one text with every refused leg in it, so that it can be held
against what the rules say as any other verdict is.
"""

import json
from base64 import b64decode
from collections.abc import Callable
from struct import pack, unpack
from typing import Any, Final
from uuid import UUID

from domain.books import Books
from domain.bulk import Bulk, PostBulk, ReverseBulkLeg
from domain.command import Command
from domain.ports import Row
from ledger.engine.tickets import Accepted, Outcome
from ledger.log.codec import encode
from tests.faults.rival import Ask
from tests.faults.traffic import AMOUNTS
from tests.ledger.engine.comparison import NEVER
from tests.ledger.engine.translation import Content
from tests.reference.ledger import No
from tests.simulation.cards import CardLedger, CardTraffic

_MINUTE: Final = 60_000_000
_DAY: Final = 1_440 * _MINUTE
_FAR_MORE: Final = 10**9
"""Than any customer has."""
_NOT: Final = ", not "
"""Stands before each refused leg in what is said of a bulk."""
_COLUMNS: Final = ("debit_accounts", "credit_accounts", "amounts")


class BulkLedger(CardLedger):
    """The reference ledger, with bulks."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.bulks: dict[Any, int] = {}
        """How many legs each bulk has, refused or not."""
        self.bulk_legs: dict[Any, dict[str, int]] = {}
        """Legs that moved money, by bulk and number."""

    def post_bulk(
        self, request: Any, caller: str, *, legs: Any, currency: str, kind: str, references: Any, when: Any
    ) -> str:
        if any(account not in self.accounts for leg in legs for account in leg[:2]):
            raise No("ACCOUNTS_UNKNOWN")
        self.effective(when)
        currency = currency or self.accounts[legs[0][0]]["currency"]
        self.bulks[request] = len(legs)
        told = [f"OK in {currency}"]
        for number, (debit, credit, amount) in enumerate(legs):
            refused = self._refused(currency, debit, credit, amount)
            if refused:
                told.append(f"{number}: {refused}")
                continue
            self.movements.append((debit, credit, amount))
            self.bulk_legs[request, number] = {"debit": debit, "credit": credit, "amount": amount, "reversed": 0}
        return _NOT.join(told)

    def _refused(self, currency: str, debit: int, credit: int, amount: int) -> str:
        """Return why a leg is refused, and which account stands in the way; nothing where it is not."""
        account = 0
        try:
            self.one_currency(currency, debit, credit)
            account = debit
            self.may(debit, "no_debits")
            account = credit
            self.may(credit, "no_credits")
            account = debit
            self.covers(debit, amount)
        except No as no:
            return f"{no.reason} {account}"
        return ""

    def reverse_leg(self, request: Any, caller: str, *, bulk: Any, leg: int, amount: int | None) -> str:
        if bulk not in self.bulks:
            raise No("BULK_NOT_FOUND")
        if (bulk, leg) not in self.bulk_legs:
            raise No("BULK_LEG_NOT_FOUND")
        one = self.bulk_legs[bulk, leg]
        left = one["amount"] - one["reversed"]
        if not left:
            raise No("ALREADY_REVERSED")
        part = left if amount is None else amount
        if part > left:
            raise No("OVER_REVERSAL")
        self.move_guarded([(one["credit"], one["debit"], part)])
        one["reversed"] += part
        return _back(leg, one["credit"], one["debit"], part)


def _back(leg: int, payer: int, paid: int, amount: int) -> str:
    return f"OK, of leg {leg} {amount} from {payer} to {paid}"


def outcome_in(topic: str, state: dict[str, Any]) -> str:
    """Return what a record says came of its request, in the reference ledger's terms."""
    if topic.startswith("bulk.posted."):
        refused = [f"{each['leg']}: {each['reason']} {each.get('account', 0)}" for each in state.get("refused", ())]
        return _NOT.join([f"OK in {state['currency']}", *refused])
    if topic.startswith("bulk.leg_reversed."):
        (moved,) = state["legs"]
        return _back(state["leg"], moved["debit_account"], moved["credit_account"], moved["amount"])
    return str(state["reason"]) if ".declined." in topic else "OK"


def as_asked(ask: Ask, row: Row, state: dict[str, Any]) -> bool:
    """Tell whether the record of a bulk, or of a reversal, holds what was asked for and nothing else."""
    if row.topic.startswith("bulk.leg_reversed."):
        return bool(row.originator_id == ask.content["bulk"])
    if not row.topic.startswith("bulk.posted."):
        return True
    columns = [unpack(f"<{state['count']}q", b64decode(state[name])) for name in _COLUMNS]
    found = {
        "legs": tuple(zip(*columns, strict=True)),
        "kind": state.get("kind", "transfer"),
        "references": tuple(state.get("references", ())),
        "when": state.get("effective_time"),
    }
    return row.originator_id == ask.request and found | {"currency": ask.content["currency"]} == ask.content


def verdicts(ask: Ask, said: str) -> list[str]:
    """Return as what an outcome is counted: a bulk also by the legs that were refused, and when all of them were."""
    verdict, *refused = said.split(_NOT)
    found = [f"{ask.name} {'OK' if verdict.startswith('OK') else verdict}"]
    found += [f"{ask.name} leg {each.split()[1]}" for each in refused]
    return [*found, "post_bulk that moves nothing"] if refused and len(refused) == len(ask.content["legs"]) else found


def outcome_of(outcome: Outcome, row: Callable[[int], Row]) -> str:
    """Return what an answer that refuses nothing says of a bulk; a repeat is read at its ``row``."""
    if isinstance(outcome, Accepted):
        event = outcome.change.event
        return outcome_in(event.TOPIC, json.loads(encode(event)))
    first = row(outcome.position)
    return outcome_in(first.topic, json.loads(first.state))


def moved_back(books: Books) -> dict[tuple[bytes, int], int]:
    """Return how much an engine has at hand as moved back, by bulk and leg."""
    found = [(key, books.aggregate(key)) for key in books._bulks if books.at_hand(key)]
    return {(key, leg): back for key, one in found if isinstance(one, Bulk) for leg, back in one.reversed.items()}


def _column(numbers: tuple[int, ...]) -> bytes:
    return pack(f"<{len(numbers)}q", *numbers)


def _post_bulk(content: Content) -> Command:
    debits, credits_, amounts = (_column(each) for each in zip(*content["legs"], strict=True))
    return PostBulk(
        debit_account_ids=debits,
        credit_account_ids=credits_,
        amounts_tyiyn=amounts,
        references=content["references"],
        currency_code=content["currency"],
        kind=content["kind"],
        effective_time=content["when"],
    )


COMMANDS: Final[dict[str, Callable[[Content], Command]]] = {
    "post_bulk": _post_bulk,
    "reverse_leg": lambda c: ReverseBulkLeg(bulk_id=UUID(bytes=c["bulk"]), leg=c["leg"], amount_tyiyn=c["amount"]),
}


class BulkTraffic(CardTraffic):
    """The traffic with cards, and bulks. ``legs`` are some that were acknowledged to have moved money."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.legs: list[tuple[bytes, int]] = []
        self._coming = self.ids.unordered()
        """The id of the bulk that will be asked for next."""
        self._newest = NEVER, 1
        """The bulk that was asked for last, of which nobody may have heard yet, and how many legs it has."""
        self._kinds[self._bulk] = 6
        self._kinds[self._reverse_leg] = 6

    def note(self, ask: Ask, verdict: str) -> None:
        super().note(ask, verdict)
        if ask.name == "post_bulk":
            refused = {int(each.partition(":")[0]) for each in verdict.split(_NOT)[1:]}
            moved = [number for number in range(len(ask.content["legs"])) if number not in refused]
            self.legs += [(ask.request, number) for number in self.random.sample(moved, min(2, len(moved)))]

    def again(self, ask: Ask, *, other_content: bool) -> Ask:
        other = other_content and ask.name == "post_bulk" and self.random.random() < 0.7
        again = super().again(ask, other_content=other_content and not other)
        return again._replace(content=ask.content | self._altered(ask.content)) if other else again

    def _altered(self, content: Content) -> Content:
        *before, (debit, credit, amount) = content["legs"]
        others: list[Content] = [
            {"legs": (*before, (debit, credit, amount + 1))},
            {"legs": (*before, (credit, debit, amount))},
            {"kind": "salary" if content["kind"] == "transfer" else "transfer"},
            {"references": () if content["references"] else ("r",) * (len(before) + 1)},
            {"when": 1 if content["when"] is None else None},
        ]
        return self.random.choice(others)

    def _ask(self, name: str, content: Content, now: float) -> Ask:
        ask = super()._ask(name, content, now)
        if name != "post_bulk":
            return ask
        self._newest = self._coming, len(content["legs"])
        self._coming = ask.request
        return ask._replace(request=self._newest[0])

    def _bulk(self, now: float) -> tuple[str, Content]:
        number = self._some(1, 1, 2, 3, 5, 8, 12)
        # Of some every leg is refused: nobody has so much, or the accounts are not kept in the currency.
        hopeless = self.random.random() < 0.2
        payer = self._some(0, 0, 2, 3, 4)
        legs = [self._far_too_much() if hopeless and number % 2 == 0 else self._leg(payer) for _ in range(number)]
        currency = self._some("USD", "EUR") if hopeless and number % 2 else self._some("", "", "KGS")
        references = tuple(self._some("", "r1", "салам") for _ in legs)
        micros = int(now * 1_000_000)
        late = micros - self._some(_MINUTE, 3 * _DAY, 30 * _DAY - _DAY // 2)
        wrong = self._some(micros - 31 * _DAY, micros + 60 * _MINUTE)
        return "post_bulk", {
            "legs": tuple(legs),
            "currency": currency,
            "kind": self._some("transfer", "transfer", "salary"),
            "references": references if any(references) and self.random.random() < 0.5 else (),
            "when": self._some(*[None] * 12, late, late, late, wrong),
        }

    def _far_too_much(self) -> tuple[int, int, int]:
        payer, paid = self.random.sample((2, 3, 4), 2)
        return payer, paid, _FAR_MORE

    def _leg(self, payer: int) -> tuple[int, int, int]:
        """Return a leg, which the one payer of a payroll pays where there is one."""
        payer = payer or self._some(1, 2, 3, 4, 5)
        paid = self._some(*(account for account in range(1, 6) if account != payer))
        return payer, self._some(6, 99) if self.random.random() < 0.01 else paid, self._some(*AMOUNTS)

    def _reverse_leg(self, now: float) -> tuple[str, Content]:
        # Of the latest, so that much happens to few; now and then any of a bulk that is not there yet, or may not be.
        if self.legs and self.random.random() < 0.8:
            bulk, leg = self._some(*self.legs[-5:])
        else:
            bulk, number = self._some(self._newest, (self._coming, 1))
            leg = self.random.randrange(number + 1)
        return "reverse_leg", {"bulk": bulk, "leg": leg, "amount": self._some(None, *AMOUNTS[:5])}
