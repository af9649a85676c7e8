"""How PostgreSQL is connected to: as a url says, and where it says nothing, so that a dead or demoted server is left.

Everything of a server connects so: the log, the vault, the log of reads and the projections. The url may name several
hosts (``postgresql://esep@db1,db2/esep``); the one is taken that may be written to, because a standby may be behind.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from psycopg.conninfo import conninfo_to_dict

#: What the url may override. A dead peer is noticed within about 11 seconds.
CONNECTION_DEFAULTS: Final[Mapping[str, Any]] = {
    "application_name": "esep",
    "target_session_attrs": "read-write",
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}


def connection_parameters(url: str) -> dict[str, Any]:
    """Return what libpq connects with. Raises psycopg.ProgrammingError for a url that it does not understand."""
    return {**CONNECTION_DEFAULTS, **conninfo_to_dict(_libpq_url(url))}


def completed(url: str) -> str:
    """Return a PostgreSQL url with everything that it does not say itself; any other url as it is."""
    if not url.startswith("postgres"):
        return url
    said = conninfo_to_dict(_libpq_url(url))
    more = urlencode({name: value for name, value in CONNECTION_DEFAULTS.items() if name not in said})
    return f"{url}{'&' if '?' in url else '?'}{more}" if more else url


def _libpq_url(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
