"""The cases that the ``eventsourcing`` library publishes for recorders, run over PostgreSQL."""

import pytest
from eventsourcing.persistence import AggregateRecorder
from eventsourcing.tests.persistence import (
    AggregateRecorderTestCase,
    ApplicationRecorderTestCase,
    NonInterleavingNotificationIDsBaseCase,
    TrackingRecorderTestCase,
)

from ledger.log.recorders import EsepAggregateRecorder, EsepApplicationRecorder
from ledger.log.tracking import EsepTrackingRecorder
from tests.contract.stores import PostgresCase

pytestmark = pytest.mark.postgres


class TestAggregateRecorder(PostgresCase, AggregateRecorderTestCase):
    """An aggregate recorder over PostgreSQL is what the library expects of one."""

    def create_recorder(self) -> AggregateRecorder:
        return EsepAggregateRecorder(self.log())


class TestApplicationRecorder(PostgresCase, ApplicationRecorderTestCase[EsepApplicationRecorder]):
    """An application recorder over PostgreSQL is what the library expects of one."""

    def create_recorder(self) -> EsepApplicationRecorder:
        return EsepApplicationRecorder(self.log())

    def test_insert_subscribe(self) -> None:
        """A subscription yields what was recorded before it began and what is recorded after."""
        self.optional_test_insert_subscribe()


class TestTrackingRecorder(PostgresCase, TrackingRecorderTestCase):
    """A tracking recorder over PostgreSQL is what the library expects of one."""

    def create_recorder(self) -> EsepTrackingRecorder:
        return EsepTrackingRecorder(self.tables())


class TestNotificationIds(PostgresCase, NonInterleavingNotificationIDsBaseCase):
    """Two writers' batches do not interleave over PostgreSQL."""

    def create_recorder(self) -> EsepApplicationRecorder:
        return EsepApplicationRecorder(self.log())
