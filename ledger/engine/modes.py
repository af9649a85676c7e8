"""What an engine can be doing, and with what it answers the requests that it does not take then."""

from enum import Enum, auto
from typing import Final

from domain.refusals import Reason


class Mode(Enum):
    """What an engine is doing; with what it answers a request it does not take."""

    STARTING = auto()
    STANDBY = auto()
    OWNER = auto()
    RECOVERING = auto()
    CUT_OFF = auto()
    BLOCKED = auto()
    STOPPING = auto()
    BROKEN = auto()


ANSWERS: Final = {
    Mode.STARTING: Reason.NOT_THE_OWNER,
    Mode.STANDBY: Reason.NOT_THE_OWNER,
    Mode.CUT_OFF: Reason.LEDGER_UNAVAILABLE,
    Mode.BLOCKED: Reason.UNKNOWN_EVENT,
    Mode.STOPPING: Reason.SHUTTING_DOWN,
    Mode.BROKEN: Reason.LEDGER_UNAVAILABLE,
}
"""Modes in which requests are refused; in the others they wait."""
