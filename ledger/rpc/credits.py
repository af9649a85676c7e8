"""Finding the accounts of whom the lines of a credit file name: thousands of them at a time.

The tables are asked for all account numbers, and for all cards, at once; the log has the last word about those that are
not there, since an account or a card may be younger than the tables. Which account a number or a card names never
changes, so that what was found a moment before the decision holds at it. A card may have been closed since the tables'
position: what the log has behind it is looked through for that.
"""

from collections import defaultdict
from typing import Final

from domain import ids
from domain.account import NUMBER_CLAIM
from domain.card import Card, CardClosed, Status
from domain.claim import Claim
from domain.refusals import Reason, refuse
from ledger.rpc.gateway import Gateway
from ledger.rpc.translate.credit import Found, Target
from projections.queries import Reader
from projections.resources import CARD
from projections.store import ProjectionsNotReadyError, ProjectionsUnreachableError

_MOST_BEHIND: Final = 20_000
"""How many events behind the tables are looked through; with more of them the log is asked card by card."""
_NOT_NOW: Final = (ProjectionsNotReadyError, ProjectionsUnreachableError)


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
        known = self._registered(set(cards.values()))
        return {text: self._by_card(card_id, known.get(card_id)) for text, card_id in cards.items()}

    def _registered(self, ids_: set[bytes]) -> dict[bytes, tuple[int, Status]]:
        """Return the accounts and states of those cards of which the tables, and what came after them, tell both."""
        partition = self._gateway.engine.partition
        try:
            answer = self._reader.resources_by_ids(CARD, partition, ids_)
        except _NOT_NOW:
            return {}  # The log answers alone, one card at a time.
        known = {card_id: (card.account, card.status) for card_id, card in answer.result.items()}
        position = answer.positions.get(partition, 0)
        log = self._gateway.engine.log
        head = log.head(partition)
        later = log.read(partition, position, _MOST_BEHIND)
        if (later[-1].position if later else position) < head:
            return {card_id: found for card_id, found in known.items() if found[1] is Status.CLOSED}
        closed = {row.originator_id for row in later if row.topic == CardClosed.TOPIC} & known.keys()
        return known | {card_id: (known[card_id][0], Status.CLOSED) for card_id in closed}

    def _by_card(self, card_id: bytes, known: tuple[int, Status] | None) -> Found:
        if known is None:
            card = self._gateway.outcomes.aggregate(card_id)
            if not isinstance(card, Card):
                return Found(0, refuse(Reason.CARD_NOT_FOUND, card_id=ids.format_uuid(card_id)))
            known = card.account, card.status
        account, status = known
        if status is Status.CLOSED:
            return Found(account, refuse(Reason.CARD_CLOSED, card_id=ids.format_uuid(card_id)))
        return Found(account)
