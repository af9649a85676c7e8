"""Short questions: the event loop asks files of its own machine itself, and hands over what would hold it up."""

import time
from collections.abc import Iterator
from pathlib import Path
from threading import current_thread
from typing import Any

import pytest

from ledger.rpc.loop_budget import SAVED_SECONDS, SHARE, LoopBudget
from projections.queries import Reader
from projections.sqlite import SQLiteStore
from projections.store import ProjectionsUnreachableError
from protos.esep.v1.common_pb2 import LogPosition
from protos.esep.v1.statement_service_pb2 import GetBalanceRequest, GetMiniStatementRequest
from tests.rpc.world import Bank, World

SLOW_SECONDS = 0.05


class Watched:
    """Notes on which threads balances are asked for, and how long that takes."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.threads: list[str] = []
        self.seconds = 0.0
        balance = Reader.balance

        def noted(reader: Reader, *arguments: Any, **more: Any) -> Any:
            self.threads.append(current_thread().name)
            time.sleep(self.seconds)
            return balance(reader, *arguments, **more)

        monkeypatch.setattr(Reader, "balance", noted)

    @property
    def by_threads(self) -> list[bool]:
        """Whether each was asked by a thread of questions."""
        return [name.startswith("esep-read") for name in self.threads]


@pytest.fixture
def clerk(tmp_path: Path) -> Iterator[Bank]:
    """Give a bank whose balance has been asked for, at a ledger in files."""
    with World(tmp_path) as world:
        bank = Bank(world)
        ask(bank, bank.move(bank.cash, bank.rich, 1).receipt.position)
        yield bank


def ask(bank: Bank, position: int = 0) -> Any:
    """Ask for a balance."""
    asked = LogPosition(position=position) if position else None
    return bank.call(bank.ledger.statements.GetBalance, GetBalanceRequest(account_id=bank.rich, min_position=asked))


def settle(bank: Bank) -> None:
    """Let the event loop ask itself, whatever it has found before."""
    bank.world.edge.parts.reads._budget = LoopBudget()


def test_the_event_loop_asks_files_itself(clerk: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """No thread is woken for a balance or a mini-statement."""

    async def nobody(*_: Any, **__: Any) -> None:
        raise AssertionError("a thread was asked")

    reads = clerk.world.edge.parts.reads
    monkeypatch.setattr("ledger.rpc.reads._MOST_SECONDS", 60.0)
    monkeypatch.setattr("ledger.rpc.loop_budget.LONG_SECONDS", 60.0)
    monkeypatch.setattr(reads, "ask_at", nobody)
    settle(clerk)
    assert ask(clerk).balance.posted_tyiyn == 1_000_001
    statement = clerk.call(
        clerk.ledger.statements.GetMiniStatement, GetMiniStatementRequest(account_id=clerk.rich, limit=1)
    )
    assert [line.amount_tyiyn for line in statement.lines] == [1]


def test_a_slow_disk_holds_the_event_loop_up_once(clerk: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a question that took longer than what was saved threads ask, then, after a hundred times that, the loop."""
    watched = Watched(monkeypatch)
    monkeypatch.setattr("ledger.rpc.reads._MOST_SECONDS", 60.0)
    settle(clerk)
    watched.seconds = SLOW_SECONDS
    ask(clerk)
    watched.seconds = 0.0
    ask(clerk)
    assert watched.by_threads == [False, True]
    settle(clerk)
    ask(clerk)
    assert watched.by_threads == [False, True, False]


def test_the_event_loop_waits_for_a_hundredth_of_the_time() -> None:
    """However long that goes on, beyond what it has saved; a wait now and then is within it."""
    slow, began = LoopBudget(), 100.0
    now, waited = began, 0.0
    for _ in range(100_000):
        now += 0.001
        if slow.allows(now):
            slow.spend(now, now + 0.01)
            waited, now = waited + 0.01, now + 0.01
    assert waited == pytest.approx(SHARE * (now - began) + SAVED_SECONDS, rel=0.05)
    busy = LoopBudget()
    for second in range(1_000):
        assert busy.allows(second)
        busy.spend(second, second + 0.009)


def test_the_event_loop_waits_for_no_lock(clerk: Bank, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it would have to, a thread is asked, which does wait."""
    prompt, patient = clerk.world._reader._store.prompt(), clerk.world._reader._store
    assert isinstance(prompt, SQLiteStore)
    waits = "PRAGMA busy_timeout"
    assert prompt.question(lambda session: session.one(waits)) == (0,)
    assert patient.question(lambda session: session.one(waits)) == (30_000,)

    def locked(*_: Any) -> None:
        raise ProjectionsUnreachableError("database is locked")

    watched = Watched(monkeypatch)
    settle(clerk)
    monkeypatch.setattr(prompt, "question", locked)
    assert ask(clerk).balance.posted_tyiyn == 1_000_001
    assert watched.by_threads == [False, True]


def test_a_question_that_the_event_loop_gives_up_is_asked_by_a_thread(
    clerk: Bank, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is answered all the same."""
    watched = Watched(monkeypatch)
    settle(clerk)
    monkeypatch.setattr("ledger.rpc.reads._MOST_SECONDS", 0.0)
    assert ask(clerk).balance.posted_tyiyn == 1_000_001
    assert watched.by_threads == [False, True]


def test_a_prompt_store_is_closed_with_its_store(tmp_path: Path) -> None:
    """Nobody else would close it."""
    store = SQLiteStore(tmp_path / "esep.db")
    prompt = store.prompt()
    assert store.prompt() is prompt
    store.close()
    assert prompt._closed
