"""How log lines are written: for people on a terminal, or one JSON object a line for machines.

A process that native code ends, as by a segmentation fault, says in plain lines where its threads were.
"""

import faulthandler
import logging
import sys
from contextlib import suppress

import structlog


def configure_logging(style: str) -> None:
    """Write to standard error, in the ``console`` or the ``json`` style."""
    with suppress(RuntimeError, OSError, ValueError):  # Nobody hears it where there is no standard error.
        faulthandler.enable()
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.StackInfoRenderer(),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
