"""Pools of connections that leave none of them open."""

from sqlalchemy.pool import ConnectionPoolEntry, QueuePool


class ClosingPool(QueuePool):
    """Closes what was in use when it was disposed of as soon as that is given back, instead of keeping it."""

    _disposed = False

    def dispose(self) -> None:
        """Close every connection: those that nobody uses now, the others as they are given back."""
        self._disposed = True
        super().dispose()

    def _do_return_conn(self, record: ConnectionPoolEntry) -> None:
        super()._do_return_conn(record)
        if self._disposed:
            super().dispose()
