"""Cards in the simulation: what clients ask for, the commands of it, and what the rules say it comes to.

The rules stand here as in the reference ledger: written from the description alone, with nothing of the product.
"""

from collections.abc import Callable
from typing import Any, Final
from uuid import UUID

from domain.card import Loss
from domain.card_commands import (
    BlockCard,
    CloseCard,
    IssueCard,
    ReplaceCard,
    ReportCardLost,
    SetCardNotifications,
    UnblockCard,
)
from domain.command import Command
from tests.faults.rival import Ask
from tests.faults.traffic import Traffic
from tests.ledger.engine.translation import Content
from tests.reference.ledger import Ledger, No

PARTICIPANT: Final = "bank"
_ON_A_CARD: Final = (
    *("block_card", "block_card", "unblock_card", "unblock_card", "notify_card"),
    *("lose_card", "replace_card", "close_card"),
)


class CardLedger(Ledger):
    """The reference ledger, with cards."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.cards: dict[Any, dict[str, Any]] = {}

    def issue_card(self, request: Any, caller: str, *, account: int, number: str) -> None:
        self.exists(account)
        if self.accounts[account]["kind"] != "customer":
            raise No("ACCOUNT_NOT_FOR_CARDS")
        if self.accounts[account]["closed"]:
            raise No("ACCOUNT_CLOSED")
        self.cards[request] = {"account": account, "state": "active", "replaced": False}

    def _card(self, card: Any, *states: str) -> dict[str, Any]:
        if card not in self.cards:
            raise No("CARD_NOT_FOUND")
        one = self.cards[card]
        if one["state"] not in states:
            raise No("CARD_NOT_BLOCKED" if one["state"] == "active" else f"CARD_{one['state'].upper()}")
        return one

    def block_card(self, request: Any, caller: str, *, card: Any) -> None:
        self._card(card, "active")["state"] = "blocked"

    def unblock_card(self, request: Any, caller: str, *, card: Any) -> None:
        self._card(card, "blocked")["state"] = "active"

    def lose_card(self, request: Any, caller: str, *, card: Any) -> None:
        self._card(card, "active", "blocked")["state"] = "lost"

    def close_card(self, request: Any, caller: str, *, card: Any) -> None:
        self._card(card, "active", "blocked", "lost")["state"] = "closed"

    def notify_card(self, request: Any, caller: str, *, card: Any, sms: bool) -> None:
        self._card(card, "active", "blocked", "lost")

    def replace_card(self, request: Any, caller: str, *, card: Any, by: Any) -> None:
        if card in self.cards and self.cards[card]["state"] in ("active", "blocked"):
            raise No("CARD_NOT_LOST")
        one = self._card(card, "lost")
        if one["replaced"]:
            raise No("CARD_ALREADY_REPLACED")
        if by not in self.cards:
            raise No("CARD_NOT_FOUND")
        if self.cards[by]["account"] != one["account"] or self.cards[by]["state"] != "active":
            raise No("CARD_REPLACEMENT_UNFIT")
        one["replaced"] = True


COMMANDS: Final[dict[str, Callable[[Content], Command]]] = {
    "issue_card": lambda c: IssueCard(
        participant_id=PARTICIPANT,
        account_id=c["account"],
        masked_number=f"941700******{c['number']}",
        expires=209912,
        par=f"{c['number']:0>29}",
    ),
    "block_card": lambda c: BlockCard(card_id=UUID(bytes=c["card"])),
    "unblock_card": lambda c: UnblockCard(card_id=UUID(bytes=c["card"])),
    "lose_card": lambda c: ReportCardLost(card_id=UUID(bytes=c["card"]), how=Loss.LOST),
    "close_card": lambda c: CloseCard(card_id=UUID(bytes=c["card"])),
    "notify_card": lambda c: SetCardNotifications(card_id=UUID(bytes=c["card"]), sms=c["sms"]),
    "replace_card": lambda c: ReplaceCard(card_id=UUID(bytes=c["card"]), replacement_card_id=UUID(bytes=c["by"])),
}


class CardTraffic(Traffic):
    """The traffic of two racing engines, with cards. ``cards`` are those that were acknowledged as issued."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.cards: list[bytes] = []
        self._kinds[self._issue] = 3
        self._kinds[self._on_a_card] = 8

    def note(self, ask: Ask, verdict: str) -> None:
        """Hear that a request was done: what it made may be named by others."""
        made = {"transfer": self.transfers, "authorize": self.holds, "advise": self.holds, "issue_card": self.cards}
        made.get(ask.name, []).append(ask.request)

    def _issue(self, now: float) -> tuple[str, Content]:
        return "issue_card", {
            "account": self._some(2, 2, 2, 3, 3, 4, 99),
            "number": f"{self.random.randrange(10_000):04}",
        }

    def _on_a_card(self, now: float) -> tuple[str, Content]:
        name = self._some(*_ON_A_CARD)
        more: Content = {"notify_card": {"sms": self._some(False, True)}}
        more["replace_card"] = {"by": self._target(self.cards)}
        # Of the latest cards, so that much happens to few.
        return name, {"card": self._target(self.cards[-3:]), **more.get(name, {})}
