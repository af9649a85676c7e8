"""Bringing the vault into step with the log, and its data keys under the newest master key.

The vault is written first, so an interrupted request leaves something in it that the log does not know. After an hour
nothing is under way any more: what the log never heard of is deleted, an erasure that it records is finished, and a
registration that was not confirmed gives its names free. The numbers of a card that was never issued, and of a token
that was never requested, are free again too, and so is a phone number that leads to nobody.
After a restore the vault may hold keys that the log says were destroyed: ``ledger.vault.erasures`` destroys them again.
"""

from typing import Final

import msgspec

from domain.alias import AliasLinked
from domain.card import CardIssued
from domain.customer import CustomerConfirmed, CustomerErased, CustomerRegistered
from domain.ports import LogReader
from domain.times import SECOND
from domain.token import TokenRequested
from ledger.vault.numbers import Numbers
from ledger.vault.vault import Vault

GRACE: Final = 3_600 * SECOND
"""Microseconds after which nothing that was begun is still under way."""
_decode_linked = msgspec.json.Decoder(AliasLinked).decode


def sweep(vault: Vault, log: LogReader, partition: int, now: int, *, grace: int = GRACE) -> int:
    """Settle what is old enough; return how many things were looked at, and data keys wrapped anew."""
    customers = vault.unsettled(now - grace)
    for customer_id in customers:
        topics = {row.topic for row in log.aggregate(partition, customer_id)}
        if CustomerRegistered.TOPIC not in topics:
            vault.forget(customer_id, now - grace)
        elif CustomerErased.TOPIC in topics:
            vault.destroy(customer_id, now)
        else:
            vault.settle(customer_id, now, confirmed=CustomerConfirmed.TOPIC in topics)
    swept = len(customers)
    swept += _sweep_numbers(vault.cards, CardIssued.TOPIC, log, partition, now - grace, now)
    swept += _sweep_numbers(vault.tokens, TokenRequested.TOPIC, log, partition, now - grace, now)
    swept += _sweep_aliases(vault, log, partition, now - grace)
    return swept + vault.rewrap()


def _sweep_numbers(numbers: Numbers, topic: str, log: LogReader, partition: int, before: int, now: int) -> int:
    """Settle the numbers of whatever began in the log with this topic, and forget the others."""
    unsettled = numbers.unsettled(before)
    for owner_id in unsettled:
        if any(row.topic == topic for row in log.aggregate(partition, owner_id, upto_version=1)):
            numbers.settle(owner_id, now)
        else:
            numbers.forget(owner_id, before)
    return len(unsettled)


def _sweep_aliases(vault: Vault, log: LogReader, partition: int, before: int) -> int:
    """Bring the aliases into step: forget those that the log never heard of, or that lead to nobody any more."""
    due = vault.aliases.due(before)
    for alias_id in due:
        linked = [row for row in log.aggregate(partition, alias_id) if row.topic == AliasLinked.TOPIC]
        customer_id = _decode_linked(linked[-1].state).customer.bytes if linked else None
        erased = customer_id is None or any(
            row.topic == CustomerErased.TOPIC for row in log.aggregate(partition, customer_id)
        )
        if customer_id is None or erased:
            vault.aliases.forget(alias_id, before)
        else:
            vault.aliases.settle(alias_id, customer_id)
    return len(due)
