"""Between requests to bind a card, the vault that knows its number, the issuer that knows its CVV, and the log.

Number and CVV are in memory for the call alone. What leaves here for the decision is which card has the number, whether
the details are right, and random amounts of which the decision takes one.
"""

from functools import partial
from secrets import SystemRandom
from typing import Final, NamedTuple
from uuid import UUID, uuid4

from domain.bind import Details, RequestCardBinding
from domain.binding import LEAST_AMOUNT, MOST_AMOUNT, Binding, CardBindingRequested
from domain.card import REMEMBERED_HOLDS
from domain.customer import Customer, Tier
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from ledger.rpc.gateway import Gateway
from ledger.rpc.outcomes import Done
from ledger.rpc.personal import PersonalData
from ledger.rpc.settings import RpcSettings
from ledger.rpc.translate.card_binding import Wanted, binding_message
from ledger.rpc.vault_port import VaultPort
from ledger.rpc.vault_work import VaultWork
from ledger.vault.cipher import Place
from protos.esep.v1 import card_binding_pb2

_AMOUNTS: Final = range(LEAST_AMOUNT, MOST_AMOUNT + 1)
_NAME: Final = (CardBindingRequested.TOPIC, "name")


class _Found(NamedTuple):
    """What vault and issuer say of what was typed."""

    card_id: bytes | None
    details: Details
    name: bytes
    name_mark: str


class Bindings:
    """Carries out what is asked about bindings."""

    def __init__(
        self,
        gateway: Gateway,
        work: VaultWork,
        port: VaultPort,
        personal: PersonalData,
        clock: Clock,
        settings: RpcSettings,
    ) -> None:
        self._gateway = gateway
        self._work = work
        self._vault = port.vault
        self._personal = personal
        self._issuer = port.issuer
        self._clock = clock
        self._tries = settings.card_details_tries
        self._random = SystemRandom()

    async def request(self, wanted: Wanted, request_id: bytes) -> Done:
        """Look at what was typed, and begin to bind the card; raises Refused."""
        return await self._work.in_turn(request_id, partial(self._request, wanted, request_id))

    async def _request(self, wanted: Wanted, request_id: bytes) -> Done:
        compare = wanted.well_formed and not await self._gateway.recorded(request_id)
        if compare:
            compare = _may_bind(await self._gateway.current(wanted.customer_id.bytes))
        found = await self._work.run(self._look_up, wanted, request_id, compare)
        command = RequestCardBinding(
            customer_id=wanted.customer_id,
            card_id=None if found.card_id is None else UUID(bytes=found.card_id),
            masked_number=wanted.typed.masked,
            number_fault=wanted.typed.fault,
            expires=wanted.expires,
            cvv_malformed=wanted.cvv_malformed,
            details=found.details,
            name=found.name,
            name_mark=found.name_mark,
            hold_id=uuid4(),
            candidates=tuple(self._random.sample(_AMOUNTS, REMEMBERED_HOLDS + 1)),
        )
        return await self._gateway.execute(command, request_id, validate_only=False)

    def _look_up(self, wanted: Wanted, binding_id: bytes, compare: bool) -> _Found:  # noqa: FBT001 - run on a thread
        card_id = None if wanted.typed.fault is not None else self._vault.find_card(wanted.number)
        details = self._compare(wanted, card_id) if compare else Details.WRONG
        name, mark = b"", ""
        if wanted.name:
            name, mark = self._vault.seal_marked(wanted.customer_id.bytes, Place(binding_id, *_NAME), wanted.name)
        return _Found(card_id, details, name, mark)

    def _compare(self, wanted: Wanted, card_id: bytes | None) -> Details:
        """Have the issuer compare the CVV, for a number that no card has too: it takes as long."""
        if wanted.expires is None:
            return Details.WRONG
        counted = [wanted.customer_id.bytes] if card_id is None else [wanted.customer_id.bytes, card_id]
        misses, now = self._vault.misses, self._clock.now()
        used_up = misses.admit(counted, self._tries, now)
        if used_up is not None:
            return Details.LOCKED if used_up == wanted.customer_id.bytes else Details.WRONG
        try:
            right = self._issuer.matches(wanted.number, wanted.expires, wanted.cvv)
        except OSError:
            misses.right(counted)
            raise Refused(refuse(Reason.ISSUER_UNAVAILABLE)) from None
        except BaseException:
            misses.wrong(counted, now)
            raise
        if not right or card_id is None:
            misses.wrong(counted, now)
            return Details.WRONG
        misses.right(counted)
        return Details.RIGHT

    async def message(self, binding: Binding, now: int) -> card_binding_pb2.CardBinding:
        """Return a binding as it is told at a moment, with the card's name where it can still be read."""
        name = await self._personal.text(binding.customer, Place(binding.binding_id, *_NAME), binding.name)
        return binding_message(binding, name, now)


def _may_bind(customer: object) -> bool:
    """Tell whether it is worth comparing anything for a customer; the decision says why not."""
    return isinstance(customer, Customer) and not customer.erased and customer.tier is not Tier.UNIDENTIFIED
