"""One process of clients: tasks that send transfers, batches, holds, captures and releases until they are told to stop.

Each keeps a request until the ledger has said what became of it, under the same id, at whichever server answers; some
requests are sent twice at once, and some again after their outcome. Told to stop (the stop file is there), a task ends
with the request it is at, so that nothing is left unanswered.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

import grpc

from ledger.rpc.client import AsyncLedger
from protos.esep.v1.authorization_pb2 import AUTHORIZATION_KIND_PURCHASE, REVERSAL_INITIATOR_ACQUIRER
from protos.esep.v1.authorization_service_pb2 import (
    CaptureAuthorizationRequest,
    CreateAuthorizationRequest,
    ReverseAuthorizationRequest,
)
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest, CreateTransfersRequest
from scripts.demo_client import CHANNEL_OPTIONS, answer_of, new_id
from scripts.demo_load import may_try_again
from tests.chaos.journal import ATOMIC, CAPTURE, HOLD, RELEASE, TRANSFER, Acknowledged, Intent, Item, Odd, Writer

CALL_SECONDS: Final = 5.0
LARGEST: Final = 9_000
_PAUSES: Final = (0.03, 0.1, 0.2)
_REST: Final = 0.04
"""How long a task rests between two requests, on the average."""
_AGAIN: Final = 0.06
_TWICE: Final = 0.05


class Told(NamedTuple):
    """What a client process is told when it is started."""

    addresses: tuple[str, ...]
    accounts: tuple[int, ...]
    journal: Path
    stop: Path
    tasks: int
    seed: int


class Outcome(NamedTuple):
    """What became of one request."""

    position: int
    reason: str = ""


Outcomes = dict[str, Outcome]
Send = Callable[[AsyncLedger], Awaitable[Outcomes]]


def run(told: Told) -> None:
    """Send until it is told to stop. Runs in a process of its own."""
    asyncio.run(_run(told))


async def _run(told: Told) -> None:
    ledgers = [AsyncLedger(grpc.aio.insecure_channel(each, CHANNEL_OPTIONS), caller="") for each in told.addresses]
    with Writer(told.journal) as journal:
        clients = [Client(told, ledgers, journal, random.Random(told.seed + task)) for task in range(told.tasks)]
        await asyncio.gather(*(client.run() for client in clients))
    for ledger in ledgers:
        await ledger.channel.close()


class Client:
    """One task, and what it wants."""

    def __init__(self, told: Told, ledgers: Sequence[AsyncLedger], journal: Writer, chance: random.Random) -> None:
        self._told = told
        self._ledgers = ledgers
        self._journal = journal
        self._chance = chance
        self._asked = 0

    async def run(self) -> None:
        """Send one request after another."""
        kinds = {self._transfer: 8, self._batch: 5, self._atomic: 3, self._hold: 6}
        while not self._told.stop.exists():
            (kind,) = self._chance.choices(list(kinds), list(kinds.values()))
            await kind()
            await asyncio.sleep(self._chance.random() * 2 * _REST)

    async def _transfer(self) -> None:
        intent = self._movement()
        request = CreateTransferRequest(request_id=intent.id, transfer=_new(intent.id, intent.id, intent))
        await self._answered(
            [intent], lambda ledger: _one(intent.id, ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS))
        )

    async def _batch(self) -> None:
        intents = [self._movement() for _ in range(self._chance.randint(2, 12))]
        request = CreateTransfersRequest(transfers=[_new(each.id, each.id, each) for each in intents])
        await self._answered(intents, lambda ledger: _each(request, ledger))

    async def _atomic(self) -> None:
        batch = new_id()
        made = [self._movement() for _ in range(self._chance.randint(2, 6))]
        items = tuple(Item(each.id, each.debit, each.credit, each.amount) for each in made)
        request = CreateTransfersRequest(
            request_id=batch, atomic=True, transfers=[_new(each.id, each.id, each) for each in made]
        )
        intent = Intent(batch, ATOMIC, items=items)
        await self._answered(
            [intent], lambda ledger: _one(batch, ledger.transfers.CreateTransfers(request, timeout=CALL_SECONDS))
        )

    async def _hold(self) -> None:
        debit, credit = self._chance.sample(self._told.accounts, 2)
        hold = Intent(new_id(), HOLD, debit, credit, self._chance.randint(2, LARGEST))
        request = CreateAuthorizationRequest(
            request_id=hold.id,
            account_id=debit,
            credit_account_id=credit,
            amount_tyiyn=hold.amount,
            kind=AUTHORIZATION_KIND_PURCHASE,
            reference=hold.id,
        )
        outcomes = await self._answered(
            [hold],
            lambda ledger: _one(hold.id, ledger.authorizations.CreateAuthorization(request, timeout=CALL_SECONDS)),
        )
        if hold.id in outcomes and not outcomes[hold.id].reason:
            await (self._capture(hold) if self._chance.random() < 0.7 else self._release(hold))

    async def _capture(self, hold: Intent) -> None:
        amount = hold.amount if self._chance.random() < 0.5 else self._chance.randint(1, hold.amount)
        intent = Intent(new_id(), CAPTURE, hold.debit, hold.credit, amount, hold.id)
        request = CaptureAuthorizationRequest(
            request_id=intent.id,
            authorization_id=hold.id,
            amount_tyiyn=amount,
            final=True,
            clearing_reference=intent.id,
        )
        await self._answered(
            [intent],
            lambda ledger: _one(intent.id, ledger.authorizations.CaptureAuthorization(request, timeout=CALL_SECONDS)),
        )

    async def _release(self, hold: Intent) -> None:
        intent = Intent(new_id(), RELEASE, hold=hold.id)
        request = ReverseAuthorizationRequest(
            request_id=intent.id,
            authorization_id=hold.id,
            reversed_by=REVERSAL_INITIATOR_ACQUIRER,
            explanation=intent.id,
        )
        await self._answered(
            [intent],
            lambda ledger: _one(intent.id, ledger.authorizations.ReverseAuthorization(request, timeout=CALL_SECONDS)),
        )

    def _movement(self) -> Intent:
        debit, credit = self._chance.sample(self._told.accounts, 2)
        return Intent(new_id(), TRANSFER, debit, credit, self._chance.randint(1, LARGEST))

    async def _answered(self, intents: Sequence[Intent], send: Send) -> Outcomes:
        """Write down what is wanted, send until it is answered, and write that down; sometimes ask once more."""
        self._journal.write(*intents)
        wanted = {intent.id for intent in intents}
        twice = self._chance.random() < _TWICE
        sent = [self._until_answered(wanted, send) for _ in range(1 + twice)]
        outcomes: Outcomes = {}
        for found in await asyncio.gather(*sent):
            outcomes |= found
        if self._chance.random() < _AGAIN:
            await self._until_answered(wanted, send)
        return outcomes

    async def _until_answered(self, wanted: set[str], send: Send) -> Outcomes:
        missing, outcomes = set(wanted), Outcomes()
        while missing:
            ledger = self._ledgers[self._asked % len(self._ledgers)]
            try:
                found = await send(ledger)
            except grpc.RpcError as error:
                found = _refused(wanted, error)
                if not found:
                    if not may_try_again(error):
                        self._journal.write(Odd(min(wanted), _said(error)))
                        return outcomes
                    self._asked += 1
                    await asyncio.sleep(self._chance.choice(_PAUSES))
                    continue
            now = time.monotonic()
            self._journal.write(
                *(
                    Acknowledged(whose, each.position, each.reason, now)
                    for whose, each in found.items()
                    if whose in missing
                )
            )
            outcomes |= found
            missing -= found.keys()
        return outcomes


def _new(request_id: str, mark: str, wanted: Intent) -> NewTransfer:
    return NewTransfer(
        request_id=request_id,
        debit_account_id=wanted.debit,
        credit_account_id=wanted.credit,
        amount_tyiyn=wanted.amount,
        reference=mark,
    )


async def _one(request_id: str, call: Awaitable[Any]) -> Outcomes:
    return {request_id: Outcome((await call).receipt.position)}


async def _each(request: CreateTransfersRequest, ledger: AsyncLedger) -> Outcomes:
    """Return the outcomes of a batch's transfers, leaving out those that are not recorded."""
    answer = await ledger.transfers.CreateTransfers(request, timeout=CALL_SECONDS)
    refusals = {refusal.index: refusal for refusal in answer.refusals}
    found = {}
    for index, (transfer, position) in enumerate(zip(request.transfers, answer.positions, strict=True)):
        refusal = refusals.get(index)
        if refusal is None or refusal.recorded:
            found[transfer.request_id] = Outcome(position, "" if refusal is None else refusal.reason)
    return found


def _refused(wanted: set[str], error: grpc.RpcError) -> Outcomes:
    """Return the outcome that a recorded refusal is, nothing for any other error."""
    answer = answer_of(error)
    if not answer.position or len(wanted) != 1:
        return {}
    return {next(iter(wanted)): Outcome(answer.position, answer.reason)}


def _said(error: grpc.RpcError) -> str:
    call = cast("grpc.aio.AioRpcError", error)
    return f"{call.code().name} {answer_of(error).reason}: {call.details()}"
