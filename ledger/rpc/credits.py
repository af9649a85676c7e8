"""Finding the accounts of whom the lines of a credit file name: thousands of them at a time.

The tables are asked for all account numbers at once; the log has the last word about those that are not there, since
an account may be younger than the tables. Which account a number or a card names never changes, so that what was
found a moment before the decision holds at it.
"""

from collections import defaultdict
from typing import Final

from domain import ids
from domain.account import NUMBER_CLAIM
from domain.card import Card, Status
from domain.claim import Claim
from domain.refusals import Reason, refuse
from ledger.rpc.gateway import Gateway
from ledger.rpc.reads import UNREACHABLE
from ledger.rpc.translate.credit import Found, Target
from projections.queries import Reader
from projections.store import ProjectionsNotReadyError

_NOT_NOW: Final = (ProjectionsNotReadyError, *UNREACHABLE)


class CreditTargets:
    """Finds accounts by whom lines name."""

    def __init__(self, gateway: Gateway, reader: Reader) -> None:
        self._gateway = gateway
        self._reader = reader

    async def find(self, targets: list[Target]) -> dict[str, Found]:
        """Return the accounts of those that name a number or a card, by their texts."""
        numbers = {each.text: each.account_number for each in targets if each.account_number is not None}
        cards = {each.text: each.card_id for each in targets if each.card_id is not None}
        found: dict[str, Found] = {}
        if numbers:
            found |= await self._gateway.in_thread(self._by_numbers, numbers)
        if cards:
            found |= await self._gateway.in_thread(self._by_cards, cards)
        return found

    def _by_numbers(self, numbers: dict[str, tuple[str, str]]) -> dict[str, Found]:
        by_bank: dict[str, list[str]] = defaultdict(list)
        for participant, number in numbers.values():
            by_bank[participant].append(number)
        known: dict[tuple[str, str], int] = {}
        for participant, wanted in by_bank.items():
            try:
                found = self._reader.accounts_by_number(participant, wanted).result
            except _NOT_NOW:
                continue  # The log answers alone, one number at a time.
            known |= {(participant, number): account for number, account in found.items()}
        return {text: self._by_number(key, known.get(key, 0)) for text, key in numbers.items()}

    def _by_number(self, key: tuple[str, str], known: int) -> Found:
        if known:
            return Found(known)
        number = "/".join(key)
        claimed = self._gateway.outcomes.aggregate(ids.claim_id(NUMBER_CLAIM, number))
        if not isinstance(claimed, Claim) or claimed.holder is None:
            return Found(0, refuse(Reason.ACCOUNT_NOT_FOUND, account_number=number))
        return Found(int.from_bytes(claimed.holder, "big"))

    def _by_cards(self, cards: dict[str, bytes]) -> dict[str, Found]:
        return {text: self._by_card(card_id) for text, card_id in cards.items()}

    def _by_card(self, card_id: bytes) -> Found:
        card = self._gateway.outcomes.aggregate(card_id)
        if not isinstance(card, Card):
            return Found(0, refuse(Reason.CARD_NOT_FOUND, card_id=ids.format_uuid(card_id)))
        if card.status is Status.CLOSED:
            return Found(card.account, refuse(Reason.CARD_CLOSED, card_id=ids.format_uuid(card_id)))
        return Found(card.account)
