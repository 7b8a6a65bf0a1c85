"""Pre-shared keys in OpenSSL: the one place that reaches below pyOpenSSL's public names.

pyOpenSSL has no call for the key of a name, so the callback is set through the binding of
`cryptography`, which may change with any release. `try_keys` therefore runs a handshake
in memory before anybody is let in; what does not pass it stays off.
"""

import os
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.bindings.openssl.binding import Binding
from OpenSSL import SSL

from weft.errors import ConfigurationError
from weft.observability.log import get_logger

log = get_logger(__name__)

DTLS_1_2 = 0xFEFD
SERVER_CALL = "unsigned int (*)(SSL *, const char *, unsigned char *, unsigned int)"
CLIENT_CALL = (
    "unsigned int (*)(SSL *, const char *, char *, unsigned int, unsigned char *, unsigned int)"
)
NO_KEY = 0  # what ends the handshake
MTU_BYTES = 1_280
_STEPS_MAX = 20

FindKey = Callable[[str], bytes]


class KeyCallback:
    """Gives the key for the name that a handshake brings.

    Handshakes run on the loop, one step at a time: `find` is set before a step and asked
    within it.
    """

    def __init__(self, context: SSL.Context) -> None:
        """Raises `ConfigurationError` when the binding is not as it was."""
        self.find: FindKey | None = None
        binding = Binding()
        self._ffi: Any = binding.ffi
        try:
            # OpenSSL keeps the bare pointer: this object must live as long as the context.
            self._callback = self._ffi.callback(SERVER_CALL, self._answer, error=NO_KEY)
            binding.lib.SSL_CTX_set_psk_server_callback(context._context, self._callback)  # noqa: SLF001
        except (AttributeError, TypeError) as error:
            raise _unusable(error) from error

    def _answer(self, _ssl: Any, name: Any, room: Any, size: int) -> int:
        try:
            find = self.find
            identity = self._ffi.string(name).decode("utf-8")
            key = b"" if find is None else find(identity)
        except UnicodeDecodeError:
            return NO_KEY
        except Exception:  # a bug of ours must not unwind through OpenSSL
            log.exception("dtls_key_broke")
            return NO_KEY
        if len(key) > size:
            return NO_KEY
        self._ffi.memmove(room, key, len(key))
        return len(key)


def try_keys(make: Callable[[], tuple[SSL.Context, KeyCallback]], suites: bytes) -> None:
    """Shake hands in memory with a key, as a client of these suites would.

    Raises `ConfigurationError` when it does not work, or works with another key.
    """
    right, wrong = os.urandom(32), os.urandom(32)
    if not _shakes(make, suites, right, right) or _shakes(make, suites, right, wrong):
        raise _unusable("the handshake in memory did not do what it must")


def _shakes(
    make: Callable[[], tuple[SSL.Context, KeyCallback]], suites: bytes, ours: bytes, theirs: bytes
) -> bool:
    context, callback = make()
    callback.find = lambda name: ours if name == "self-test" else b""
    server = SSL.Connection(context, None)
    server.set_accept_state()
    server.set_ciphertext_mtu(MTU_BYTES)
    made, kept = client_context("self-test", theirs, suites)
    client = SSL.Connection(made, None)
    client.set_connect_state()
    try:
        for _ in range(_STEPS_MAX):
            done = [_step(client, server), _step(server, client)]
            if all(done):
                return True
    except SSL.Error:
        return False
    finally:
        callback.find = None
        del kept
    return False


def client_context(name: str, key: bytes, suites: bytes) -> tuple[SSL.Context, object]:
    """Return a client's context that holds a key, and what must live as long as it does."""
    binding = Binding()
    ffi: Any = binding.ffi
    context = SSL.Context(SSL.DTLS_CLIENT_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    context.set_max_proto_version(DTLS_1_2)
    context.set_cipher_list(suites)

    identity = name.encode() + b"\0"

    def answer(_ssl: Any, _hint: Any, said: Any, size: int, room: Any, most: int) -> int:
        if len(identity) > size or len(key) > most:
            return NO_KEY
        ffi.memmove(said, identity, len(identity))
        ffi.memmove(room, key, len(key))
        return len(key)

    callback = ffi.callback(CLIENT_CALL, answer, error=NO_KEY)
    try:
        binding.lib.SSL_CTX_set_psk_client_callback(context._context, callback)  # noqa: SLF001
    except (AttributeError, TypeError) as error:
        raise _unusable(error) from error
    return context, callback


def _step(one: SSL.Connection, other: SSL.Connection) -> bool:
    """Let one side do what it can and hand the bytes over; return whether it is done."""
    try:
        one.do_handshake()
        done = True
    except SSL.WantReadError:
        done = False
    try:
        other.bio_write(one.bio_read(65_536))
    except SSL.WantReadError:
        return done
    return done


def _unusable(why: object) -> ConfigurationError:
    return ConfigurationError(
        f"Pre-shared keys cannot be used with this OpenSSL: {why}.",
        remedy="Install the versions of pyOpenSSL and cryptography that Weft's lock names.",
    )
