"""What a server does while others do what they should not: whether it answers somebody else, how fast, its memory."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

import grpc

from protos.esep.v1.transfer_pb2 import NewTransfer
from protos.esep.v1.transfer_service_pb2 import CreateTransferRequest
from scripts.demo_client import answer_of, connect_plainly, new_id
from scripts.memory import resident_bytes
from tests.chaos.run import percentile

_EVERY_SECONDS: Final = 0.05
_CALL_SECONDS: Final = 30.0
_MEBIBYTE: Final = 1 << 20


class Answered(NamedTuple):
    """One call of the bystander."""

    sent: float
    seconds: float
    said: str
    """Empty when it was served."""


class Watch:
    """A bystander who moves money again and again, and looks at the server's memory. A context manager."""

    def __init__(self, address: str, pid: int, accounts: Sequence[int]) -> None:
        self._address = address
        self._pid = pid
        self._accounts = accounts
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=each, daemon=True) for each in (self._call, self._weigh)]
        self.answers: list[Answered] = []
        self.weights: list[tuple[float, float]] = []
        """When, and how many MiB."""

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def since(self, begun: float) -> list[Answered]:
        """Return the calls that were sent after an instant of the monotonic clock, and answered."""
        return [each for each in self.answers if each.sent >= begun]

    def figures(self, begun: float) -> dict[str, float]:
        """Return how the bystander fared since an instant."""
        answers = self.since(begun)
        times = [each.seconds for each in answers if not each.said]
        return {
            "served": len(times),
            "refused": len(answers) - len(times),
            "p50_ms": round(1000 * percentile(times, 50), 1),
            "p99_ms": round(1000 * percentile(times, 99), 1),
        }

    def peak_mib(self, begun: float) -> float:
        """Return the most memory that the server had since an instant."""
        return max((mib for at, mib in self.weights if at >= begun), default=self.mib())

    def mib(self) -> float:
        """Return the memory of the server and its processes now."""
        return sum(map(_resident, _family(self._pid))) / _MEBIBYTE

    def _call(self) -> None:
        debit, credit = self._accounts[:2]
        with connect_plainly(self._address) as ledger:
            while not self._stopping.wait(_EVERY_SECONDS):
                new = NewTransfer(debit_account_id=debit, credit_account_id=credit, amount_tyiyn=1)
                said, sent = "", time.monotonic()
                try:
                    request = CreateTransferRequest(request_id=new_id(), transfer=new)
                    ledger.transfers.CreateTransfer(request, timeout=_CALL_SECONDS)
                except grpc.RpcError as error:
                    said = answer_of(error).reason
                self.answers.append(Answered(sent, time.monotonic() - sent, said))
                debit, credit = credit, debit

    def _weigh(self) -> None:
        while not self._stopping.wait(2 * _EVERY_SECONDS):
            self.weights.append((time.monotonic(), self.mib()))


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


def _resident(pid: int) -> int:
    with suppress(OSError):
        return resident_bytes(pid)
    return 0
