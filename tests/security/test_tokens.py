import base64
import hashlib
import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.security.support import MAIN

from weft.security.tokens import ACCESS_LIFE_S, AccessTokens
from weft.supervision import FakeClock

SEED = b"t" * 32
KEY = Ed25519PrivateKey.from_private_bytes(SEED)
PUBLIC = KEY.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def tokens(clock: FakeClock) -> AccessTokens:
    return AccessTokens([SEED], clock)


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64(text: str) -> dict[str, Any]:
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def forge(header: Any, claims: Any, *, sign: Any = KEY.sign) -> str:
    body = f"{b64(json.dumps(header).encode())}.{b64(json.dumps(claims).encode())}"
    return f"{body}.{b64(sign(body.encode()))}"


def signed_with_our_header(tokens: AccessTokens, claims: Any) -> str:
    """As only somebody with our key could: to test the claims alone."""
    head = tokens.sign(MAIN, "u", "s").partition(".")[0]
    body = f"{head}.{b64(json.dumps(claims).encode())}"
    return f"{body}.{b64(KEY.sign(body.encode()))}"


def test_au_7_a_token_of_ours_is_read_for_ten_minutes(
    tokens: AccessTokens, clock: FakeClock
) -> None:
    """Also from the cache of verified tokens."""
    token = tokens.sign(MAIN, "uid-ada", "session")
    clock.turn(ACCESS_LIFE_S - 1)
    for _ in range(2):
        claims = tokens.read(token)
        assert claims is not None
        assert (claims.tid, claims.sub, claims.sid) == (MAIN, "uid-ada", "session")
    clock.turn(1)
    assert tokens.read(token) is None


def test_what_we_signed_is_told_from_what_others_did(
    tokens: AccessTokens, clock: FakeClock
) -> None:
    """Be it expired or not; a token with our header and another's signature is not ours."""
    token = tokens.sign(MAIN, "uid-ada", "session")
    clock.turn(ACCESS_LIFE_S)
    assert tokens.is_ours(token)
    head, claims, _ = token.split(".")
    other = AccessTokens([b"u" * 32], clock).sign(MAIN, "uid-ada", "session")
    for foreign in (f"{head}.{claims}.{b64(bytes(64))}", other, "a.b.c", "x" * 10_000):
        assert not tokens.is_ours(foreign)


FORGED_HEADERS = [
    {"alg": "none"},
    {"alg": "HS256"},
    {"alg": "EdDSA"},
    {"alg": "ES256"},
    {"typ": "JWT"},
    {"kid": "another"},
    {"kid": "../../etc/passwd"},
    {"crit": ["exp"]},
    {"crit": ["unknown"], "unknown": 1},
    {"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "AA"}},
    {"jku": "https://evil.example/keys"},
    {"x5u": "https://evil.example/chain"},
    {"x5c": ["AA=="]},
    {"b64": False, "crit": ["b64"]},
    {"zip": "DEF"},
    {"x": "y" * 1_000_000},
]


@pytest.mark.parametrize("change", FORGED_HEADERS, ids=lambda c: next(iter(c)))
def test_au_7_any_other_header_is_refused(tokens: AccessTokens, change: dict[str, Any]) -> None:
    """Even when it was signed with our own key."""
    head, body, _ = tokens.sign(MAIN, "u", "s").split(".")
    assert tokens.read(forge({**unb64(head), **change}, unb64(body))) is None


def test_au_7_a_token_without_a_signature_is_refused(tokens: AccessTokens) -> None:
    """`none`, an empty signature, a cut one, one of another key."""
    head, body, signature = tokens.sign(MAIN, "u", "s").split(".")
    none = b64(json.dumps({"alg": "none"}).encode())
    other = b64(Ed25519PrivateKey.generate().sign(f"{head}.{body}".encode()))
    for token in (
        f"{none}.{body}.",
        f"{head}.{body}.",
        f"{head}.{body}",
        f"{head}.{body}.{signature[:-4]}",
        f"{head}.{body}.{other}",
        f"{head}..{signature}",
        f"{head}.{body}.{signature}.{signature}",
    ):
        assert tokens.read(token) is None


def test_au_7_the_public_key_is_no_hmac_secret(tokens: AccessTokens) -> None:
    """Algorithm confusion: HS256 with what everybody may know."""
    head, body, _ = tokens.sign(MAIN, "u", "s").split(".")

    def sign(data: bytes) -> bytes:
        return hmac.digest(PUBLIC, data, hashlib.sha256)

    assert tokens.read(forge({**unb64(head), "alg": "HS256"}, unb64(body), sign=sign)) is None
    assert tokens.read(forge(unb64(head), unb64(body), sign=sign)) is None


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "another"},
        {"aud": ["urn:weft:api"]},
        {"iss": "https://evil.example"},
        {"exp": 0},
        {"exp": 10**12},
        {"exp": "soon"},
        {"exp": None},
        {"iat": 10**12},
        {"sub": 7},
        {"admin": True},
    ],
    ids=str,
)
def test_au_7_wrong_claims_are_refused(tokens: AccessTokens, change: dict[str, Any]) -> None:
    """Audience, issuer, time, and what we never write."""
    claims = unb64(tokens.sign(MAIN, "u", "s").split(".")[1])
    assert tokens.read(signed_with_our_header(tokens, claims)) is not None
    assert tokens.read(signed_with_our_header(tokens, {**claims, **change})) is None


@pytest.mark.parametrize("claims", [[], "x", 7, None, {}])
def test_au_7_claims_that_are_none_are_refused(tokens: AccessTokens, claims: Any) -> None:
    """Signed, and not an object of ours."""
    assert tokens.read(signed_with_our_header(tokens, claims)) is None


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é.é.é", "\0", "x" * 9_000])
def test_au_7_odd_texts_are_refused(tokens: AccessTokens, text: str) -> None:
    """Without an exception."""
    assert tokens.read(text) is None


def test_au_7_keys_rotate(clock: FakeClock) -> None:
    """The new key signs, the old one is still believed, an unknown one is not."""
    old, new = AccessTokens([b"1" * 32], clock), AccessTokens([b"2" * 32, b"1" * 32], clock)
    assert new.read(old.sign(MAIN, "u", "s")) is not None
    assert old.read(new.sign(MAIN, "u", "s")) is None


def test_memory_is_bounded(tokens: AccessTokens, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of verified tokens forgets."""
    monkeypatch.setattr("weft.security.tokens.VERIFIED_MAX", 3)
    for number in range(10):
        assert tokens.read(tokens.sign(MAIN, f"u{number}", "s")) is not None
    assert len(tokens._verified) <= 3
