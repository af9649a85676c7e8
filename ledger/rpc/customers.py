"""Between customers' requests and two stores: the vault, which is asked and written first, and the log.

The vault's work waits for a database or, with Argon2, computes for a tenth of a second on purpose: it has threads of
its own, so that neither the event loop nor other questions wait for it.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from secrets import randbelow
from typing import Any, Final, NamedTuple, TypeVar
from uuid import UUID

import structlog

from domain import ids
from domain.command import Command
from domain.credentials import CODE_DIGITS, Verdict
from domain.customer import (
    ConfirmRegistration,
    Customer,
    CustomerRegistered,
    EraseCustomer,
    RegisterCustomer,
    Sealed,
    SetPin,
    Taken,
)
from domain.ports import Clock, Issuer
from domain.refusals import Reason, Refused, refuse
from domain.times import SECOND
from ledger.rpc.gateway import Gateway
from ledger.rpc.outcomes import Done
from ledger.rpc.settings import RpcSettings
from ledger.rpc.translate.customer import Registration, Try, customer_message
from ledger.rpc.turns import Turns
from ledger.vault.codes import CodeSender
from ledger.vault.errors import VaultFull, VaultUnavailable
from ledger.vault.sweep import sweep
from ledger.vault.vault import ERASED, Personal, Secrets, Vault
from ledger.vault.verifiers import PASSWORD, PIN, Rule, Tried
from protos.esep.v1 import customer_pb2

T = TypeVar("T")

SWEEP_SECONDS: Final = 60.0
_log = structlog.get_logger("esep.vault")
_NOTHING: Final = Sealed(b"", b"")
_UNTRIED: Final = Tried(Verdict.ABSENT)


class VaultPort(NamedTuple):
    """What the edge is given to keep secrets with, and to ask about them."""

    vault: Vault
    codes: CodeSender
    issuer: Issuer


class Customers:
    """Carries out what customers ask for."""

    def __init__(self, gateway: Gateway, port: VaultPort, clock: Clock, settings: RpcSettings) -> None:
        self._gateway = gateway
        self._vault = port.vault
        self._codes = port.codes
        self._clock = clock
        self._code_ttl = settings.confirmation_ttl_seconds * SECOND
        self._code_rule = Rule(settings.confirmation_tries)
        self._pin_rule = Rule(settings.pin_tries)
        self._password_rule = Rule(settings.password_tries, settings.password_lock_seconds * SECOND)
        self.turns = Turns(settings.max_concurrent_calls)
        self._threads = ThreadPoolExecutor(2, "esep-vault")

    # Commands.

    async def register(self, registration: Registration, request_id: bytes) -> Done:
        """Reserve login and phone number, send a code, and register; raises Refused."""
        return await self.turns.take(request_id, partial(self._register, registration, request_id))

    async def _register(self, registration: Registration, request_id: bytes) -> Done:
        content = self._vault.content(registration.participant_id, registration.personal)
        if not await self.in_vault(self._vault.same_content, request_id, content):
            raise Refused(refuse(Reason.REQUEST_ID_REUSED))
        confirm_by = self._clock.now() + self._code_ttl
        reserved: Sealed | Taken = _NOTHING  # For a repeated request, which is answered without being decided.
        if not await self.recorded(request_id):
            reserved = await self.in_vault(self._reserve, registration, request_id, content, confirm_by)
        sealed = _NOTHING if isinstance(reserved, Taken) else reserved
        command = RegisterCustomer(
            participant_id=registration.participant_id,
            login=sealed.login,
            phone=sealed.phone,
            name=sealed.name,
            confirm_by=confirm_by,
            taken=reserved if isinstance(reserved, Taken) else None,
        )
        return await self._gateway.execute(command, request_id, validate_only=False)

    def _reserve(
        self, registration: Registration, customer_id: bytes, content: bytes, confirm_by: int
    ) -> Sealed | Taken:
        code = f"{randbelow(10**CODE_DIGITS):0{CODE_DIGITS}}"
        verifiers = self._vault.verifiers
        secrets = Secrets(verifiers.slow(registration.password), verifiers.quick(customer_id, code), confirm_by)
        reserved = self._vault.reserve(
            customer_id, CustomerRegistered.TOPIC, content, registration.personal, secrets, self._clock.now()
        )
        if isinstance(reserved, Sealed):
            try:
                self._codes.send(ids.format_uuid(customer_id), registration.personal.phone, code)
            except OSError:
                raise Refused(refuse(Reason.CODE_NOT_SENT)) from None
        return reserved

    async def confirm(self, code: Try, request_id: bytes) -> Done:
        """Try the code and confirm the registration; raises Refused."""
        return await self.turns.take(request_id, partial(self._confirm, code, request_id))

    async def _confirm(self, code: Try, request_id: bytes) -> Done:
        tried = _UNTRIED
        if not await self.recorded(request_id):
            tried = await self.in_vault(self._try_code, code)
        command = ConfirmRegistration(
            customer_id=UUID(bytes=code.customer_id), verdict=tried.verdict, tries_left=tried.tries_left
        )
        return await self._gateway.execute(command, request_id, validate_only=False)

    def _try_code(self, code: Try) -> Tried:
        vault = self._vault
        tried = vault.verifiers.try_code(code.customer_id, code.secret, self._code_rule, self._clock.now())
        if tried.verdict is Verdict.RIGHT and not vault.hold_names(code.customer_id):
            return Tried(Verdict.LAPSED)
        return tried

    async def set_pin(self, password: Try, request_id: bytes) -> Done:
        """Try the password, keep the PIN's verifier, and record that it was set; raises Refused."""
        return await self.turns.take(request_id, partial(self._put_pin, password, request_id))

    async def _put_pin(self, password: Try, request_id: bytes) -> Done:
        tried = _UNTRIED
        if not await self.recorded(request_id):
            customer = await self.current(password.customer_id)
            if isinstance(customer, Customer) and customer.confirmed and not customer.erased:
                tried = await self.in_vault(self._set_pin, password)
        command = SetPin(
            customer_id=UUID(bytes=password.customer_id), verdict=tried.verdict, tries_left=tried.tries_left
        )
        return await self._gateway.execute(command, request_id, validate_only=False)

    def _set_pin(self, password: Try) -> Tried:
        verifiers = self._vault.verifiers
        tried = verifiers.try_slow(
            password.customer_id, PASSWORD, password.secret, self._password_rule, self._clock.now()
        )
        if tried.verdict is Verdict.RIGHT and not verifiers.put(
            password.customer_id, PIN, verifiers.slow(password.pin)
        ):
            return _UNTRIED
        return tried

    async def verify_pin(self, pin: Try) -> Tried:
        """Try the application's PIN; raises Refused for a customer who does not exist."""
        if not isinstance(await self.current(pin.customer_id), Customer):
            raise unknown(pin.customer_id)
        now = self._clock.now()
        return await self.in_vault(
            self._vault.verifiers.try_slow, pin.customer_id, PIN, pin.secret, self._pin_rule, now
        )

    async def erase(self, command: EraseCustomer, request_id: bytes, *, validate_only: bool) -> Done:
        """Record the erasure, then destroy the key: also when it is only found to be recorded; raises Refused."""
        work = partial(self._erase, command, request_id, validate_only=validate_only)
        return await self.turns.take(request_id, work)

    async def _erase(self, command: EraseCustomer, request_id: bytes, *, validate_only: bool) -> Done:
        customer_id = command.customer_id.bytes
        if not validate_only:
            await self.in_vault(self._vault.begin_erasing, customer_id, self._clock.now())
        done = await self._gateway.execute(command, request_id, validate_only=validate_only)
        if not validate_only:
            await self.in_vault_afterwards(self._vault.destroy, customer_id, self._clock.now())
        return done

    async def execute(self, command: Command, request_id: bytes, *, validate_only: bool) -> Done:
        """Carry out a command that needs nothing of the vault; raises Refused."""
        return await self._gateway.execute(command, request_id, validate_only=validate_only)

    # Questions.

    async def find(self, kind: Taken, value: str) -> bytes | None:
        """Return the id of the customer who holds a login or phone number."""
        return await self.in_vault(self._vault.find, kind, value)

    async def message(self, customer: Customer) -> customer_pb2.Customer:
        """Return a customer as it is told, with the personal data that can still be read."""
        if customer.erased:
            name = ERASED if customer.sealed.name else ""
            return customer_message(customer, Personal(ERASED, ERASED, name))
        personal = await self.in_vault(
            self._vault.read, customer.customer_id, CustomerRegistered.TOPIC, customer.sealed
        )
        return customer_message(customer, personal)

    async def phone(self, customer_id: bytes) -> str:
        """Return a customer's telephone number, ``[erased]`` once it cannot be read."""
        customer = await self.current(customer_id)
        if not isinstance(customer, Customer):
            raise unknown(customer_id)
        if customer.erased:
            return ERASED
        topic = CustomerRegistered.TOPIC
        return (await self.in_vault(self._vault.read, customer_id, topic, customer.sealed)).phone

    async def current(self, aggregate_id: bytes) -> object:
        """Return whatever stands in the log under an id, as it is now."""
        return await self._gateway.in_thread(self._gateway.outcomes.aggregate, aggregate_id)

    async def begun(self, aggregate_id: bytes) -> object:
        """Return whatever stands in the log under an id, as it was when it began."""
        outcomes = self._gateway.outcomes
        return await self._gateway.in_thread(partial(outcomes.aggregate, aggregate_id, upto_version=1))

    async def recorded(self, request_id: bytes) -> bool:
        """Tell whether the log holds an outcome of this request: then no secret is tried again."""
        log, partition = self._gateway.engine.log, self._gateway.engine.partition
        return bool(await self._gateway.in_thread(log.find, partition, [request_id]))

    async def in_vault(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function of the vault on a thread of its own."""
        return await self._in_vault(Reason.STORAGE_FULL, function, *arguments)

    async def in_vault_afterwards(self, function: Callable[..., T], *arguments: Any) -> T:
        """Run a function of the vault for what the log holds already: nobody is told that nothing was recorded."""
        return await self._in_vault(Reason.LEDGER_UNAVAILABLE, function, *arguments)

    async def _in_vault(self, when_full: Reason, function: Callable[..., T], *arguments: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, function, *arguments)
        except VaultFull:
            _log.error("vault.storage_full")
            raise Refused(refuse(when_full)) from None
        except VaultUnavailable as error:
            _log.warning("vault.unavailable", error=str(error))
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE)) from None

    # Upkeep.

    async def keep(self) -> None:
        """Sweep the vault now and then, until cancelled."""
        engine = self._gateway.engine
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if engine.serving:
                try:
                    await self._gateway.in_thread(sweep, self._vault, engine.log, engine.partition, self._clock.now())
                except (Refused, VaultUnavailable):
                    continue  # The databases do not answer: the next time is soon enough.

    def close(self) -> None:
        """Give up the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def unknown(customer_id: bytes) -> Refused:
    """Return the refusal to speak of a customer who does not exist."""
    return Refused(refuse(Reason.CUSTOMER_NOT_FOUND, customer_id=ids.format_uuid(customer_id)))
