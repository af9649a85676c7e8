"""One session at a time: what changes a schema, or must be the only one to write, waits here for its turn."""

from sqlalchemy import Connection, func, select


def alone(connection: Connection, lock: int) -> None:
    """Wait until no other session holds a lock, whose number is its own; released by the end of the transaction.

    To be called first in a transaction. On SQLite there is one lock for each file, and no other writer. Raises
    ValueError for any other database.
    """
    match connection.dialect.name:
        case "sqlite":
            dbapi = connection.connection.driver_connection
            if dbapi is not None and dbapi.in_transaction:  # begun as a reader's; nothing has been done in it yet
                connection.exec_driver_sql("ROLLBACK")
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        case "postgresql":
            connection.execute(select(func.pg_advisory_xact_lock(lock)))
        case other:
            raise ValueError(f"nothing is written for {other}")
