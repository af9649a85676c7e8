"""How PostgreSQL is connected to: as a url says, and where it says nothing, so that a dead or demoted server is left.

Everything of a server connects so: the log, the vault, the log of reads and the projections. The url may name several
hosts (``postgresql://esep@db1,db2/esep``); the one is taken that may be written to, because a standby may be behind.
"""

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import psycopg
from psycopg.conninfo import conninfo_to_dict

#: What the url may override. A dead peer is noticed within about 11 seconds; each of several hosts has 2 to answer.
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


_ORDERS: Final[dict[str, list[tuple[str, str]]]] = {}
"""In which order several hosts, each with its port, are asked."""
_PROMPT_SECONDS: Final = 1.0
_SEVERAL_SECONDS: Final = 2
"""How long each of several hosts is waited for: what has become the primary stands behind those that are gone."""


def connect(parameters: Mapping[str, Any], *, autocommit: bool = False) -> psycopg.Connection[Any]:
    """Connect; of several hosts, to the first that may be written to.

    The one of the last time is asked first, and last the one that kept waiting the last time: a host that is gone does
    not stand before what has become the primary. Raises psycopg.Error alone.
    """
    places = _places(parameters)
    if not places:
        return _connect(parameters, autocommit=autocommit)
    hosts, failures = parameters["host"], []
    for place in places:
        host, port = place
        began = time.monotonic()
        try:
            connection = _connect({**parameters, "host": host, "port": port}, autocommit=autocommit)
        except psycopg.OperationalError as error:
            failures.append(error)
            if time.monotonic() - began > _PROMPT_SECONDS:
                _ORDERS[hosts] = [*(each for each in _places(parameters) if each != place), place]
        else:
            _ORDERS[hosts] = [place, *(each for each in _places(parameters) if each != place)]
            return connection
    raise psycopg.OperationalError("; ".join(map(str, failures))) from failures[-1]


def _connect(parameters: Mapping[str, Any], *, autocommit: bool) -> psycopg.Connection[Any]:
    try:
        return psycopg.connect(**parameters, autocommit=autocommit)
    except OSError as error:
        # It waits with a selector, which is one more open file than the socket: the process may have no more.
        raise psycopg.OperationalError(f"cannot wait for the database to answer: {error}") from error


def _places(parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return several hosts with their ports, in the order in which they are asked; nothing where there is one."""
    hosts = str(parameters.get("host", "")).split(",")
    if len(hosts) == 1 or "hostaddr" in parameters:
        return []
    ports = str(parameters.get("port", "5432")).split(",")
    places = list(zip(hosts, ports if len(ports) > 1 else ports * len(hosts), strict=True))
    known = _ORDERS.get(parameters["host"], [])
    return known if sorted(known) == sorted(places) else places


def connection_parameters(url: str) -> dict[str, Any]:
    """Return what libpq connects with. Raises psycopg.ProgrammingError for a url that it does not understand."""
    said = conninfo_to_dict(_libpq_url(url))
    return {**_defaults(said), **said}


def completed(url: str) -> str:
    """Return a PostgreSQL url with everything that it does not say itself; any other url as it is."""
    if not url.startswith("postgres"):
        return url
    said = conninfo_to_dict(_libpq_url(url))
    more = urlencode({name: value for name, value in _defaults(said).items() if name not in said})
    return f"{url}{'&' if '?' in url else '?'}{more}" if more else url


def _defaults(said: Mapping[str, Any]) -> dict[str, Any]:
    several = {"connect_timeout": _SEVERAL_SECONDS} if "," in str(said.get("host", "")) else {}
    return {**CONNECTION_DEFAULTS, **several}


def _libpq_url(url: str) -> str:
    return url.replace("postgresql+psycopg://", "postgresql://", 1)
