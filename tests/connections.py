"""The connections to databases that a test opens, and which of them are open still.

Python's collector finds a connection that nobody closed in whichever test runs by then: here its own test does.
Import the fixture where it is used: ``from tests.connections import opened``.
"""

import sqlite3
from typing import Any

import psycopg
import pytest


class Connections:
    """Every connection made since, by either driver."""

    def __init__(self) -> None:
        self._made: list[psycopg.Connection[Any] | sqlite3.Connection] = []

    def recording(self, connect: Any) -> Any:
        """Return a driver's way to connect that is recorded."""

        def recorded(*parameters: Any, **named: Any) -> Any:
            connection = connect(*parameters, **named)
            self._made.append(connection)
            return connection

        return recorded

    def left(self) -> int:
        """Return how many are open still; at least one must have been made."""
        assert self._made
        return sum(map(_is_open, self._made))


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Connections:
    """Record the connections of a test."""
    connections = Connections()
    for driver in (psycopg, sqlite3, sqlite3.dbapi2):
        monkeypatch.setattr(driver, "connect", connections.recording(driver.connect))
    return connections


def _is_open(connection: psycopg.Connection[Any] | sqlite3.Connection) -> bool:
    if isinstance(connection, psycopg.Connection):
        return not connection.closed
    try:
        return connection.total_changes >= 0
    except sqlite3.ProgrammingError:
        return False
