"""Between requests about tokens and two stores: the vault, which has the numbers and tries the taps, and the log.

As with cards the vault is written first, and what came to nothing is given up at once or swept. Trying a tap takes a
tenth of a millisecond, but master keys may be somebody else's machine: it has threads of its own, away from those on
which passwords are hashed.
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final
from uuid import UUID

from domain import ids
from domain.customer import ERASED
from domain.device import Device
from domain.pan import masked
from domain.ports import Clock
from domain.refusals import Reason, Refused, refuse
from domain.times import SECOND
from domain.token import KeysIssued, State, Token
from domain.token_payment import AuthorizeTokenPayment
from domain.tokenise import ProvisionToken, RecordInactivity, ReplenishKeys, RequestToken
from ledger.rpc import calls
from ledger.rpc.callers import ITSELF
from ledger.rpc.customers import SWEEP_SECONDS
from ledger.rpc.gateway import Gateway
from ledger.rpc.numbers import came_to_nothing, execute_with_number
from ledger.rpc.outcomes import Done
from ledger.rpc.personal import PersonalData
from ledger.rpc.settings import RpcSettings
from ledger.rpc.tellers import expect
from ledger.rpc.translate.token import Keys, Payment, device_message, token_message
from ledger.rpc.vault_work import VaultWork
from ledger.vault.errors import VaultUnavailable
from ledger.vault.tokens import Provision
from ledger.vault.vault import Vault
from protos.esep.v1 import token_pb2

_TIMER_SECONDS: Final = 30.0


class Tokens:
    """Carries out what is asked about tokens' numbers, keys and taps."""

    def __init__(
        self,
        gateway: Gateway,
        work: VaultWork,
        vault: Vault,
        personal: PersonalData,
        clock: Clock,
        settings: RpcSettings,
    ) -> None:
        self._gateway = gateway
        self._work = work
        self._vault = vault.tokens
        self._personal = personal
        self._clock = clock
        self.prefix = settings.token_bin
        self._patience = settings.token_inactive_seconds * SECOND
        self._threads = ThreadPoolExecutor(2, "esep-taps")

    async def request(self, command: RequestToken, request_id: bytes, *, validate_only: bool) -> Done:
        """Draw a number and request the token; raises Refused."""
        work = partial(self._request, command, request_id, validate_only=validate_only)
        return await self._work.in_turn(request_id, work)

    async def _request(self, command: RequestToken, request_id: bytes, *, validate_only: bool) -> Done:
        if not validate_only and not await self._gateway.recorded(request_id):
            now = self._clock.now()
            number = await self._work.run(self._vault.reserve, request_id, self.prefix, now)
            command = command.model_copy(update={"masked_number": masked(number)})
        return await execute_with_number(
            self._gateway, self._work, self._vault, command, request_id, self._clock, validate_only=validate_only
        )

    async def give_keys(
        self, kind: type[ProvisionToken | ReplenishKeys], keys: Keys, request_id: bytes
    ) -> tuple[Done, Provision]:
        """Have a key numbered, record that it is given, and return what goes into the phone; raises Refused."""
        return await self._work.in_turn(request_id, partial(self._give_keys, kind, keys, request_id))

    async def _give_keys(
        self, kind: type[ProvisionToken | ReplenishKeys], keys: Keys, request_id: bytes
    ) -> tuple[Done, Provision]:
        token_id = keys.token_id.bytes
        due_at = self._clock.now() + self._patience
        numbered = await self._work.run(self._vault.add_key, token_id, request_id, due_at)
        if numbered is None:
            raise Refused(refuse(Reason.TOKEN_NOT_FOUND, token_id=keys.token_id))
        command = kind(
            token_id=keys.token_id,
            expected_version=keys.expected_version,
            sequence=numbered.sequence,
            master_key_id=numbered.master_key_id,
        )
        try:
            done = await self._gateway.execute(command, request_id, validate_only=False)
        except Refused as refused:
            # One that was overtaken keeps its number, so that a vault older than the log catches up with it.
            if came_to_nothing(refused) and refused.refusal.reason is not Reason.KEY_SUPERSEDED:
                await self._work.run(self._vault.drop_key, token_id, request_id)
            raise
        issued = expect(done.event, KeysIssued)
        if await self._personal.erased(expect(done.subject, Token).customer):
            return done, Provision(ERASED, b"")  # Asked again: the phone that had them is nobody's any more.
        return done, await self._work.run(self._vault.provision, token_id, issued.sequence)

    async def pay(self, payment: Payment, request_id: bytes, *, validate_only: bool) -> Done:
        """Try a tap, and decide on it; raises Refused."""
        command = await asyncio.get_running_loop().run_in_executor(self._threads, self._tried, payment)
        return await self._gateway.execute(command, request_id, validate_only=validate_only)

    def _tried(self, payment: Payment) -> AuthorizeTokenPayment:
        """Return the command with whose token it is and whether the cryptogram is right."""
        try:
            found = self._vault.find(payment.number, payment.tap.key_sequence)
            if found is None:
                raise Refused(refuse(Reason.TOKEN_NOT_FOUND))
            verdict = self._vault.try_tap(payment.number, found, payment.tap, payment.cryptogram)
        except VaultUnavailable:
            raise Refused(refuse(Reason.LEDGER_UNAVAILABLE)) from None
        return payment.command.model_copy(update={"token_id": UUID(bytes=found.token_id), "verdict": verdict})

    # Telling.

    async def message(self, token: Token, now: int) -> token_pb2.Token:
        """Return a token as it is told at ``now``: of whoever was erased, without what tells their phone."""
        told = token_message(token, now)
        if await self._personal.erased(token.customer):
            told.device_id = ERASED
        return told

    async def device(self, device: Device) -> token_pb2.Device:
        """Return a phone as it was recorded last, erased with whoever had it."""
        told = device_message(device)
        if await self._personal.erased(device.customer):
            told.device_id = told.model = told.android_version = ERASED
        return told

    # Upkeep.

    async def keep(self) -> None:
        """Record now and then which tokens have ended because they were not switched on, until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if self._gateway.engine.serving:
                try:
                    await self.record_inactive()
                except Refused:
                    continue  # The databases do not answer: the next time is soon enough.

    async def record_inactive(self) -> int:
        """Record the end of every token whose time to be switched on is over; return how many have ended."""
        calls.enter(calls.Call(ITSELF, asyncio.get_running_loop().time() + _TIMER_SECONDS))
        now, ended = self._clock.now(), 0
        for token_id in await self._work.run(self._vault.due, now):
            token = await self._gateway.current(token_id)
            later: int | None = None
            if isinstance(token, Token) and token.stage is State.INACTIVE:
                if token.lapsed(now):
                    command = RecordInactivity(token_id=UUID(bytes=token_id))
                    request_id = ids.derived_id(token_id, f"inactive:{token.activate_by}")
                    await self._gateway.execute(command, request_id, validate_only=False)
                    ended += 1
                else:
                    later = token.activate_by
            await self._work.run(self._vault.look_again, token_id, later)
        return ended

    def close(self) -> None:
        """Give up the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
