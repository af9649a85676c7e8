"""The log as a persistence module of the ``eventsourcing`` library.

``PERSISTENCE_MODULE=ledger.log.library`` and ``ESEP_DATABASE_URL`` make any application written for that library
keep its events in a log (of its own: a partition that an engine owns is only read). Its positions as a reader of
other applications are kept in the same database. The library's snapshots and process applications are not
supported: they would need events and positions of two kinds in one append.
"""

from pathlib import Path

from eventsourcing.persistence import (
    AggregateRecorder,
    ApplicationRecorder,
    InfrastructureFactory,
    NotSupportedError,
    ProcessRecorder,
)
from eventsourcing.utils import Environment, EnvType

from ledger.log.api import Log
from ledger.log.factory import open_log, open_tables
from ledger.log.recorders import EsepAggregateRecorder, EsepApplicationRecorder
from ledger.log.tracking import EsepTrackingRecorder


class EsepFactory(InfrastructureFactory[EsepTrackingRecorder]):
    """Makes recorders over the log at ``ESEP_DATABASE_URL``, or over a log that is handed in and stays open."""

    DATABASE_URL = "ESEP_DATABASE_URL"
    PARTITION = "ESEP_PARTITION"
    ARCHIVE = "ESEP_ARCHIVE"

    def __init__(self, env: Environment | EnvType | None, *, log: Log | None = None, partition: int = 0) -> None:
        super().__init__(env)
        self._partition = int(self.env.get(self.PARTITION, str(partition)))
        self._is_own_log = log is None
        self._log = log or open_log(self._database_url(), self._archive())

    def aggregate_recorder(self, purpose: str = "events") -> AggregateRecorder:
        if purpose != "events":
            raise NotSupportedError(f"a log keeps no {purpose} of single aggregates: switch them off")
        return EsepAggregateRecorder(self._log, partition=self._partition)

    def application_recorder(self) -> ApplicationRecorder:
        return EsepApplicationRecorder(self._log, partition=self._partition)

    def tracking_recorder(
        self, tracking_recorder_class: type[EsepTrackingRecorder] | None = None
    ) -> EsepTrackingRecorder:
        return (tracking_recorder_class or EsepTrackingRecorder)(open_tables(self._database_url()))

    def process_recorder(self) -> ProcessRecorder:
        raise NotSupportedError("a log cannot append events and a reader's position in one transaction")

    def close(self) -> None:
        if self._is_own_log:
            self._log.close()

    def _archive(self) -> Path | None:
        directory = self.env.get(self.ARCHIVE)
        return Path(directory) if directory else None

    def _database_url(self) -> str:
        url = self.env.get(self.DATABASE_URL)
        if not url:
            raise OSError(f"set {self.DATABASE_URL} to the url of the log")
        return url
