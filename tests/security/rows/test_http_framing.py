"""HT-1: two readers of one byte stream never disagree where a request ends.

Each case hides a second request in the first. Whatever Weft says to the first, it sees one
at most, and what it does not read by the letter it refuses, and hangs up.
"""

import asyncio
import re

import pytest
from tests.security.rows.support import PATIENCE_S, House

from weft.security.authentication import NOBODY
from weft.security.machine_secrets import make_secret

HIDDEN = b"GET /api/v1/hidden HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
START = b"POST /api/v1/enrol HTTP/1.1\r\nHost: x\r\nContent-Type: application/pkcs10\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
END = b"0\r\n\r\n"

CASES = {
    "length and chunks": START + b"Content-Length: 6\r\n" + CHUNKED + b"\r\n" + END + HIDDEN,
    "chunks and length": START + CHUNKED + b"Content-Length: 6\r\n\r\n" + END + HIDDEN,
    "two lengths": START + b"Content-Length: 0\r\nContent-Length: 44\r\n\r\n" + HIDDEN,
    "lengths in a list": START + b"Content-Length: 0, 44\r\n\r\n" + HIDDEN,
    "a signed length": START + b"Content-Length: +0\r\n\r\n" + HIDDEN,
    "a negative length": START + b"Content-Length: -1\r\n\r\n" + HIDDEN,
    "a length in hex": START + b"Content-Length: 0x0\r\n\r\n" + HIDDEN,
    "a length with a gap": START + b"Content-Length: 0 0\r\n\r\n" + HIDDEN,
    "a huge length": START + b"Content-Length: 99999999999999999999999\r\n\r\n" + HIDDEN,
    "an empty length": START + b"Content-Length: \r\n\r\n" + HIDDEN,
    "chunks that are not last": START + b"Transfer-Encoding: chunked, x\r\n\r\n" + END + HIDDEN,
    "an unknown coding": START + b"Transfer-Encoding: xchunked\r\n\r\n" + END + HIDDEN,
    "a coding with a tab": START + b"Transfer-Encoding: \x0bchunked\r\n\r\n" + END + HIDDEN,
    "a space before the colon": START + b"Transfer-Encoding : chunked\r\n\r\n" + END + HIDDEN,
    "a space before a length's colon": START + b"Content-Length : 44\r\n\r\n" + HIDDEN,
    "a folded header": START + b"X: a\r\n Content-Length: 44\r\n\r\n" + HIDDEN,
    "a folded coding": START + b"Transfer-Encoding:\r\n chunked\r\n\r\n" + END + HIDDEN,
    "a bare LF in the head": START + b"X: a\nContent-Length: 44\r\n\r\n" + HIDDEN,
    "a bare LF at the head's end": START + b"X: a\r\n\n" + HIDDEN,
    "a bare CR in a value": START + b"X: a\rContent-Length: 44\r\n\r\n" + HIDDEN,
    "a NUL in a value": START + b"X: a\0b\r\n\r\n" + HIDDEN,
    "a NUL in a name": START + b"X\0: a\r\n\r\n" + HIDDEN,
    "no name": START + b": a\r\n\r\n" + HIDDEN,
    "no colon": START + b"Content-Length 44\r\n\r\n" + HIDDEN,
    "a chunk without its end": START + CHUNKED + b"\r\n1\r\naXX" + END + HIDDEN,
    "a chunk that ends in LF": START + CHUNKED + b"\r\n1\r\na\n" + END + HIDDEN,
    "a size that ends in LF": START + CHUNKED + b"\r\n1\na\r\n" + END + HIDDEN,
    "a size with a sign": START + CHUNKED + b"\r\n+1\r\na\r\n" + END + HIDDEN,
    "a size of 0x": START + CHUNKED + b"\r\n0x1\r\na\r\n" + END + HIDDEN,
    "a size that overflows": START + CHUNKED + b"\r\n1ffffffffffffffff\r\na\r\n" + END + HIDDEN,
    "a version of its own": b"POST /api/v1/enrol HTTP/9.1\r\nHost: x\r\n\r\n" + HIDDEN,
    "a line of three words": b"POST /api/v1/enrol x HTTP/1.1\r\nHost: x\r\n\r\n" + HIDDEN,
}


async def answers(house: House, sent: bytes) -> list[bytes]:
    """Send bytes and return the status of each answer, until Weft hangs up."""
    port = int(house.http_url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(PATIENCE_S):
        said = await reader.read()
    writer.close()
    return re.findall(rb"HTTP/1\.1 (\d{3}) ", said)


async def test_ht_1_a_second_request_is_seen_only_where_one_stands(house: House) -> None:
    """The yardstick of the cases: said plainly, both are answered, with 401."""
    for body in (b"Content-Length: 1\r\n\r\na", CHUNKED + b"\r\n1\r\na\r\n" + END):
        assert await answers(house, START + body + HIDDEN) == [b"401", b"401"]


@pytest.mark.parametrize("case", CASES)
async def test_ht_1_a_request_that_can_be_read_in_two_ways_is_refused(
    house: House, case: str
) -> None:
    """With 400, or by hanging up; what stands behind it is read by nobody."""
    assert await answers(house, CASES[case]) in ([b"400"], [])


async def test_ht_1_who_calls_from_where_is_never_taken_from_a_header(house: House) -> None:
    """Each try names another address, as if a proxy had: all count for the one that it is."""
    token = make_secret().text
    spoofed = [f"203.0.113.{number}" for number in range(1, 41)]
    for address in spoofed:
        sent = (
            f"GET /api/v1/whoami HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"X-Forwarded-For: {address}\r\nForwarded: for={address}\r\n"
            f"X-Real-IP: {address}\r\nConnection: close\r\n\r\n"
        )
        assert await answers(house, sent.encode()) == [b"401"]
    attempts = house.identity.authenticator.attempts
    assert not any(attempts.of_address(NOBODY, address) for address in spoofed)
    newest = attempts.of_address(NOBODY, "127.0.0.1")[0]
    assert "too many failures" in newest.reason
