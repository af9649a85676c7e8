"""Questions that take too long: they end with their calls, and hold up nobody's answer but a question's."""

from collections.abc import Iterator
from pathlib import Path
from threading import current_thread
from time import monotonic
from typing import Any

import grpc
import pytest

from projections import queries
from projections.store import Store
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetMiniStatementRequest
from tests.endless import SOON_SECONDS, endless
from tests.rpc.world import PATIENCE, Bank, Refusal, World, transfer
from tests.waiting import eventually

THREADS = 2
LONG_CALLS = 6
WRITES = 10


class SlowBank(Bank):
    """A bank whose mini-statements take for ever."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self.begun: list[str] = []
        """The threads that have begun to ask, each as often as it has: two may begin at the same moment."""

    def slow_down(self, monkeypatch: pytest.MonkeyPatch, query: str) -> None:
        def mini_statement(store: Store, *_: Any, **__: Any) -> Any:
            name = current_thread().name
            if name.startswith("esep-read"):  # The event loop tries as well, for moments.
                self.begun.append(name)
            return store.snapshot(lambda session: session.one(query))

        monkeypatch.setattr(queries, "mini_statement", mini_statement)


@pytest.fixture
def slow_bank(store_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowBank]:
    """Give one at a ledger on each kind of store."""
    with World(tmp_path, database_url=store_url, read_threads=THREADS) as world:
        bank = SlowBank(world)
        written = LogPosition(position=bank.move(bank.cash, bank.rich, 1).receipt.position)
        first = GetMiniStatementRequest(account_id=bank.rich, min_position=written)
        bank.call(bank.ledger.statements.GetMiniStatement, first)
        bank.slow_down(monkeypatch, endless(store_url))
        yield bank


def test_long_questions_hold_up_no_write(slow_bank: SlowBank) -> None:
    """While more long questions wait than there are threads, writes and repeats of writes are answered.

    Held up behind questions they would be answered after the first of them has ended.
    """
    request = transfer(slow_bank.cash, slow_bank.poor, 5)
    slow_bank.call(slow_bank.ledger.transfers.CreateTransfer, request)
    asking = [
        slow_bank.ledger.statements.GetMiniStatement.future(
            GetMiniStatementRequest(account_id=slow_bank.rich),
            timeout=PATIENCE,
            metadata=slow_bank.ledger.metadata,
        )
        for _ in range(LONG_CALLS)
    ]
    eventually(lambda: len(slow_bank.begun) == THREADS)
    for _ in range(WRITES):
        assert slow_bank.call(slow_bank.ledger.transfers.CreateTransfer, request).receipt.replayed
        slow_bank.move(slow_bank.cash, slow_bank.poor, 1)
    assert not any(long.done() for long in asking)
    for long in asking:
        long.cancel()


def test_a_long_question_frees_its_thread(slow_bank: SlowBank, monkeypatch: pytest.MonkeyPatch) -> None:
    """When long questions have had their time, the next short one finds a thread at once."""
    ask = slow_bank.ledger.statements.GetMiniStatement
    for _ in range(THREADS + 1):
        refusal = slow_bank.refused(ask, GetMiniStatementRequest(account_id=slow_bank.rich), timeout=0.5)
        assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    monkeypatch.undo()
    began = monotonic()
    slow_bank.call(ask, GetMiniStatementRequest(account_id=slow_bank.rich))
    assert monotonic() - began < SOON_SECONDS


def test_the_ledger_says_that_time_ran_out(bank: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question ended by the ledger's own bound on a call's time is told with its reason."""
    endlessly = endless("sqlite:")
    monkeypatch.setattr(queries, "mini_statement", lambda store, *_, **__: store.snapshot(lambda it: it.one(endlessly)))
    monkeypatch.setattr(bank.world.edge._gate, "_max_deadline_seconds", 2.0)  # The accounts took what they took.
    ask = bank.ledger.statements.GetMiniStatement
    refusal: Refusal = bank.refused(ask, GetMiniStatementRequest(account_id=bank.rich))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED")
