"""The call being answered: who asks and until when. Set by the interceptor, read by handlers."""

from asyncio import get_running_loop
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

import grpc
import msgspec

if TYPE_CHECKING:
    # Generic in the stubs only.
    Context = grpc.aio.ServicerContext[Any, Any]
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Context = grpc.aio.ServicerContext
    Handler = grpc.RpcMethodHandler


class Call(msgspec.Struct):
    """One call. ``deadline`` is in the event loop's own time, in seconds; a stream's may be infinite."""

    caller: str
    deadline: float

    def remaining(self) -> float:
        """Return the seconds that are left, 0 when there are none."""
        return max(0.0, self.deadline - get_running_loop().time())


_current: ContextVar[Call] = ContextVar("esep_call")


def current() -> Call:
    """Return the call that this task answers."""
    return _current.get()


def enter(call: Call) -> None:
    """Make ``call`` the one that this task answers. Each call has a task of its own, so none is restored."""
    _current.set(call)
