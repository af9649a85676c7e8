"""Between requests about phone numbers and two stores: the vault, which knows the numbers, and the log.

As with customers the vault is written first; what is interrupted is swept. A code that was sent is tried before the
decision, and forgotten once it has linked its number.
"""

from functools import partial
from secrets import randbelow
from typing import Final
from uuid import UUID

from domain import ids
from domain.alias import Alias, AliasLinked, LinkPhone
from domain.credentials import CODE_DIGITS, Verdict
from domain.customer import Customer, Taken, Tier
from domain.engine import CommandDeclined
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from domain.times import SECOND
from ledger.log import codec
from ledger.rpc.customers import unknown
from ledger.rpc.gateway import Gateway
from ledger.rpc.outcomes import Done
from ledger.rpc.personal import PersonalData
from ledger.rpc.settings import RpcSettings
from ledger.rpc.translate.alias import Link, alias_message
from ledger.rpc.vault_port import VaultPort
from ledger.rpc.vault_work import VaultWork
from ledger.vault.cipher import Place
from ledger.vault.verifiers import ALIAS_CODE, ALIAS_CODES_SENT, Rule, Tried
from protos.esep.v1 import alias_pb2

_UNTRIED: Final = Tried(Verdict.ABSENT)


class Aliases:
    """Carries out what is asked about phone numbers."""

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
        self._codes = port.codes
        self._clock = clock
        self._code_ttl = settings.alias_code_ttl_seconds * SECOND
        self._code_rule = Rule(settings.alias_code_tries)
        self._sent_rule = Rule(settings.alias_codes_sent, settings.alias_codes_lock_seconds * SECOND)

    async def send_code(self, customer_id: bytes, phone: str) -> None:
        """Send a code to a number, in the place of the last one; raises Refused."""
        customer = await self._gateway.current(customer_id)
        if not isinstance(customer, Customer):
            raise unknown(customer_id)
        if customer.erased:
            raise Refused(refuse(Reason.CUSTOMER_ERASED, customer_id=ids.format_uuid(customer_id)))
        if customer.tier is Tier.UNIDENTIFIED:
            raise Refused(refuse(Reason.CUSTOMER_NOT_IDENTIFIED, customer_id=ids.format_uuid(customer_id)))
        await self._work.run(self._send, customer_id, phone)

    def _send(self, customer_id: bytes, phone: str) -> None:
        verifiers, now = self._vault.verifiers, self._clock.now()
        if not verifiers.count(customer_id, ALIAS_CODES_SENT, self._sent_rule, now):
            raise Refused(refuse(Reason.TOO_MANY_CODES))
        code = f"{randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
        verifier = verifiers.quick(customer_id, phone + code)
        if not verifiers.put(customer_id, ALIAS_CODE, verifier, now + self._code_ttl):
            raise unknown(customer_id)
        try:
            self._codes.send(ids.format_uuid(customer_id), phone, code)
        except OSError:
            raise Refused(refuse(Reason.CODE_NOT_SENT)) from None

    async def link(self, link: Link, request_id: bytes) -> Done:
        """Try the code and let the number lead to the card; raises Refused."""
        return await self._work.in_turn(request_id, partial(self._link, link, request_id))

    async def _link(self, link: Link, request_id: bytes) -> Done:
        run = self._work.run
        recorded, now = await self._recorded(request_id), self._clock.now()
        if recorded is None:
            command = await run(self._prepare, link, now)
        else:  # Answered without being decided: the number has the alias that it had then, unless it was given up.
            alias_id = await run(self._vault.aliases.find, link.phone)
            if alias_id is None and await run(self._vault.aliases.knows, recorded):
                raise Refused(refuse(Reason.REQUEST_ID_REUSED))  # That one is another number's.
            command = _command(link, alias_id or recorded)
        done = await self._gateway.execute(command, request_id, validate_only=False)
        if not done.replayed:
            afterwards = self._work.run_afterwards
            await afterwards(self._vault.aliases.settle, command.alias_id.bytes, link.customer_id, now)
            await afterwards(self._vault.verifiers.drop, link.customer_id, ALIAS_CODE, ALIAS_CODES_SENT)
        return done

    def _prepare(self, link: Link, now: int) -> LinkPhone:
        vault = self._vault
        tried = _UNTRIED
        if link.code:
            tried = vault.verifiers.try_code(link.customer_id, link.phone + link.code, self._code_rule, now, ALIAS_CODE)
        alias_id = vault.aliases.reserve(link.phone, now)
        own = vault.confirmed(link.customer_id, Taken.PHONE, link.phone)
        sealed = vault.seal(link.customer_id, _place(alias_id), link.phone)
        return _command(link, alias_id, sealed, tried, own=own)

    async def _recorded(self, request_id: bytes) -> bytes | None:
        """Return the alias that a request was about, None for one of which the log knows nothing."""
        engine, in_thread = self._gateway.engine, self._gateway.in_thread
        position = (await in_thread(engine.log.find, engine.partition, [request_id])).get(request_id)
        if position is None:
            return None
        row = (await in_thread(self._gateway.outcomes.rows, position - 1, 1))[0]
        event = codec.decode(row.topic, row.state)
        if isinstance(event, CommandDeclined) and event.target is not None:
            return event.target.bytes
        return row.originator_id

    async def find(self, phone: str) -> bytes | None:
        """Return the alias id of a number, None where it has none."""
        return await self._work.run(self._vault.aliases.find, phone)

    async def of(self, customer_id: bytes) -> list[bytes]:
        """Return the aliases that may lead to a customer."""
        return await self._work.run(self._vault.aliases.of, customer_id)

    async def message(self, alias: Alias) -> alias_pb2.Alias:
        """Return an alias as it is told, with the number where it can still be read."""
        phone = await self._personal.text(alias.customer, _place(alias.alias_id), alias.phone)
        return alias_message(alias, phone)


def _place(alias_id: bytes) -> Place:
    return Place(alias_id, AliasLinked.TOPIC, "phone")


def _command(
    link: Link, alias_id: bytes, sealed: bytes = b"", tried: Tried = _UNTRIED, *, own: bool = False
) -> LinkPhone:
    return LinkPhone(
        alias_id=UUID(bytes=alias_id),
        customer_id=UUID(bytes=link.customer_id),
        card_id=UUID(bytes=link.card_id),
        phone=sealed,
        own=own,
        verdict=tried.verdict,
        tries_left=tried.tries_left,
    )
