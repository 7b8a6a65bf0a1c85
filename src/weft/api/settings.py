"""Settings of the API: where it listens and what it takes from one caller."""

from msgspec import Struct, field

MIB = 1024 * 1024


class LineSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[api.lines]`: bodies that are streams of lines (NDJSON)."""

    line_max_bytes: int = 256 * 1024  # as one MQTT packet
    lines_max: int = 1_000_000  # in one request; then the sender learns what is kept
    idle_s: float = 30.0  # a sender that is silent for so long holds a connection no longer


class ApiSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[api]`: how people and business systems reach us over HTTP."""

    listen: str = "127.0.0.1:8080"  # plain HTTP, loopback only; empty turns it off
    tls_listen: str = ""  # HTTPS on any address, as 0.0.0.0:8443
    max_connections: int = 4096  # beyond these a new connection is closed at once
    max_connections_per_address: int = 1024  # an IPv6 /64 counts as one; loopback is a proxy's
    max_header_bytes: int = 32 * 1024  # a token and a certificate fit; llhttp itself has no limit
    header_timeout_s: float = 10.0  # a client that drips its headers holds a connection no longer
    body_timeout_s: float = 30.0
    keep_alive_s: int = 75  # longer than the common 60 s of proxies, so that they close first
    stop_timeout_s: int = 5
    max_body_bytes: int = 1 * MIB
    max_frame_bytes: int = 1 * MIB  # of a WebSocket; several MQTT packets may be in one
    max_depth: int = 32  # of JSON; deeper documents are attacks, not data
    idempotency_hours: int = 24  # how long a repeat gets the first answer
    streams_per_principal: int = 8
    stream_queue: int = 1000  # events that a slow reader may lag behind
    heartbeat_s: float = 15.0  # proxies close a silent stream after 30 to 60 s
    poll_linger_s: float = 15.0  # between two polls a device counts as connected for so long
    post_silence_s: float = 3600.0  # a device that only posts counts as there for so long
    lines: LineSettings = field(default_factory=LineSettings)
