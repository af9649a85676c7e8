"""Ports for servers that must be told theirs before they start."""

import socket
from random import SystemRandom

LEAST, MOST = 20_000, 32_000
"""Below those that the system gives to whoever asks for any, or connects: such a one may be taken again at once."""


def unused_port() -> int:
    """Return a port of loopback on which nobody listens, and which nobody is given who does not ask for it by name."""
    chance = SystemRandom()
    for _ in range(100):
        port = chance.randrange(LEAST, MOST)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("every port is taken")
