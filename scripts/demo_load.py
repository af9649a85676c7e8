"""Transfers sent by several callers at once, some one by one and some in batches, with a journal of the answers.

A caller that gets no answer leaves its transfers unanswered and goes on; ``settle`` sends them again, under the same
ids, until the ledger has said what became of each.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Self, cast

import grpc

from ledger.rpc.client import Ledger
from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest, CreateTransfersRequest
from scripts.demo_client import answer_of, new_id
from scripts.demo_journal import Intent, Journal, Outcome

CALL_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.1
_MAX_BATCH: Final = 8_190


class Traffic:
    """Makes up transfers between accounts, the same ones from the same seed but for their ids."""

    def __init__(self, accounts: Sequence[int], seed: int, *, largest: int) -> None:
        self._accounts = accounts
        self._random = random.Random(seed)  # noqa: S311 - reproducible is the point
        self._largest = largest
        self._lock = threading.Lock()

    def next(self, count: int) -> list[Intent]:
        """Return the next transfers."""
        with self._lock:
            return [self._one() for _ in range(count)]

    def _one(self) -> Intent:
        debit, credit = self._random.sample(self._accounts, 2)
        return Intent(new_id(), debit, credit, self._random.randint(1, self._largest))


def send(ledger: Ledger, intents: Sequence[Intent]) -> dict[str, Outcome]:
    """Send one transfer by itself or several as a batch; return the final outcomes. Raises grpc.RpcError."""
    if len(intents) == 1:
        return _send_one(ledger, intents[0])
    request = CreateTransfersRequest(transfers=map(new_transfer, intents))
    answer = ledger.transfers.CreateTransfers(request, timeout=CALL_SECONDS)
    refusals = {refusal.index: refusal for refusal in answer.refusals}
    outcomes = {}
    for index, (intent, position) in enumerate(zip(intents, answer.positions, strict=True)):
        refusal = refusals.get(index)
        if refusal is None:
            outcomes[intent.request_id] = Outcome(position)
        elif refusal.recorded:
            outcomes[intent.request_id] = Outcome(position, refusal.reason)
    return outcomes


def _send_one(ledger: Ledger, intent: Intent) -> dict[str, Outcome]:
    request = CreateTransferRequest(request_id=intent.request_id, transfer=new_transfer(intent))
    try:
        answer = ledger.transfers.CreateTransfer(request, timeout=CALL_SECONDS)
    except grpc.RpcError as error:
        refused = answer_of(error)
        if refused.position:
            return {intent.request_id: Outcome(refused.position, refused.reason)}
        raise
    return {intent.request_id: Outcome(answer.receipt.position)}


def new_transfer(intent: Intent) -> NewTransfer:
    """Return an intent as the contract words it."""
    return NewTransfer(
        request_id=intent.request_id,
        debit_account_id=intent.debit_account_id,
        credit_account_id=intent.credit_account_id,
        amount_tyiyn=intent.amount_tyiyn,
    )


class Load:
    """Callers that send until they have sent enough, or are told to stop. A context manager."""

    def __init__(
        self,
        connect: Callable[[], Ledger],
        journal: Journal,
        traffic: Traffic,
        *,
        sizes: Sequence[int],
        total: int | None = None,
    ) -> None:
        """Make one caller for each of ``sizes``: how many transfers it sends in one call."""
        self._connect = connect
        self._journal = journal
        self._traffic = traffic
        self._left = total
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._callers = [threading.Thread(target=self._call, args=(size,), daemon=True) for size in sizes]
        self.failures: list[str] = []
        """Answers that no ledger should give: neither an outcome nor a word to try again."""
        self.unanswered_calls = 0

    def __enter__(self) -> Self:
        for caller in self._callers:
            caller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Tell the callers to finish what they are at, and wait for them."""
        self._stopped.set()
        self.wait()

    def wait(self) -> None:
        """Wait until everything has been sent once."""
        for caller in self._callers:
            caller.join()

    def wait_for(self, acknowledged: int, timeout: float = 120.0) -> None:
        """Wait until so many outcomes are acknowledged. Raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while len(self._journal.outcomes) < acknowledged:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(self._journal.outcomes)} outcomes of {acknowledged} after {timeout:.0f} s")
            time.sleep(0.002)

    def _call(self, size: int) -> None:
        with self._connect() as ledger:
            for count in self._shares(size):
                intents = self._traffic.next(count)
                self._journal.intend(intents)
                try:
                    self._journal.acknowledge(send(ledger, intents))
                except grpc.RpcError as error:
                    self._note(error)
                    self._stopped.wait(_PAUSE_SECONDS)

    def _shares(self, size: int) -> Iterator[int]:
        while not self._stopped.is_set():
            with self._lock:
                count = size if self._left is None else min(size, self._left)
                if self._left is not None:
                    self._left -= count
            if not count:
                return
            yield count

    def _note(self, error: grpc.RpcError) -> None:
        answer = answer_of(error)
        with self._lock:
            self.unanswered_calls += 1
            if not may_try_again(error):
                self.failures.append(f"{answer.reason}: {answer.message}")


_AGAIN: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    }
)


def may_try_again(error: grpc.RpcError) -> bool:
    """Tell whether an error leaves the outcome open, so that the same request is sent again."""
    return cast("grpc.Call", error).code() in _AGAIN


def settle(ledger: Ledger, journal: Journal, *, batch: int = 500, timeout: float = 120.0) -> int:
    """Send everything unanswered again until it is answered; return how many transfers that were."""
    deadline = time.monotonic() + timeout
    first = journal.unanswered
    while unanswered := journal.unanswered:
        try:
            for start in range(0, len(unanswered), min(batch, _MAX_BATCH)):
                journal.acknowledge(send(ledger, unanswered[start : start + batch]))
        except grpc.RpcError as error:
            if not may_try_again(error):
                raise
        if journal.unanswered and time.monotonic() > deadline:
            raise TimeoutError(f"{len(journal.unanswered)} transfers have no outcome after {timeout:.0f} s")
        time.sleep(_PAUSE_SECONDS if journal.unanswered else 0)
    return len(first)
