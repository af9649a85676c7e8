"""Which events an auditor asks for: by topic, by aggregate, and by the account or card that an event names.

An event *names* an account where a field of it whose name is ``account``, or ends with it, holds the account's number,
in its movements too; and a card where any field of it holds the card's id. Both are told from the stored form, so that
no list of kinds of events has to be kept: what is added to the ledger later is found as well. Most events are passed
over without being decoded, because the number, or the id, does not stand in their bytes at all. Bulks alone are told by
their kind: the accounts of their legs stand in columns.
"""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from domain import ids
from domain.bulk import BulkPosted, asked_legs
from domain.ports import Row

_decode_bulk: Final = msgspec.json.Decoder(BulkPosted).decode


class Selection(msgspec.Struct, frozen=True):
    """What is wanted; what is left empty keeps everything."""

    topics: frozenset[str] = frozenset()
    aggregate: bytes | None = None
    account: int | None = None
    card: bytes | None = None

    @property
    def everything(self) -> bool:
        """Whether no event is left out."""
        return not self.topics and self.aggregate is None and self.account is None and self.card is None

    def keeps(self, row: Row) -> bool:
        """Tell whether an event is wanted."""
        return (
            (not self.topics or row.topic in self.topics)
            and (self.aggregate is None or row.originator_id == self.aggregate)
            and (self.account is None or _of_account(row, self.account))
            and (self.card is None or _of_card(row, self.card))
        )


def _of_account(row: Row, account: int) -> bool:
    if row.originator_id == ids.account_originator(account):
        return True
    if row.topic == BulkPosted.TOPIC:
        return _in_columns(row.state, account)
    return str(account).encode() in row.state and account in _accounts(msgspec.json.decode(row.state))


def _in_columns(state: bytes, account: int) -> bool:
    debits, credits_, _ = asked_legs(_decode_bulk(state))
    return bool((debits == account).any() or (credits_ == account).any())


def _of_card(row: Row, card: bytes) -> bool:
    return row.originator_id == card or f'"{ids.format_uuid(card)}"'.encode() in row.state


def _accounts(content: Any) -> Iterator[int]:
    """Return every account that a decoded event names, however deep."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name.endswith("account") and isinstance(value, int):
                yield value
            elif isinstance(value, dict | list):
                yield from _accounts(value)
    elif isinstance(content, list):
        for value in content:
            yield from _accounts(value)
