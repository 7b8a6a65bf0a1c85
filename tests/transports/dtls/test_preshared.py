"""Pre-shared keys in OpenSSL: the self-test tells whether the binding is as it was."""

from typing import Any

import pytest
from OpenSSL import SSL
from tests.security.support import World

from weft.errors import ConfigurationError
from weft.transports.dtls import preshared
from weft.transports.dtls.contexts import Contexts
from weft.transports.dtls.preshared import DTLS_1_2, KeyCallback, try_keys


def make() -> tuple[SSL.Context, KeyCallback]:
    context = SSL.Context(SSL.DTLS_SERVER_METHOD)
    context.set_min_proto_version(DTLS_1_2)
    context.set_max_proto_version(DTLS_1_2)
    context.set_cipher_list(b"PSK-AES128-GCM-SHA256")
    return context, KeyCallback(context)


def test_the_self_test_passes_with_this_openssl() -> None:
    """With the right key, and not with another."""
    try_keys(make, b"PSK-AES128-GCM-SHA256")


def test_a_suite_that_is_not_common_fails_it() -> None:
    """As would a key that never comes to be asked for."""
    with pytest.raises(ConfigurationError, match="cannot be used"):
        try_keys(make, b"PSK-AES256-GCM-SHA384")


def test_a_name_that_is_no_text_gets_no_key() -> None:
    """It ends the handshake and raises nothing through OpenSSL."""
    context, callback = make()
    assert context is not None
    ffi: Any = callback._ffi
    room = ffi.new("unsigned char[]", 16)
    for name, size in ((b"\xff\xfe", 16), (b"meter-1", 16), (b"meter-1", 8)):
        callback.find = None if size == 8 else lambda _name: b"k" * 32
        assert callback._answer(None, ffi.new("char[]", name), room, size) == 0


def test_without_the_binding_keys_are_off_and_certificates_go_on(
    certified: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A release renamed what we reach for: it is said, and the rest works."""

    class Renamed:
        ffi = preshared.Binding().ffi
        lib = object()

    monkeypatch.setattr(preshared, "Binding", Renamed)
    contexts = Contexts(certified.authority)
    assert "cannot be used" in contexts.fault
    assert contexts.choose(frozenset({0xC0A8, 0x00A8})) is None
    assert contexts.choose(frozenset({0xC02B})) is not None
