"""Mutated CoAP against both ends: `python fuzz/fuzz_coap.py --inputs 10000000`.

Each input meets, in turn, a server that challenges strangers, one that serves them, one that
takes everyone as proven and answers with anything from nothing to many blocks, at once, later or
never again, with observers; and a client with requests under way. What comes out are requests,
answers and datagrams that decode; no exception but the peer's fault ever. Before the proof no
stranger is sent more than three times what it sent. What is held stays within the limits, in bytes
and in counts, although the machines live on from input to input.
"""

import json
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.harness import main
from msgspec.structs import replace

from weft.errors import PeerError
from weft.wire.coap.block import Block
from weft.wire.coap.client import Ask, ClientEndpoint
from weft.wire.coap.codes import CON, NON, Code
from weft.wire.coap.decode import decode
from weft.wire.coap.encode import empty_ack, encode, reset
from weft.wire.coap.limits import Limits
from weft.wire.coap.link_format import decode_links
from weft.wire.coap.message import Message
from weft.wire.coap.observe import Observation
from weft.wire.coap.options import Option
from weft.wire.coap.problem import decode_problem
from weft.wire.coap.requests import Request
from weft.wire.coap.responses import Response
from weft.wire.coap.server import ServerEndpoint

VECTORS = Path(__file__).parents[1] / "tests" / "vectors" / "coap"
LIMITS = Limits(
    payload_bytes=16 * 1024,
    peers=40,
    strangers=40,
    replies=500,
    reply_bytes=200_000,
    peer_replies=100,
    peer_reply_bytes=50_000,
    pending=100,
    upload_bytes=100_000,
    peer_upload_bytes=30_000,
    download_bytes=100_000,
    peer_download_bytes=30_000,
    observations=100,
    outgoing=100,
)
HELD_BYTES = LIMITS.reply_bytes + LIMITS.upload_bytes + LIMITS.download_bytes
_ADDRESSES = 60
_BODIES = (b"", b"x", b"y" * 1024, b"z" * 5000)
_CODES = (Code.CONTENT, Code.CHANGED, Code.CREATED, Code.NOT_FOUND, Code.INTERNAL_SERVER_ERROR)


def load_corpus() -> list[bytes]:
    """The named datagrams of the tests, legal and malformed, and each feature once."""
    corpus = [
        bytes.fromhex(row["hex"])
        for path in sorted(VECTORS.glob("*.json"))
        for row in json.loads(path.read_text())
        if row["hex"]
    ]
    path = ((int(Option.URI_PATH), b"api"), (int(Option.URI_PATH), b"t"))
    asked: list[tuple[Code, tuple[tuple[int, bytes], ...], bytes]] = [
        (Code.GET, ((Option.OBSERVE, b""),), b""),
        (Code.GET, ((Option.OBSERVE, b"\x01"),), b""),
        (Code.GET, ((Option.ETAG, b"\x01"), (Option.ACCEPT, b"\x3c")), b""),
        (Code.FETCH, ((Option.CONTENT_FORMAT, b"\x3c"),), b"\xa0"),
        (Code.POST, ((Option.NO_RESPONSE, b"\x1a"),), b"{}"),
        (Code.POST, ((Option.ECHO, b"12345678"), (Option.REQUEST_TAG, b"7")), b"{}"),
        (Code.GET, ((Option.URI_QUERY, b"rt=x"), (Option.URI_HOST, b"h")), b""),
        (Code.PUT, ((Option.IF_MATCH, b""), (Option.IF_NONE_MATCH, b"")), b"1"),
        (Code.GET, ((Option.PROXY_URI, b"coap://x/"),), b""),
    ]
    asked += [
        (Code.PUT, ((Option.BLOCK1, Block(number, more, 0).encode()),), b"0123456789abcdef")
        for number, more in ((0, True), (1, True), (2, False))
    ]
    asked += [
        (Code.GET, ((Option.BLOCK2, Block(number, exponent=exponent).encode()),), b"")
        for number, exponent in ((0, 2), (1, 2), (1, 6), (4, 6))
    ]
    for number, (code, options, payload) in enumerate(asked):
        for kind in (CON, NON):
            message = Message(kind, code, number, b"tk", path + options, payload)
            corpus.append(encode(message))
    links = b'</a>;rt="t x";ct="0 50";obs,</b>;sz=3'
    corpus.append(encode(Message(NON, Code.CONTENT, 9, b"tk", ((12, b"\x28"),), links)))
    corpus.append(encode(Message(2, Code.CONTENT, 9, b"tk", ((23, b"\x0e"),), b"z" * 1024)))
    return corpus


class Server:
    """One endpoint with handlers that answer anyhow."""

    def __init__(self, seed: int, limits: Limits, *, is_proven: bool) -> None:
        self._random = random.Random(seed)
        self._limits = limits
        self._is_proven = is_proven
        self._endpoint = ServerEndpoint(limits, secret=b"k" * 32, random=self._random.random)
        self._corpus = [one for one in load_corpus() if len(one) > 4]
        self._late: list[Request] = []
        self._watched: list[Observation] = []

    def __call__(self, data: bytes, now: float) -> int:
        dice = self._random
        for one in (data, self._whole()):  # a legal one behind it, so that states are deep
            address = ("192.0.2.1", dice.randrange(_ADDRESSES))
            for _ in range(1 + (dice.random() < 0.1)):  # sometimes a copy
                self._feed(one, address, now)
        self._turn(dice, now)
        return self._check(now)

    def _whole(self) -> bytes:
        data = bytearray(self._random.choice(self._corpus))
        data[2:4] = self._random.randrange(0x10000).to_bytes(2, "big")
        return bytes(data)

    def _feed(self, data: bytes, address: tuple[str, int], now: float) -> None:
        dice, endpoint = self._random, self._endpoint
        request = endpoint.receive_datagram(data, address, now, is_proven=self._is_proven)
        if request is not None:
            if request.observe == 0:
                observation = endpoint.observe(request, now)
                if observation is not None and observation not in self._watched:
                    self._watched.append(observation)
            if dice.random() < 0.8:
                endpoint.respond(request, self._response(), now)
            else:
                self._late.append(request)
        if not self._is_proven:
            sent = sum(len(out) for to, out in endpoint.take_output())
            if sent > 3 * len(data):
                raise AssertionError(f"{sent} bytes to a stranger for {len(data)}")

    def _turn(self, dice: random.Random, now: float) -> None:
        endpoint = self._endpoint
        while self._late and (len(self._late) > 60 or dice.random() < 0.3):
            late = self._late.pop(dice.randrange(len(self._late)))
            endpoint.respond(late, self._response(), now)
        if self._watched and dice.random() < 0.3:
            watched = dice.choice(self._watched)
            endpoint.notify(watched, self._response(), now, confirm=dice.random() < 0.3)
        if dice.random() < 0.005:
            endpoint.forget(("192.0.2.1", dice.randrange(_ADDRESSES)))
        due = endpoint.next_timeout()
        if due is not None and due <= now:
            endpoint.tick(now)

    def _response(self) -> Response:
        dice = self._random
        etag = dice.choice((b"", b"\x01"))
        return Response(dice.choice(_CODES), dice.choice(_BODIES), dice.choice((None, 0, 60)), etag)

    def _check(self, now: float) -> int:
        dice, endpoint, limits = self._random, self._endpoint, self._limits
        for address, out in endpoint.take_output():
            sent = decode(out)
            if sent.type <= NON and dice.random() < 0.6:
                answer = empty_ack if dice.random() < 0.8 else reset
                endpoint.receive_datagram(answer(sent.message_id), address, now)
        ended = set(endpoint.take_ended())
        if ended:
            self._watched = [one for one in self._watched if one not in ended]
        endpoint.take_confirmed()
        counts = endpoint.counts
        caps = {
            "peers": limits.peers + limits.strangers,
            "replies": limits.replies,
            "pending": limits.pending,
            "observations": limits.observations,
            "outgoing": limits.outgoing,
        }
        for name, cap in caps.items():
            if counts[name] > cap:
                raise AssertionError(f"{counts[name]} {name}, {cap} allowed")
        if len(self._watched) != counts["observations"]:
            raise AssertionError("an observation was lost, or is kept though it ended")
        return endpoint.held_bytes


class Client:
    """One client that always has something under way; answers bear its tokens now and then."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._endpoint = ClientEndpoint(LIMITS, random=self._random.random, answer_wait_s=1.0)

    def __call__(self, data: bytes, now: float) -> int:
        dice, endpoint = self._random, self._endpoint
        asked: Message | None = None
        if endpoint.pending < 20:
            observe = dice.random() < 0.3
            body = b"" if observe else dice.choice(_BODIES)
            ask = Ask(Code.GET if observe else Code.FETCH, ("t",), (), body, observe=observe)
            call_id = endpoint.request(ask, now)
            asked = decode(endpoint.take_output()[0])
            if dice.random() < 0.1:
                endpoint.forget(call_id)
        if asked is not None and len(data) > 6:  # as if it answered
            kind = 0x60 if dice.random() < 0.7 else data[0] & 0x30 | 0x40
            code = data[1] if dice.random() < 0.3 else dice.choice((0x45, 0x45, 0x5F, 0x81))
            head = bytes((kind | 4, code, asked.message_id >> 8, asked.message_id & 0xFF))
            endpoint.receive_datagram(head + asked.token + data[4 + (data[0] & 7) :], now)
        for event in endpoint.receive_datagram(data, now):
            _read_bodies(getattr(event, "payload", b""))
        endpoint.tick(now)
        for out in endpoint.take_output():
            decode(out)
        return 0


def _read_bodies(payload: bytes) -> None:
    for read in (decode_links, decode_problem):
        try:
            read(payload)
        except PeerError as error:
            if not error.remedy:
                raise AssertionError("a refusal without a remedy") from error


class Coap:
    """The target: each input meets the next of the machines, at a clock that goes on."""

    def __init__(self) -> None:
        self._turn = 0
        self._machines = (
            Server(1, LIMITS, is_proven=False),
            Server(2, replace(LIMITS, challenge_first=False), is_proven=False),
            Server(3, LIMITS, is_proven=True),
            Client(4),
            Server(5, LIMITS, is_proven=True),
        )

    def __call__(self, data: bytes) -> int:
        self._turn += 1
        held = self._machines[self._turn % len(self._machines)](data, self._turn * 0.01)
        message = decode(data)  # its refusal is counted
        if decode(encode(message)) != message:
            raise AssertionError(f"{message} is written otherwise")
        if message.payload.startswith((b"<", b"\xa0", b"\xa1")):
            _read_bodies(message.payload)
        return held


if __name__ == "__main__":
    sys.exit(main("coap", Coap(), load_corpus(), held_bytes=HELD_BYTES))
