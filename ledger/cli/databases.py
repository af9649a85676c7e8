"""The databases that the settings name, for commands that work without a server or beside it.

The command line is, like ``server.py``, a place where log and projections meet; nowhere else in ``ledger`` do they.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from ledger.cli.options import settings
from ledger.cli.problems import USAGE, Problem, ProblemError
from ledger.log.api import ArchivingLog
from ledger.log.codec import UnknownTopicError
from ledger.log.factory import open_log
from projections.store import ProjectionsNotReadyError, Store, open_store


class Databases(NamedTuple):
    """The log, and the tables made from it."""

    log: ArchivingLog
    store: Store


@contextmanager
def databases() -> Iterator[Databases]:
    """Open the databases of the settings, which must be there. Raises ProblemError, LogError or OSError."""
    known = settings()
    require_file(known.log_url)
    try:
        log, store = open_log(known.log_url, known.archive_dir), open_store(known.read_url)
    except ValueError as error:
        advice = "Correct the settings database_url and projections_url."
        raise ProblemError(Problem("SETTINGS_INVALID", str(error), advice), USAGE) from None
    try:
        yield Databases(log, store)
    except ProjectionsNotReadyError as error:
        advice = "Start the server, or run `esep rebuild`."
        raise ProblemError(Problem("PROJECTIONS_NOT_READY", f"{error}.".capitalize(), advice)) from None
    except UnknownTopicError as error:
        raise ProblemError(Problem("UNKNOWN_EVENT", str(error), "Update this program.")) from None
    finally:
        store.close()
        log.close()


def require_file(log_url: str) -> None:
    """Refuse to make an empty log where somebody has mistyped its place."""
    scheme, _, path = log_url.partition(":///")
    if scheme == "sqlite" and not Path(path).exists():
        advice = "Check the settings data_dir and database_url, or start a server there first."
        raise ProblemError(Problem("LOG_NOT_FOUND", f"There is no log at {path}.", advice))
