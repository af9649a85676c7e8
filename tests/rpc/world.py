"""A whole ledger in this process: log, engine, projections and the gRPC edge on a free port of loopback."""

import asyncio
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from time import time_ns
from typing import Any, Self
from uuid import UUID, uuid4

import grpc
import psycopg
from argon2 import PasswordHasher
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from prometheus_client import CollectorRegistry
from sqlalchemy.exc import DBAPIError

from domain.event import Policy
from domain.refusals import Reason, refuse
from ledger.audit.access import AccessLog
from ledger.audit.self_audit import Audited
from ledger.audit.signing.checkpoints import Checkpoints
from ledger.audit.signing.keys import SigningKeys
from ledger.audit.signing.note import VerifierKey
from ledger.engine.absent import AbsentEngine
from ledger.engine.engine import Engine
from ledger.engine.settings import EngineSettings
from ledger.engine.tickets import CommandTicket, Declined, Ticket
from ledger.issuer import LocalIssuer
from ledger.log.api import Log
from ledger.log.codec import decode
from ledger.log.errors import LogError
from ledger.log.factory import open_log, open_tables
from ledger.rpc.client import Ledger
from ledger.rpc.gateway import LedgerEngine
from ledger.rpc.serve import Edge, build_server
from ledger.rpc.settings import RpcSettings
from ledger.rpc.vault_port import VaultPort
from ledger.services import load_catalogue
from ledger.vault.codes import FileCodes
from ledger.vault.keys import FileKeys
from ledger.vault.vault import Vault
from projections.queries import Reader
from projections.runner import run
from projections.store import ProjectionsNotReadyError, open_store
from protos.esep.v1 import account_pb2, account_service_pb2, transfer_pb2, transfer_service_pb2
from tests.waiting import eventually

PATIENCE = 20.0
QUICK_HASHES = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Argon2 as cheap as it can be: for tests only."""
QUICK_BEATS = EngineSettings(beat_interval=0.05)


UNTOLD = Declined(refuse(Reason.LEDGER_UNAVAILABLE), 0)
"""What a caller hears of whose request nothing is known."""


class MovableClock:
    """The machine's clock, moved ahead by hand."""

    def __init__(self) -> None:
        self.ahead = 0

    def now(self) -> int:
        return time_ns() // 1000 + self.ahead


class HeldEngine:
    """A real engine that can be told to refuse, to fail, or to sit on what it is given."""

    def __init__(self, engine: Engine) -> None:
        self.real = engine
        self.refusing: Exception | None = None
        self.changing: Callable[[Any], Any] | None = None
        """Makes another command of one, for what no method of the contract asks for by itself."""
        self.holding = False
        self.losing = False
        """Whether what was decided and recorded is not told, as if the server had died just then."""
        self.closed_for_business = False

    @property
    def partition(self) -> int:
        return self.real.partition

    @property
    def log(self) -> Log:
        return self.real.log

    @property
    def durable(self) -> int:
        return self.real.durable

    @property
    def serving(self) -> bool:
        return self.real.serving and not self.closed_for_business

    @property
    def queued(self) -> int:
        return self.real.queued

    def account_facts(self, account: int) -> tuple[str, str] | None:
        return self.real.account_facts(account)

    def kept_by(self, participant: str, accounts: Collection[int]) -> bool:
        return self.real.kept_by(participant, accounts)

    def submit(self, ticket: Ticket) -> None:
        if self.refusing is not None:
            raise self.refusing
        if self.changing is not None and isinstance(ticket, CommandTicket):
            ticket.command = self.changing(ticket.command)
        if self.holding:
            deliver = ticket.deliver
            ticket.deliver = None
            if deliver is None:
                raise TypeError("a ticket nobody waits for")
        elif self.losing and not getattr(ticket, "validate_only", False):
            tell = ticket.deliver

            def lose(ticket: Ticket) -> None:
                ticket.outcome = UNTOLD
                if tell is not None:
                    tell(ticket)

            ticket.deliver = lose
        self.real.submit(ticket)


class World:
    """Everything, started; a context manager."""

    def __init__(
        self,
        directory: Path,
        *,
        policy: Policy | None = None,
        database_url: str | None = None,
        vault_url: str | None = None,
        keep_notices: int = 0,
        witnesses: tuple[VerifierKey, ...] = (),
        engine: EngineSettings = QUICK_BEATS,
        owned: int = 0,
        partitions: int = 1,
        **settings: Any,
    ) -> None:
        """Take a directory, which several may share: of a ledger of several ``partitions``, it decides for one."""
        url = database_url or f"sqlite:///{directory / 'log.db'}"
        self.clock = MovableClock()
        self.archive = directory / "archive"
        self.log = open_log(url, self.archive)
        self.registry = CollectorRegistry()
        self.policy = policy or (Policy() if partitions == 1 else Policy(several=partitions))
        self.log.partitions(partitions)
        self.engine = HeldEngine(Engine(self.log, self.clock, partition=owned, policy=self.policy, settings=engine))
        self._partitions = range(partitions)
        self._keep_notices = keep_notices
        self._projecting = threading.Event()
        self._projecting.set()
        self._resting = threading.Event()
        self._stopping = threading.Event()
        self._store = open_store(url)
        self._projector = threading.Thread(target=self._project, daemon=True)
        self._reader = Reader(url)
        keys = FileKeys.load(directory / "master-keys.json", create=True)
        kept = vault_url or f"sqlite:///{directory / 'vault.db'}"
        vault = Vault(open_tables(kept), keys, QUICK_HASHES)
        self.vault = VaultPort(vault, FileCodes(directory / "confirmation-codes"), LocalIssuer(keys))
        signing = SigningKeys.load(directory / "checkpoint-keys.json", create=True)
        self.signers = Checkpoints.of_each(
            self.log,
            self._partitions,
            self.clock,
            audited=lambda partition: self.audited.get(partition, Audited()),
            ledger="esep.kg/test",
            keys=signing,
            witnesses=witnesses,
        )
        self.audited: dict[int, Audited] = {}
        """What the ledger's audit of itself has found."""
        self.checkpoints = self.signers[0]
        noted = f"sqlite:///{directory / 'access.db'}" if url.startswith("sqlite") else url
        self.access_log = AccessLog(open_tables(noted))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._settings = RpcSettings(**{"listen": "127.0.0.1:0", "development": True, **settings})
        self.edge: Edge
        self.address = ""
        self._clients: list[Ledger] = []

    def __enter__(self) -> Self:
        self._projector.start()
        self._thread.start()
        try:
            self.address = f"127.0.0.1:{self.run(self._start)}"
        except BaseException:
            self._close()
            raise
        self.engine.real.start()
        assert self.engine.real.wait_until_serving(PATIENCE)
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._projecting.set()
        for client in self._clients:
            client.channel.close()
        self.run(self._stop)
        self.engine.real.stop()
        self._close()

    def _close(self) -> None:
        self._stopping.set()
        self._projecting.set()
        self._projector.join()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._reader.close()
        self.vault.vault.close()
        self._store.close()
        self.log.close()

    def run(self, work: Callable[[], Any]) -> Any:
        """Run a coroutine function in the server's event loop."""
        return self.begin(work).result(PATIENCE)

    @property
    def projected(self) -> int:
        """How far the projections are in the first partition."""
        try:
            return self._reader.position(0)
        except ProjectionsNotReadyError:
            return 0

    def catch_up(self) -> None:
        """Wait until the projections have all that the log holds."""
        eventually(lambda: self.projected == self.log.head(0), PATIENCE)

    def hold_projections(self) -> None:
        """Let nothing be projected from now on: when this returns, the projector rests."""
        self._resting.clear()
        self._projecting.clear()
        assert self._resting.wait(PATIENCE), "the projector does not come to rest"

    def resume_projections(self) -> None:
        """Project again what there is."""
        self._projecting.set()

    def begin(self, work: Callable[[], Any]) -> "Future[Any]":
        """Begin a coroutine function in the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work(), self._loop)

    def client(self, caller: str = "bank-a") -> Ledger:
        """Return a client that never retries by itself, closed at the end."""
        client = Ledger(grpc.insecure_channel(self.address, [("grpc.enable_retries", 0)]), caller)
        self._clients.append(client)
        return client

    async def _start(self) -> int:
        engines: list[LedgerEngine] = [AbsentEngine(self.log, each) for each in self._partitions]
        engines[self.engine.partition] = self.engine
        engine, *others = engines
        self.edge = build_server(
            engine,
            self._reader,
            self.vault,
            self.signers,
            self.access_log,
            self._settings,
            policy=self.policy,
            clock=self.clock,
            catalogue=load_catalogue(None),
            registry=self.registry,
            others=others,
        )
        port = self.edge.bind()
        self.engine.real.pulse.address = self.edge.address
        await self.edge.start()
        return port

    async def _stop(self) -> None:
        await self.edge.stop(0)

    def _project(self) -> None:
        def wake(seconds: float) -> None:
            self._stopping.wait(min(seconds, 0.002))
            while not self._projecting.is_set():
                self._resting.set()
                self._projecting.wait()

        owned, keep = (self.engine.partition,), self._keep_notices
        while not self._stopping.is_set():
            # As the server starts the process again that ends when the database does.
            with suppress(psycopg.Error, DBAPIError, OSError, LogError):
                run(self.log, self._store, decode, self._stopping.is_set, wake, partitions=owned, keep_notices=keep)
            self._stopping.wait(0.05)


class Bank:
    """A bank at the ledger: what most tests begin with. Amounts are in tyiyn."""

    def __init__(self, world: World, caller: str = "bank-a") -> None:
        self._call_as(world, caller)
        self.cash = self.open(account_pb2.ACCOUNT_KIND_CASH)
        self.rich = self.open(account_pb2.ACCOUNT_KIND_CUSTOMER)
        self.poor = self.open(account_pb2.ACCOUNT_KIND_CUSTOMER)
        self.merchant = self.open(account_pb2.ACCOUNT_KIND_MERCHANT)
        self.move(self.cash, self.rich, 1_000_000)

    @classmethod
    def calling(cls, world: World, caller: str = "bank-a") -> Self:
        """Return a bank that opens nothing."""
        bank = cls.__new__(cls)
        bank._call_as(world, caller)
        return bank

    def _call_as(self, world: World, caller: str) -> None:
        self.world = world
        self.caller = caller
        self.ledger = world.client(caller)

    def open(self, kind: account_pb2.AccountKind.ValueType, **fields: Any) -> int:
        """Open an account; return its id."""
        request = account_service_pb2.OpenAccountRequest(
            request_id=new_id(), participant_id="bank-a", kind=kind, **fields
        )
        account_id: int = self.call(self.ledger.accounts.OpenAccount, request).account.account_id
        return account_id

    def move(self, debit: int, credit: int, amount: int) -> transfer_service_pb2.CreateTransferResponse:
        """Move money."""
        answer: transfer_service_pb2.CreateTransferResponse = self.call(
            self.ledger.transfers.CreateTransfer, transfer(debit, credit, amount)
        )
        return answer

    def call(self, method: Any, request: Message, timeout: float | None = PATIENCE, **options: Any) -> Any:
        """Call a method as this bank."""
        return method(request, metadata=self.ledger.metadata, timeout=timeout, **options)

    def refused(self, method: Any, request: Message, timeout: float | None = PATIENCE, **options: Any) -> "Refusal":
        """Call a method that is refused; return with what."""
        return refused(lambda: self.call(method, request, timeout, **options))


class Refusal:
    """A refusal as a client sees it."""

    def __init__(self, error: Any) -> None:
        self.code: grpc.StatusCode = error.code()
        self.text: str = error.details()
        status = rpc_status.from_call(error)
        self.details = [] if status is None else list(status.details)
        self.info = self.detail(error_details_pb2.ErrorInfo())
        self.reason: str = self.info.reason
        self.metadata: dict[str, str] = dict(self.info.metadata)
        violations = self.detail(error_details_pb2.BadRequest()).field_violations
        self.fields: dict[str, str] = {violation.field: violation.reason for violation in violations}

    def detail(self, message: Any) -> Any:
        """Return one of its details, empty when it has none of this type."""
        for detail in self.details:
            if detail.Is(message.DESCRIPTOR):
                detail.Unpack(message)
        return message

    def has(self, kind: type[Message]) -> bool:
        """Tell whether it carries a detail of this type."""
        return any(detail.Is(kind.DESCRIPTOR) for detail in self.details)


def refused(call: Callable[[], object]) -> Refusal:
    """Return with what a call is refused."""
    try:
        call()
    except grpc.RpcError as error:
        return Refusal(error)
    raise AssertionError("the call was not refused")


def new_id() -> str:
    """Return a fresh request id."""
    return str(uuid4())


def uuid7(milliseconds: int) -> str:
    """Return a fresh UUIDv7 made at a time."""
    return str(UUID(bytes=milliseconds.to_bytes(6, "big") + b"\x70" + uuid4().bytes[:1] + b"\x80" + uuid4().bytes[:7]))


def transfer(
    debit: int, credit: int, amount: int, *, request_id: str = "", validate_only: bool = False, **fields: Any
) -> transfer_service_pb2.CreateTransferRequest:
    """Return a request to move money."""
    return transfer_service_pb2.CreateTransferRequest(
        request_id=request_id or new_id(),
        validate_only=validate_only,
        transfer=transfer_pb2.NewTransfer(
            debit_account_id=debit, credit_account_id=credit, amount_tyiyn=amount, **fields
        ),
    )


def item(debit: int, credit: int, amount: int, *, request_id: str = "", **fields: Any) -> transfer_pb2.NewTransfer:
    """Return one transfer of a batch."""
    return transfer_pb2.NewTransfer(
        request_id=request_id or new_id(),
        debit_account_id=debit,
        credit_account_id=credit,
        amount_tyiyn=amount,
        **fields,
    )
