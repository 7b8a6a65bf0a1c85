"""Contexts: which suites are spoken, and what is lowered for the small ones alone."""

from OpenSSL import SSL
from tests.security.support import World

from weft.transports.dtls.contexts import (
    CERTIFICATES,
    KEYS,
    SMALL_CERTIFICATES,
    SMALL_KEYS,
    Contexts,
)


def test_co_1_each_suite_has_a_context_and_the_small_ones_their_own(certified: World) -> None:
    """Who offers something better never gets the 8-byte tag, nor its lower level."""
    contexts = Contexts(certified.authority)
    assert contexts.fault == ""
    found = {}
    for suites in (KEYS, SMALL_KEYS, CERTIFICATES, SMALL_CERTIFICATES):
        chosen = {contexts.choose(frozenset({number})) for _, number in suites}
        assert len(chosen) == 1
        found[suites] = chosen.pop()
    assert len({id(one.context) for one in found.values() if one}) == 4
    better = frozenset({SMALL_KEYS[0][1], KEYS[-1][1]})
    assert contexts.choose(better) == found[KEYS]
    both = frozenset({SMALL_KEYS[0][1], CERTIFICATES[0][1]})
    assert contexts.choose(both) == found[SMALL_KEYS]
    assert contexts.choose(frozenset({0x0005})) is None


def test_mq_1_no_context_speaks_anything_but_its_table(certified: World) -> None:
    """OpenSSL's names, as they are in effect."""
    contexts = Contexts(certified.authority)
    for suites in (KEYS, SMALL_KEYS, CERTIFICATES, SMALL_CERTIFICATES):
        chosen = contexts.choose(frozenset({suites[0][1]}))
        assert chosen is not None
        spoken = [
            name
            for name in SSL.Connection(chosen.context, None).get_cipher_list()
            if not name.startswith("TLS_")  # of TLS 1.3, which DTLS 1.2 does not have
        ]
        assert set(spoken) == {name for name, _ in suites}
        assert chosen.context.get_session_cache_mode() == SSL.SESS_CACHE_OFF
