"""Between customers' requests and two stores: the vault, which is asked and written first, and the log."""

import asyncio
from functools import partial
from secrets import randbelow
from typing import Final
from uuid import UUID

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
    without_retentions,
)
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from domain.times import SECOND
from ledger.rpc import calls
from ledger.rpc.callers import Role
from ledger.rpc.gateway import Gateway
from ledger.rpc.outcomes import Done
from ledger.rpc.personal import PersonalData
from ledger.rpc.settings import RpcSettings
from ledger.rpc.translate.customer import Registration, Try, customer_message
from ledger.rpc.vault_port import VaultPort
from ledger.rpc.vault_work import VaultWork
from ledger.vault.erasures import catch_up
from ledger.vault.errors import VaultUnavailable
from ledger.vault.sweep import sweep
from ledger.vault.vault import Personal, Secrets
from ledger.vault.verifiers import PASSWORD, PIN, Rule, Tried
from protos.esep.v1 import customer_pb2

SWEEP_SECONDS: Final = 60.0
TOLD_RETENTIONS: Final = frozenset({Role.BANK, Role.AUDITOR, Role.OPERATOR, Role.DEVELOPER})
"""Roles that are told what forbids that a customer is erased; whoever is looked into learns nothing of it."""
_NOTHING: Final = Sealed(b"", b"")
_UNTRIED: Final = Tried(Verdict.ABSENT)


class Customers:
    """Carries out what customers ask for."""

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
        self._code_ttl = settings.confirmation_ttl_seconds * SECOND
        self._code_rule = Rule(settings.confirmation_tries)
        self._pin_rule = Rule(settings.pin_tries)
        self._password_rule = Rule(settings.password_tries, settings.password_lock_seconds * SECOND)

    # Commands.

    async def register(self, registration: Registration, request_id: bytes) -> Done:
        """Reserve login and phone number, send a code, and register; raises Refused."""
        return await self._work.in_turn(request_id, partial(self._register, registration, request_id))

    async def _register(self, registration: Registration, request_id: bytes) -> Done:
        content = self._vault.content(registration.participant_id, registration.personal)
        if not await self._work.run(self._vault.same_content, request_id, content):
            raise Refused(refuse(Reason.REQUEST_ID_REUSED))
        confirm_by = self._clock.now() + self._code_ttl
        reserved: Sealed | Taken = _NOTHING  # For a repeated request, which is answered without being decided.
        if not await self._gateway.recorded(request_id):
            reserved = await self._work.run(self._reserve, registration, request_id, content, confirm_by)
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
        return await self._work.in_turn(request_id, partial(self._confirm, code, request_id))

    async def _confirm(self, code: Try, request_id: bytes) -> Done:
        tried = _UNTRIED
        if not await self._gateway.recorded(request_id):
            tried = await self._work.run(self._try_code, code)
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
        return await self._work.in_turn(request_id, partial(self._put_pin, password, request_id))

    async def _put_pin(self, password: Try, request_id: bytes) -> Done:
        tried = _UNTRIED
        if not await self._gateway.recorded(request_id):
            customer = await self._gateway.current(password.customer_id)
            if isinstance(customer, Customer) and customer.confirmed and not customer.erased:
                tried = await self._work.run(self._set_pin, password)
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
        customer = await self._gateway.current(pin.customer_id)
        if not isinstance(customer, Customer):
            raise unknown(pin.customer_id)
        if customer.erased:
            return _UNTRIED
        now = self._clock.now()
        return await self._work.run(
            self._vault.verifiers.try_slow, pin.customer_id, PIN, pin.secret, self._pin_rule, now
        )

    async def erase(self, command: EraseCustomer, request_id: bytes, *, validate_only: bool) -> Done:
        """Record the erasure, then destroy the key: also when it is only found to be recorded; raises Refused."""
        work = partial(self._erase, command, request_id, validate_only=validate_only)
        return await self._work.in_turn(request_id, work)

    async def _erase(self, command: EraseCustomer, request_id: bytes, *, validate_only: bool) -> Done:
        customer_id = command.customer_id.bytes
        if not validate_only:
            await self._work.run(self._vault.begin_erasing, customer_id, self._clock.now())
        done = await self._gateway.execute(command, request_id, validate_only=validate_only)
        if not validate_only:
            await self._work.run_afterwards(self._vault.destroy, customer_id, self._clock.now())
        return done

    async def execute(self, command: Command, request_id: bytes, *, validate_only: bool) -> Done:
        """Carry out a command that needs nothing of the vault; raises Refused."""
        return await self._gateway.execute(command, request_id, validate_only=validate_only)

    # Questions.

    async def find(self, kind: Taken, value: str) -> bytes | None:
        """Return the id of the customer who holds a login or phone number."""
        return await self._work.run(self._vault.find, kind, value)

    async def message(self, customer: Customer, now: int | None = None) -> customer_pb2.Customer:
        """Return a customer as the caller is told of them, as at a moment, by default the present one.

        Auditors are told what forbids erasing somebody, and not whom; an application is told whom, and not that.
        """
        role = calls.current().who.role
        personal = Personal("", "") if role is Role.AUDITOR else await self._personal.of(customer)
        told = customer if role in TOLD_RETENTIONS else without_retentions(customer)
        return customer_message(told, personal, self._clock.now() if now is None else now)

    async def phone(self, customer_id: bytes) -> str:
        """Return a customer's telephone number, ``[erased]`` once it cannot be read."""
        return (await self._registered(customer_id)).phone

    async def name(self, customer_id: bytes) -> str:
        """Return a customer's full name, ``[erased]`` once it cannot be read, empty where none was given."""
        return (await self._registered(customer_id)).name

    async def _registered(self, customer_id: bytes) -> Personal:
        customer = await self._gateway.current(customer_id)
        if not isinstance(customer, Customer):
            raise unknown(customer_id)
        return await self._personal.of(customer)

    # Upkeep.

    async def keep(self) -> None:
        """Sweep the vault now and then, until cancelled."""
        engine = self._gateway.engine
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if engine.serving:
                try:
                    await self._gateway.in_thread(self._sweep)
                except (Refused, VaultUnavailable):
                    continue  # The databases do not answer: the next time is soon enough.

    def _sweep(self) -> None:
        vault, engine, now = self._vault, self._gateway.engine, self._clock.now()
        sweep(vault, engine.log, engine.partition, now)
        catch_up(vault, engine.log, engine.partition, now)


def unknown(customer_id: bytes) -> Refused:
    """Return the refusal to speak of a customer who does not exist."""
    return Refused(refuse(Reason.CUSTOMER_NOT_FOUND, customer_id=ids.format_uuid(customer_id)))
