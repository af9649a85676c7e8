"""Whether an address is free to listen on, asked before anything of a ledger is made, opened or taken."""

import errno
import socket
from typing import Final

_WHY: Final = {
    errno.EADDRINUSE: "is in use: something listens there already, maybe another server of this ledger",
    errno.EADDRNOTAVAIL: "is no address of this machine",
    errno.EACCES: "is not for this user to listen on",
}


def check_free(setting: str, address: str) -> None:
    """Raise OSError where an address, host and port, can certainly not be listened on, and say which setting it is."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) == 0:
        return  # No port yet, or none at all: whoever listens will say so.
    try:
        found = socket.getaddrinfo(host.strip("[]"), int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, OverflowError) as error:
        raise OSError(f"{setting}={address} names no address: {error}. Nothing was touched") from None
    for family, kind, protocol, _, where in found:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # As the server itself will.
            try:
                probe.bind(where)
            except OSError as error:
                why = _WHY.get(error.errno or 0, f"cannot be listened on: {error.strerror}")
                raise OSError(f"{setting}={address} {why}. Nothing was touched") from None
