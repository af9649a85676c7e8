"""Quotes and codes as people see them: who is paid, by the masked name that the vault can still read.

Card and phone numbers are looked up in the vault before the decision. That the vault knows none is told by the
decision, after it has looked at the payer: else anybody could try numbers.
"""

from uuid import UUID

from domain.card import Card
from domain.customer import ERASED
from domain.names import masked_name
from domain.participant import Participant, participant_key
from domain.quote import Quote
from domain.quoting import CreateQuote
from domain.recipient import ToCard, ToPhone
from domain.transfer_qr import TransferQr
from ledger.rpc import calls
from ledger.rpc.aliases import Aliases
from ledger.rpc.callers import Role
from ledger.rpc.customers import Customers
from ledger.rpc.gateway import Gateway
from ledger.rpc.translate.qr import transfer_qr_message
from ledger.rpc.translate.quote import Asked, Known, found, quote_message
from ledger.rpc.vault_work import VaultWork
from ledger.vault.vault import Vault
from protos.esep.v1 import qr_pb2, quote_pb2


class Quotes:
    """Finds recipients, and tells of them what may be told."""

    def __init__(
        self, gateway: Gateway, work: VaultWork, customers: Customers, aliases: Aliases, vault: Vault, qr_host: str
    ) -> None:
        self._gateway = gateway
        self._work = work
        self._customers = customers
        self._aliases = aliases
        self._vault = vault
        self._qr_host = qr_host

    async def command(self, asked: Asked) -> CreateQuote:
        """Return the command, with ids in the place of numbers."""
        if asked.card_number:
            card_id = await self._work.run(self._vault.find_card, asked.card_number)
            return found(asked, ToCard(card_id=None if card_id is None else UUID(bytes=card_id)))
        if asked.phone:
            alias_id = await self._aliases.find(asked.phone)
            return found(asked, ToPhone(alias_id=None if alias_id is None else UUID(bytes=alias_id)))
        return asked.command

    async def message(self, quote: Quote) -> quote_pb2.Quote:
        """Return a quote as it is told to its payer."""
        recipient = quote.recipient
        current = self._gateway.current
        card = None if recipient.card is None else await current(recipient.card.bytes)
        bank = await current(participant_key(quote.recipient_participant))
        name = "" if recipient.customer is None else await self.name(recipient.customer.bytes)
        known = Known(name, card if isinstance(card, Card) else None, bank if isinstance(bank, Participant) else None)
        return quote_message(quote, known)

    async def qr(self, issued: TransferQr) -> qr_pb2.TransferQr:
        """Return a code as it is told to whoever is paid by it."""
        return transfer_qr_message(issued, await self.name(issued.customer), self._qr_host)

    async def name(self, customer_id: bytes) -> str:
        """Return a customer's masked name, empty where none was given, and for auditors."""
        if calls.current().who.role is Role.AUDITOR:
            return ""
        full_name = await self._customers.name(customer_id)
        return full_name if full_name == ERASED else masked_name(full_name)
