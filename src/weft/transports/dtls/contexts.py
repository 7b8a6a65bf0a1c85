"""Contexts: which suites we speak, each kind of credential on a context of its own.

The suites with an 8-byte tag (RFC 7252 9) are below OpenSSL's default security level. They
have contexts to themselves, so that lowering the level for them weakens nothing else, and
are taken only by who offers nothing better.
"""

from collections.abc import Callable
from typing import NamedTuple

from OpenSSL import SSL
from OpenSSL.crypto import X509, X509StoreFlags

from weft.errors import ConfigurationError
from weft.observability.log import get_logger
from weft.security.authority import CertificateAuthority, ServerIdentity
from weft.transports.dtls.preshared import DTLS_1_2, KeyCallback, try_keys

log = get_logger(__name__)

# What is spoken, best first, by OpenSSL's names; beside it the numbers that a client offers.
# None in CBC mode: there a forged record of an odd length ends the session (found by fuzzing).
KEYS = (
    ("ECDHE-PSK-CHACHA20-POLY1305", 0xCCAC),
    ("PSK-AES256-GCM-SHA384", 0x00A9),
    ("PSK-AES128-GCM-SHA256", 0x00A8),
    ("PSK-AES128-CCM", 0xC0A4),
)
SMALL_KEYS = (("PSK-AES128-CCM8", 0xC0A8),)
CERTIFICATES = (
    ("ECDHE-ECDSA-AES128-GCM-SHA256", 0xC02B),
    ("ECDHE-ECDSA-AES256-GCM-SHA384", 0xC02C),
    ("ECDHE-ECDSA-CHACHA20-POLY1305", 0xCCA9),
    ("ECDHE-ECDSA-AES128-CCM", 0xC0AC),
)
SMALL_CERTIFICATES = (("ECDHE-ECDSA-AES128-CCM8", 0xC0AE),)
LOWERED = ":@SECLEVEL=0"

Suites = tuple[tuple[str, int], ...]


class Chosen(NamedTuple):
    """The context of one handshake; `keys` is there when it is by pre-shared key."""

    context: SSL.Context
    keys: KeyCallback | None


Offer = tuple[frozenset[int], Chosen]


class Contexts:
    """All contexts of a listener. `fault` says why pre-shared keys are off, if they are."""

    def __init__(self, authority: CertificateAuthority) -> None:
        self._authority = authority
        self.fault = ""
        self._keys: list[Offer] = []
        for suites, lowered in ((KEYS, False), (SMALL_KEYS, True)):
            chosen = self._keys_or_none(suites, lowered=lowered)
            if chosen is not None:
                self._keys.append((_numbers(suites), chosen))
        self._certificates: list[Offer] = []
        self._generation = -1
        self.build()

    @property
    def is_stale(self) -> bool:
        """Whether our certificate was renewed, or others are trusted, since the last `build`."""
        return self._generation != self._authority.generation

    def build(self) -> None:
        """Make the contexts for certificates anew. Blocks for some milliseconds."""
        generation, identity = self._authority.generation, self._authority.server_identity()
        self._certificates = [
            (_numbers(suites), Chosen(_certified(identity, suites, lowered=lowered), None))
            for suites, lowered in ((CERTIFICATES, False), (SMALL_CERTIFICATES, True))
        ]
        self._generation = generation

    def choose(self, offered: frozenset[int]) -> Chosen | None:
        """Return the context for what a client offers, or None when nothing is common.

        Who offers suites of both kinds holds a key: certificates need no key suites beside them.
        """
        for numbers, chosen in (*self._keys, *self._certificates):
            if numbers & offered:
                return chosen
        return None

    def _keys_or_none(self, suites: Suites, *, lowered: bool) -> Chosen | None:
        names = _names(suites, lowered=lowered)

        def make() -> tuple[SSL.Context, KeyCallback]:
            context = _context(names)
            return context, KeyCallback(context)

        try:
            _test_each(make, suites, lowered=lowered)
            return Chosen(*make())
        except ConfigurationError as error:
            self.fault = error.detail
            log.error("dtls_keys_off", error=error.detail, remedy=error.remedy)
            return None


def _certified(identity: ServerIdentity, suites: Suites, *, lowered: bool) -> SSL.Context:
    context = _context(_names(suites, lowered=lowered))
    leaf, *chain = identity.chain
    context.use_certificate(leaf)
    context.use_privatekey(identity.key)
    for certificate in chain:
        context.add_extra_chain_cert(certificate)
    store = context.get_cert_store()
    if store is None:
        raise ConfigurationError("OpenSSL has no store of trusted certificates.")
    for certificate in identity.trusted:
        store.add_cert(X509.from_cryptography(certificate))
    # What is trusted is what was registered, be it a root or an intermediate.
    store.set_flags(X509StoreFlags.PARTIAL_CHAIN)
    context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, _note_verdict)
    return context


def _note_verdict(
    connection: SSL.Connection, _certificate: object, error: int, _depth: int, ok: int
) -> bool:
    """Leave the reason of a refusal with the connection: OpenSSL's error does not name it."""
    if not ok:
        connection.set_app_data(error)
    return bool(ok)


def _numbers(suites: Suites) -> frozenset[int]:
    return frozenset(number for _, number in suites)


def _test_each(
    make: Callable[[], tuple[SSL.Context, KeyCallback]], suites: Suites, *, lowered: bool
) -> None:
    for suite in suites:
        try_keys(make, _names((suite,), lowered=lowered))


def _names(suites: Suites, *, lowered: bool) -> bytes:
    return (":".join(name for name, _ in suites) + (LOWERED if lowered else "")).encode()


def _context(names: bytes) -> SSL.Context:
    context = SSL.Context(SSL.DTLS_SERVER_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    context.set_max_proto_version(DTLS_1_2)
    context.set_cipher_list(names)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # 67 KB a session that is idle, not 82 (measured)
    # Nothing is resumed (RV-2): neither by ticket nor from a cache.
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)
    for option in (
        SSL.OP_NO_TICKET,
        SSL.OP_NO_COMPRESSION,
        SSL.OP_NO_RENEGOTIATION,
        SSL.OP_NO_QUERY_MTU,
        SSL.OP_CIPHER_SERVER_PREFERENCE,
        SSL.OP_COOKIE_EXCHANGE,
    ):
        if option is None:
            raise ConfigurationError("This OpenSSL lacks an option that keeps DTLS safe.")
        context.set_options(option)
    # The cookie was checked before the session was made (see `door`).
    context.set_cookie_generate_callback(lambda _connection: b"checked before")
    context.set_cookie_verify_callback(lambda _connection, _cookie: True)
    return context
