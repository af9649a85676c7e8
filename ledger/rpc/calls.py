"""The call being answered: who asks and until when. Set by the interceptor, read by handlers."""

from asyncio import get_running_loop
from contextvars import ContextVar
from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

import grpc
import msgspec

from domain.ports import Left
from ledger.rpc.callers import Caller

if TYPE_CHECKING:
    # Generic in the stubs only.
    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Context = grpc.aio.ServicerContext
    Handler = grpc.RpcMethodHandler


class Call(msgspec.Struct):
    """One call. ``deadline`` is in the event loop's own time, in seconds; a stream's may be infinite.

    ``told_amounts`` says whether refusals may explain themselves with amounts of the accounts that the call is about;
    ``payer`` is the only participant whose accounts a batch of transfers may debit, None when it may debit anybody's.
    """

    who: Caller
    deadline: float
    told_amounts: bool = False
    payer: str | None = None

    @property
    def caller(self) -> str:
        """The caller's name, as the log keeps it."""
        return self.who.name

    def remaining(self) -> float:
        """Return the seconds that are left, 0 when there are none."""
        return max(0.0, self.deadline - get_running_loop().time())


_current: ContextVar[Call] = ContextVar("esep_call")


def current() -> Call:
    """Return the call that this task answers."""
    return _current.get()


def caller_name() -> str:
    """Return the name of who makes this task's call, empty while nobody is known."""
    call = _current.get(None)
    return "" if call is None else call.caller


def time_left() -> Left | None:
    """Return what tells any thread how many seconds this task's call has left; None where nothing bounds it."""
    call = _current.get(None)
    if call is None or call.deadline == inf:
        return None
    ends = monotonic() + call.remaining()
    return lambda: ends - monotonic()


def enter(call: Call) -> None:
    """Make ``call`` the one that this task answers. Each call has a task of its own, so none is restored."""
    _current.set(call)
