"""The cases that the ``eventsourcing`` library publishes for recorders, run over SQLite."""

from eventsourcing.persistence import AggregateRecorder
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    TrackingRecorderTestCase,
)

from ledger.log.recorders import EsepAggregateRecorder, EsepApplicationRecorder
from ledger.log.tracking import EsepTrackingRecorder
from tests.contract.stores import SQLiteCase


class TestAggregateRecorder(SQLiteCase, AggregateRecorderTestCase):
    """An aggregate recorder over SQLite is what the library expects of one."""

    def create_recorder(self) -> AggregateRecorder:
        return EsepAggregateRecorder(self.log())


class TestApplicationRecorder(SQLiteCase, ApplicationRecorderTestCase[EsepApplicationRecorder]):
    """An application recorder over SQLite is what the library expects of one."""

    def create_recorder(self) -> EsepApplicationRecorder:
        return EsepApplicationRecorder(self.log())

    def test_insert_subscribe(self) -> None:
        """A subscription yields what was recorded before it began and what is recorded after."""
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(SQLiteCase, TrackingRecorderTestCase):
    """A tracking recorder over SQLite is what the library expects of one."""

    def create_recorder(self) -> EsepTrackingRecorder:
        return EsepTrackingRecorder(self.tables())


class TestNotificationIds(SQLiteCase, NonInterleavingNotificationIDsBaseCase):
    """Two writers' batches do not interleave over SQLite."""

    def create_recorder(self) -> EsepApplicationRecorder:
        return EsepApplicationRecorder(self.log())
