"""Lines: a body that is a stream of lines (NDJSON), read as it comes and never held as a whole.

A line ends with a line feed; the last one need not, and empty ones count for nothing. What
is handed on is a batch of whole lines with the number of the first; nothing is read while a
batch is being kept, so a fast sender is slowed down by TCP itself.
"""

import asyncio
from collections.abc import AsyncGenerator

from weft.api.bodies import ClientGone
from weft.api.operation import Receive
from weft.api.problems import Malformed
from weft.errors import TooLarge

Batch = list[tuple[int, bytes]]

BATCH_LINES = 500  # admitted in one go: some milliseconds of the loop


async def read_lines(
    receive: Receive, *, line_max_bytes: int, idle_s: float
) -> AsyncGenerator[Batch, None]:
    """Yield the lines of a body in batches, each with its number, from 1.

    Raises `TooLarge` for a line that is too long, `Malformed` when nothing comes for
    `idle_s`, `ClientGone` when the caller hung up; the lines before were yielded.
    """
    rest, number, more = b"", 0, True
    while more:
        chunk, more = await _next_chunk(receive, idle_s)
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop() if more else b""
        batch: Batch = []
        for line in lines:
            number += 1
            stripped = line.strip()
            if len(stripped) > line_max_bytes:
                yield batch
                raise _too_long(number, line_max_bytes)
            if stripped:
                batch.append((number, stripped))
            if len(batch) == BATCH_LINES:
                yield batch
                batch = []
        if batch:
            yield batch
        if len(rest) > line_max_bytes:
            raise _too_long(number + 1, line_max_bytes)


async def _next_chunk(receive: Receive, idle_s: float) -> tuple[bytes, bool]:
    try:
        async with asyncio.timeout(idle_s):
            message = await receive()
    except TimeoutError as error:
        raise Malformed(
            f"Nothing came for {idle_s:g} s.", remedy="Send the rest in a new request."
        ) from error
    if message["type"] == "http.disconnect":
        raise ClientGone
    return message.get("body", b""), message.get("more_body", False)


def _too_long(number: int, limit: int) -> TooLarge:
    return TooLarge(
        f"Line {number} is longer than {limit} bytes.", remedy="One line is one message."
    )
