"""Settings of DTLS: what a peer may cost, before its handshake is done and after."""

from msgspec import Struct

from weft.security.limits import Rate


class DtlsSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[transports.coap.dtls]`: what a peer may cost."""

    handshake_s: float = 30.0  # a flight that is lost comes again after 1, 3, 7 and 15 s
    handshake_max_bytes: int = 32 * 1024  # a chain of certificates fits twice, a flood does not
    handshakes: int = 1_000  # under way at once, each behind a cookie
    handshakes_per_address: int = 100  # under way; an IPv6 /64 counts as one address
    handshake_rate: Rate = Rate(50, 500)  # begun of one address; a site's meters come back at once
    sessions: int = 10_000  # some 70 KB each; beyond, the one longest silent goes
    idle_s: float = 24 * 3600.0  # a sleeping meter reports once a day
    keep_s: float = 60.0  # one heard so lately is not given up for a newcomer
    mtu_bytes: int = 1_280  # what every IPv6 link carries [RFC 8200 5]
