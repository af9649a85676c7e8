"""Reading personal data, for everybody who tells of people: the only way to it.

The log has the last word. Whoever it calls erased is told as ``[erased]``, whether or not the key has been destroyed
already: between the two there is a moment, a vault that does not answer makes it longer, and a restored one brings
keys back. Nothing that was read is remembered.
"""

from collections.abc import Mapping

from domain.customer import ERASED, Customer, CustomerRegistered
from ledger.rpc.gateway import Gateway
from ledger.rpc.vault_work import VaultWork
from ledger.vault.cipher import Place
from ledger.vault.vault import Personal, Vault


class PersonalData:
    """Reads what the customers' keys open, of those who were not erased."""

    def __init__(self, gateway: Gateway, work: VaultWork, vault: Vault) -> None:
        self._gateway = gateway
        self._work = work
        self._vault = vault

    async def of(self, customer: Customer) -> Personal:
        """Return what a customer registered with; raises Refused."""
        if customer.erased or await self.erased(customer.customer_id):
            return Personal(ERASED, ERASED, ERASED if customer.sealed.name else "")
        topic = CustomerRegistered.TOPIC
        return await self._work.run(self._vault.read, customer.customer_id, topic, customer.sealed)

    async def text(self, customer_id: bytes, place: Place, sealed: bytes) -> str:
        """Return a text that stands encrypted under a customer's key in one place, nothing for none; raises Refused."""
        if not sealed:
            return ""
        if await self.erased(customer_id):
            return ERASED
        return await self._work.run(self._vault.unseal, customer_id, place, sealed)

    async def fields(self, customer_id: bytes, place: tuple[bytes, str], sealed: Mapping[str, bytes]) -> dict[str, str]:
        """Return such texts, each of its own field of an aggregate's event by its topic; raises Refused."""
        if sealed and await self.erased(customer_id):
            return dict.fromkeys(sealed, ERASED)
        return await self._work.run(self._vault.read_fields, customer_id, place, sealed)

    async def erased(self, customer_id: bytes) -> bool:
        """Tell whether the log says that a customer was erased."""
        found = await self._gateway.current(customer_id)
        return isinstance(found, Customer) and found.erased
