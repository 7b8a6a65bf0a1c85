"""A road between a browser and Weft on which connections can be lost without a word."""

import asyncio
import threading
from asyncio import AbstractEventLoop, StreamReader, StreamWriter
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK = 65_536  # bytes
START_S = 10


class Road:
    """Carries connections to a port; those that it loses hear nothing more, not even an end."""

    def __init__(self, port: int) -> None:
        self.url = ""
        self._port = port
        self._lost = asyncio.Event()
        self._over = asyncio.Event()
        self._loop: AbstractEventLoop | None = None
        self._carried: set[asyncio.Future[None]] = set()

    def lose_all(self) -> None:
        """Lose all connections that are open; new ones are carried."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._lose)

    def end(self) -> None:
        """Carry nothing more."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._over.set)

    async def run(self, ready: threading.Event) -> None:
        """Listen on a free port until the end."""
        self._loop = asyncio.get_running_loop()
        async with await asyncio.start_server(self._begin, "127.0.0.1", 0) as listener:
            port = listener.sockets[0].getsockname()[1]
            self.url = f"http://127.0.0.1:{port}"
            ready.set()
            await self._over.wait()
            for task in [*self._carried]:  # what was lost has no end of its own
                task.cancel()

    def _lose(self) -> None:
        self._lost.set()
        self._lost = asyncio.Event()

    def _begin(self, reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.ensure_future(self._carry(reader, writer))
        self._carried.add(task)
        task.add_done_callback(self._carried.discard)

    async def _carry(self, reader: StreamReader, writer: StreamWriter) -> None:
        lost = self._lost
        try:
            there = await asyncio.open_connection("127.0.0.1", self._port)
        except OSError:
            writer.close()  # nobody listens there now: what is asked ends here
            return
        try:
            await asyncio.gather(_pump(reader, there[1], lost), _pump(there[0], writer, lost))
        finally:
            there[1].close()
            writer.close()


async def _pump(source: StreamReader, sink: StreamWriter, lost: asyncio.Event) -> None:
    while True:
        try:
            chunk = await source.read(CHUNK)
        except ConnectionError:
            chunk = b""
        if not chunk:
            break
        if not lost.is_set():
            sink.write(chunk)
    if not lost.is_set():
        sink.close()


@contextmanager
def road_to(port: int) -> Iterator[Road]:
    """Run a road until the end of the block."""
    road, ready = Road(port), threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(road.run(ready)))
    thread.start()
    try:
        assert ready.wait(START_S)
        yield road
    finally:
        road.end()
        thread.join()
