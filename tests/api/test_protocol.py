"""The protocol's limits are held over real sockets in test_server.py; here, what it is given."""

import asyncio
import socket
from typing import Any, cast

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from weft.api.protocol import UNTAKEN_MS, WeftHttpProtocol, watch_peer
from weft.api.server import HttpServer
from weft.api.settings import ApiSettings


def test_uvicorn_is_the_one_that_the_subclass_was_written_for() -> None:
    """Its private hooks are overridden: another version has to be read first."""
    assert uvicorn.__version__ == "0.54.0"
    for name in (
        "handle_websocket_upgrade",
        "on_message_begin",
        "on_headers_complete",
        "send_400_response",
        "data_received",
    ):
        assert name in vars(HttpToolsProtocol)
        assert name in vars(WeftHttpProtocol)


def test_a_peer_that_has_vanished_is_not_waited_for() -> None:
    """Its streams would count against the next ones of the same person, for many minutes."""
    with socket.socket() as plain:
        watch_peer(asyncio.Transport({"socket": plain}))
        assert plain.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert plain.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNTAKEN_MS
    watch_peer(asyncio.Transport({}))  # none of TCP


class Peer(asyncio.Transport):
    """A connection from an address of one's choice."""

    def __init__(self, host: str) -> None:
        super().__init__({"peername": (host, 4_000), "sockname": ("192.0.2.1", 443)})
        self.aborted = False

    def abort(self) -> None:
        self.aborted = True

    def close(self) -> None:
        """Uvicorn closes what is lost."""


@pytest.mark.parametrize(
    ("hosts", "aborted"),
    [
        (["2001:db8::1", "2001:db8::2", "2001:db8::3"], [False, False, True]),
        (["2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"], [False, False, False]),
        (["192.0.2.7", "192.0.2.7", "192.0.2.8"], [False, False, False]),
        (["127.0.0.1"] * 3, [False] * 3),  # a proxy of our own, for many
    ],
)
async def test_rl_2_one_network_does_not_hold_all_connections(
    hosts: list[str], aborted: list[bool]
) -> None:
    """An IPv6 /64 counts as one address; who leaves makes room."""
    settings = ApiSettings(max_connections_per_address=2)
    server = HttpServer(None, settings, listen="127.0.0.1:0")._make()
    config = cast("Any", server.config)

    def connect(host: str) -> tuple[WeftHttpProtocol, Peer]:
        protocol = WeftHttpProtocol(config, server_state=server.server_state, app_state={})
        peer = Peer(host)
        protocol.connection_made(peer)
        return protocol, peer

    came = [connect(host) for host in hosts]
    assert [peer.aborted for _, peer in came] == aborted
    for protocol, _ in came:
        protocol.connection_lost(None)
    assert not config.networks
    again, peer = connect(hosts[-1])
    assert not peer.aborted
    again.connection_lost(None)
