"""How PostgreSQL is connected to: as a url says, and where it says nothing, so that a dead or demoted server is left.

Everything of a server connects so: the log, the vault, the log of reads and the projections. The url may name several
hosts (``postgresql://esep@db1,db2/esep``); the one is taken that may be written to, because a standby may be behind.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
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


_FIRST: Final[dict[str, tuple[str, str]]] = {}
"""Which of several hosts, and at which port, is asked first."""


def connect(parameters: Mapping[str, Any], *, autocommit: bool = False) -> psycopg.Connection[Any]:
    """Connect; of several hosts, first to the one of the last time, so that one that is gone costs no time.

    After a failure another one is first: what has become the primary is not kept waiting for what has been it.
    """
    places = _places(parameters)
    if not places:
        return psycopg.connect(**parameters, autocommit=autocommit)
    hosts = parameters["host"]
    ordered = {"host": ",".join(host for host, _ in places), "port": ",".join(port for _, port in places)}
    try:
        connection = psycopg.connect(**{**parameters, **ordered}, autocommit=autocommit)
    except psycopg.Error:
        _FIRST[hosts] = places[1]
        raise
    _FIRST[hosts] = connection.info.host, str(connection.info.port)
    return connection


def _places(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return several hosts with their ports, in the order in which they are asked; nothing where there is one."""
    hosts = str(parameters.get("host", "")).split(",")
    if len(hosts) == 1 or "hostaddr" in parameters:
        return []
    ports = str(parameters.get("port", "5432")).split(",")
    places = list(zip(hosts, ports if len(ports) > 1 else ports * len(hosts), strict=True))
    first = _FIRST.get(parameters["host"])
    start = places.index(first) if first in places else 0
    return places[start:] + places[:start]


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
