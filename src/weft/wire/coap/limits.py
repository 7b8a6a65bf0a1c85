"""Caps on what one peer, and all of them together, may ask for, each with its answer."""

from msgspec import Struct


class Limits(Struct, frozen=True, forbid_unknown_fields=True):
    """What a server grants. Counts and bytes are held whatever addresses are made up."""

    options: int = 64  # 4.00
    payload_bytes: int = 256 * 1024  # 4.13; one request, put together of any number of blocks
    block_bytes: int = 1024  # the largest block we send or ask for: 16 to 1024, a power of two

    challenge_first: bool = True  # CO-2: no stranger is served; its first request gets 4.01, Echo
    amplification: int = 3  # times the request: more is never sent to a stranger (RFC 9175 2.4)
    echo_window_s: float = 60.0  # an Echo value is good for one to two of these
    proof_lifetime_s: float = 3600.0  # how long a silent peer's address stays proven

    peers: int = 16_384  # whose address is proven; the longest silent is forgotten
    strangers: int = 4096  # known only where strangers are served
    network_share: float = 0.25  # of what all may hold: a /64 is one peer with many addresses
    exchange_lifetime_s: float = 247.0  # RFC 7252 4.8.2, with its default parameters
    peer_replies: int = 4096  # remembered answers; the oldest is forgotten (CO-5)
    peer_reply_bytes: int = 1024 * 1024
    stranger_replies: int = 4
    replies: int = 65_536
    reply_bytes: int = 16 * 1024 * 1024
    peer_pending: int = 64  # requests without an answer yet; then 5.03
    pending: int = 8192
    pending_bytes: int = 16 * 1024 * 1024  # of their requests, bodies put together too

    ack_delay_s: float = 0.5  # an answer that takes longer comes separately (RFC 7252 5.2.2)
    ack_timeout_s: float = 2.0  # RFC 7252 4.8: ACK_TIMEOUT, ACK_RANDOM_FACTOR, MAX_RETRANSMIT
    ack_random_factor: float = 1.5
    max_retransmit: int = 4
    outgoing: int = 16_384  # confirmable messages of ours that await their ACK

    peer_uploads: int = 4  # Block1 transfers under way; the peer's oldest gives way (CO-5)
    peer_upload_bytes: int = 512 * 1024  # 4.13
    upload_bytes: int = 16 * 1024 * 1024  # 5.03
    upload_wait_s: float = 60.0  # for the next block
    peer_download_bytes: int = 512 * 1024  # representations kept for their next blocks
    download_bytes: int = 16 * 1024 * 1024
    download_wait_s: float = 60.0

    peer_observations: int = 32  # and a principal's (CO-6); more are answered without Observe
    observations: int = 65_536
    observed_bytes: int = 1024  # of the request that is kept with each; larger are not observed
    confirm_every: int = 16  # every n-th notification is confirmable (RFC 7641 4.5)
    confirm_after_s: float = 300.0  # and the first one after so long


DEFAULT_LIMITS = Limits()
