"""How log lines are written: for people on a terminal, or one JSON object a line for machines.

A process that native code ends, as by a segmentation fault, says in plain lines where its threads were.
"""

import faulthandler
import json
import logging
import sys
from contextlib import suppress
from typing import Final, TextIO, cast

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

_encode: Final = msgspec.json.Encoder(enc_hook=repr).encode


def configure_logging(style: str) -> None:
    """Write to standard error, in the ``console`` or the ``json`` style, or as it suits where that goes: ``auto``."""
    with suppress(RuntimeError, OSError, ValueError):  # Nobody hears it where there is no standard error.
        faulthandler.enable()
    terminal = sys.stderr is not None and sys.stderr.isatty()
    console = style == "console" or (style == "auto" and terminal)
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.dev.ConsoleRenderer(colors=terminal) if console else _json,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", _Output())),
        cache_logger_on_first_use=True,
    )


class _Output:
    """Standard error. What it does not take is lost: no call fails because nobody can write down that there was one.

    There may be none, its reader may be gone, its disk full.
    """

    def write(self, text: str) -> None:
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(text)

    def flush(self) -> None:
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.flush()


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return a line as JSON in ASCII; the standard library makes it where msgspec does not."""
    with suppress(TypeError, ValueError, OverflowError):
        line = _encode(event).decode()
        if line.isascii():  # Whatever standard error makes of other characters, and of the line ends among them.
            return line
    return json.dumps({str(key): _told(value) for key, value in event.items()})


def _told(value: object) -> object:
    return value if isinstance(value, str | int | float) or value is None else repr(value)
