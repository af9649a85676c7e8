"""A network between a server and its database that can be cut, go silent, grow slow, or lose what comes back.

It listens on a TCP port of this machine and hands everything on to another address. Cutting breaks every connection and
refuses new ones; silence keeps them, and nothing passes.
"""

import asyncio
import threading
from collections.abc import Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

_CHUNK: Final = 65_536


_Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def _abort(opened: "asyncio.Future[_Streams]") -> None:
    """Leave a connection that was made too late."""
    if not opened.cancelled() and opened.exception() is None:
        opened.result()[1].transport.abort()


class Proxy:
    """Forwards to a Unix socket or a TCP port. A context manager."""

    def __init__(self, to: Path | tuple[str, int], port: int = 0) -> None:
        self.port = port
        """Where it listens; chosen by the system unless it was given."""
        self.delay_seconds = 0.0
        """How long everything takes, either way."""
        self.answers_lost = False
        """Whether what comes back is thrown away."""
        self._to = to
        self._loop = asyncio.new_event_loop()
        self._passing = asyncio.Event()
        self._passing.set()
        self._cut = False
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break every connection, and refuse new ones until ``restore``."""
        self._do(self._break(refuse=True))

    def reset(self) -> None:
        """Break every connection; new ones are let through."""
        self._do(self._break(refuse=False))

    def silence(self) -> None:
        """Let nothing pass until ``restore``."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def restore(self) -> None:
        """Let everything pass again, at once."""
        self.delay_seconds, self.answers_lost, self._cut = 0.0, False, False
        self._loop.call_soon_threadsafe(self._passing.set)

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._break(refuse=True)

    async def _break(self, *, refuse: bool) -> None:
        self._cut = refuse
        connections = list(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = self._loop.create_task(self._forward(reader, writer))
        self._connections.add(task)

        def end(_: object) -> None:  # Also of a task that was cut off before its first step.
            self._connections.discard(task)
            writer.transport.abort()

        task.add_done_callback(end)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._cut:
            return
        opening = asyncio.ensure_future(self._open())
        try:
            there, back = await asyncio.shield(opening)
        except OSError:
            return
        except asyncio.CancelledError:
            opening.add_done_callback(_abort)
            raise
        pumps = [
            asyncio.ensure_future(self._pump(reader, back, answers=False)),
            asyncio.ensure_future(self._pump(there, writer, answers=True)),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            back.transport.abort()  # Before anything is waited for: whoever breaks it once more leaves nothing open.
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _open(self) -> _Streams:
        if isinstance(self._to, Path):
            return await asyncio.open_unix_connection(self._to)
        return await asyncio.open_connection(*self._to)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answers: bool) -> None:
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._passing.wait()
                if self.delay_seconds:
                    await asyncio.sleep(self.delay_seconds)
                if answers and self.answers_lost:
                    continue
                writer.write(data)
                await writer.drain()
            await writer.drain()
