"""How log lines are written: for people on a terminal, or one JSON object a line for machines.

A process that native code ends, as by a segmentation fault, says in plain lines where its threads were.
"""

import faulthandler
import json
import logging
import sys
from contextlib import suppress
from typing import Final

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
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )


def _json(_logger: WrappedLogger, _method: str, event: EventDict) -> str:
    """Return a line as JSON, with the texts of what is no JSON: half a character, a number of more than 64 bits."""
    try:
        return _encode(event).decode()
    except (TypeError, ValueError, OverflowError):
        return json.dumps({str(key): _told(value) for key, value in event.items()})


def _told(value: object) -> object:
    return value if isinstance(value, str | int | float) or value is None else repr(value)
