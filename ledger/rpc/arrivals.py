"""What other threads have found out for calls of the event loop.

It is put into a queue that the loop empties, and the loop is woken only when it is not about to look anyway: one
wake-up brings whatever has arrived by then.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any


class Arrivals:
    """Answers on their way to the futures of one event loop. A future that was cancelled meanwhile gets none."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._arrived: deque[tuple[asyncio.Future[Any], Any, BaseException | None]] = deque()
        self._woken = False

    def put(self, future: "asyncio.Future[Any]", result: Any, error: BaseException | None = None) -> None:
        """Take an answer, or what was raised instead, from any thread."""
        self._arrived.append((future, result, error))
        if not self._woken:
            self._woken = True
            try:
                self._loop.call_soon_threadsafe(self._hand_out)
            except RuntimeError:
                if not self._loop.is_closed():
                    raise
                # The loop has ended, and with it every call that could have waited for this.

    def work(self, future: "asyncio.Future[Any]", function: Callable[[], Any]) -> None:
        """Put what a function returns or raises, which is called here, unless nobody waits for that any more."""
        if future.cancelled():
            return
        try:
            result = function()
        except StopIteration as error:  # Which no future takes.
            self.put(future, None, RuntimeError(f"a thread's work raised {error!r}"))
        except BaseException as error:  # noqa: BLE001 - it is whoever waits that is to hear of it
            self.put(future, None, error)
        else:
            self.put(future, result)

    def _hand_out(self) -> None:
        self._woken = False  # First, so that whatever arrives from here on wakes the loop again.
        arrived = self._arrived
        while arrived:
            future, result, error = arrived.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
