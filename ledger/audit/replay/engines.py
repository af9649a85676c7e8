"""What the engines of a partition said of themselves: the settings under which each of them decided."""

from bisect import bisect_right

from domain.engine import ENGINE_ID, EngineStarted
from domain.event import Policy
from domain.ports import LogReader
from ledger.log.codec import decode


class Reigns:
    """Knows under which policy what stands at a position was decided. For one thread at a time."""

    def __init__(self, log: LogReader, partition: int) -> None:
        self._log = log
        self._partition = partition
        self._read_upto = 0
        self._starts: list[int] = []
        self._policies: list[Policy | None] = []

    def policy_at(self, position: int) -> Policy | None:
        """Return the policy of the engine that decided a position, None where the log does not hold it."""
        if position > self._read_upto:
            self._read()
        index = bisect_right(self._starts, position)
        return self._policies[index - 1] if index else None

    def _read(self) -> None:
        head = self._log.head(self._partition)
        self._starts, self._policies = [], []
        for row in self._log.aggregate(self._partition, ENGINE_ID):
            event = decode(row.topic, row.state)
            if isinstance(event, EngineStarted) and row.position <= head:
                self._starts.append(row.position)
                self._policies.append(event.policy)
        self._read_upto = head
