"""Lines: whole ones, in batches, and never more held than one of them."""

from collections.abc import MutableMapping
from typing import Any

import pytest

from weft.api.bodies import ClientGone
from weft.api.lines import BATCH_LINES, Batch, read_lines
from weft.errors import TooLarge


class Body:
    """A body in chunks; what was asked for is counted."""

    def __init__(self, *chunks: bytes, gone: bool = False) -> None:
        self._chunks = list(chunks)
        self._gone = gone
        self.asked = 0

    async def receive(self) -> MutableMapping[str, Any]:
        self.asked += 1
        if not self._chunks:
            return {"type": "http.disconnect"}
        chunk = self._chunks.pop(0)
        more = bool(self._chunks) or self._gone
        return {"type": "http.request", "body": chunk, "more_body": more}


async def broken_off(body: Body, error: type[Exception], match: str | None = None) -> Batch:
    """Read until `error`; return what came before it."""
    found: Batch = []

    async def read() -> None:
        async for batch in read_lines(body.receive, line_max_bytes=10, idle_s=10):
            found.extend(batch)

    with pytest.raises(error, match=match):
        await read()
    return found


async def lines(body: Body, line_max_bytes: int = 10) -> list[Batch]:
    return [
        batch
        async for batch in read_lines(body.receive, line_max_bytes=line_max_bytes, idle_s=10)
        if batch
    ]


@pytest.mark.parametrize(
    "chunks",
    [
        (b"a\nbb\n\nccc",),
        (b"a\r\nbb\r\n\r\nccc\n",),
        (b"a", b"\nb", b"b\n", b"", b"\nccc"),
        (b"", b"a\nbb\n \nccc\n"),
    ],
)
async def test_lines_are_whole_however_they_came(chunks: tuple[bytes, ...]) -> None:
    """An empty line counts, and is no message."""
    found = [line for batch in await lines(Body(*chunks)) for line in batch]
    assert found == [(1, b"a"), (2, b"bb"), (4, b"ccc")]


async def test_a_batch_has_a_size() -> None:
    body = b"x\n" * (2 * BATCH_LINES + 1)
    assert [len(batch) for batch in await lines(Body(body))] == [BATCH_LINES, BATCH_LINES, 1]


async def test_nothing_is_read_while_a_batch_is_being_kept() -> None:
    """The next chunk is asked for when the batch of the first was taken."""
    body = Body(b"a\n", b"b\n")
    reader = read_lines(body.receive, line_max_bytes=10, idle_s=10)
    assert await anext(reader) == [(1, b"a")]
    assert body.asked == 1
    await reader.aclose()


@pytest.mark.parametrize("chunks", [(b"a\n" + b"x" * 11 + b"\n",), (b"a\n", b"x" * 11, b"y")])
async def test_a_line_without_an_end_does_not_fill_memory(chunks: tuple[bytes, ...]) -> None:
    """What came before it is handed on."""
    assert await broken_off(Body(*chunks), TooLarge, "Line 2") == [(1, b"a")]


async def test_half_a_line_of_a_caller_that_hung_up_is_none() -> None:
    body = Body(b'{"t": 1}\n{"t"', gone=True)
    assert await broken_off(body, ClientGone) == [(1, b'{"t": 1}')]
