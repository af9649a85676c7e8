"""How far each reader of a log has come: one row a reader, in the database where the reader keeps its results.

The functions take a connection, so that a reader commits its position together with what it made of the events:
exactly once. A position only moves forward; an attempt to move it back or to repeat it is an error, because it
means that two readers are doing the same work. ``EsepTrackingRecorder`` gives the same to the ``eventsourcing``
library.
"""

from collections.abc import Callable, Mapping

from eventsourcing.persistence import IntegrityError, OperationalError, Tracking, TrackingRecorder
from sqlalchemy import BigInteger, Column, Connection, Engine, MetaData, Table, Text, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from ledger.log.migrations import lock_schema

_metadata = MetaData()

tracking = Table(
    "tracking",
    _metadata,
    Column("application_name", Text, primary_key=True),
    Column("notification_id", BigInteger, nullable=False, autoincrement=False),
)

_INSERT: Mapping[str, Callable[[Table], sqlite.Insert | postgresql.Insert]] = {
    "sqlite": sqlite.insert,
    "postgresql": postgresql.insert,
}


class TrackedAlready(IntegrityError):
    """This position, or a later one, has been recorded before."""


def create_tracking(engine: Engine) -> None:
    """Create the table where it is missing; safe when two processes do so at once."""
    with engine.begin() as connection:
        lock_schema(connection)
        _metadata.create_all(connection)


def track(connection: Connection, application_name: str, notification_id: int) -> None:
    """Record, in the connection's transaction, that a reader has come to this position.

    Raises TrackedAlready when it had come there before: the transaction must then be rolled back.
    """
    new = _INSERT[connection.dialect.name](tracking).values(
        application_name=application_name, notification_id=notification_id
    )
    moved = connection.execute(
        new.on_conflict_do_update(
            index_elements=["application_name"],
            set_={"notification_id": new.excluded.notification_id},
            where=tracking.c.notification_id < new.excluded.notification_id,
        ).returning(tracking.c.notification_id)
    )
    if moved.first() is None:
        raise TrackedAlready(f"{application_name} has already come to {notification_id}")


def tracked(connection: Connection, application_name: str) -> int | None:
    """Return the position to which a reader has come, None when it has not begun."""
    position: int | None = connection.execute(
        select(tracking.c.notification_id).where(tracking.c.application_name == application_name)
    ).scalar()
    return position


class EsepTrackingRecorder(TrackingRecorder):
    """Tracks readers in the database of a SQLAlchemy engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        create_tracking(engine)

    def insert_tracking(self, tracking: Tracking) -> None:
        try:
            with self._engine.begin() as connection:
                track(connection, tracking.application_name, tracking.notification_id)
        except DBAPIError as error:
            raise OperationalError(str(error)) from error

    def max_tracking_id(self, application_name: str) -> int | None:
        try:
            with self._engine.connect() as connection:
                return tracked(connection, application_name)
        except DBAPIError as error:
            raise OperationalError(str(error)) from error
