"""Access tokens: short JWTs of our own, for people's sessions (AU-7).

We are the only issuer and the only reader, so a token's header must be, byte for byte, one
that we write: no algorithm, key or critical extension is ever taken from a token. One
algorithm (Ed25519, RFC 9864), ten minutes of life, 8 KB at most.
"""

import base64
import hashlib
from collections.abc import Sequence

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OKPKey
from msgspec import Struct

from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.ports import Clock

ALGORITHM = "Ed25519"
TYPE = "at+jwt"  # RFC 9068, 2.1
ISSUER = "urn:weft"
AUDIENCE = "urn:weft:api"
TOKEN_MAX_BYTES = 8_192
ACCESS_LIFE_S = 600
SKEW_S = 60  # our own clock may have been set back since we signed
VERIFIED_MAX = 4_096  # signatures checked once (135 us each), not at every request


class AccessClaims(Struct, frozen=True, forbid_unknown_fields=True):
    """What an access token says."""

    iss: str
    aud: str
    sub: str  # the user's uid
    tid: TenantId
    sid: str  # the session
    iat: int
    exp: int


class AccessTokens:
    """Signs with the first of its keys, and believes all of them (for rotation)."""

    def __init__(self, seeds: Sequence[bytes], clock: Clock) -> None:
        self._clock = clock
        self._keys: dict[str, OKPKey] = {}  # header segment -> key
        self._verified: dict[str, AccessClaims] = {}
        for seed in seeds:
            kid, key = _import(seed)
            self._keys[_header_segment(kid)] = key
            if len(self._keys) == 1:
                self._kid, self._key = kid, key

    def sign(self, tenant: TenantId, user_uid: str, session_id: str) -> str:
        """Make a token of a person's session."""
        now = self._clock.now() // NS_PER_S
        claims = AccessClaims(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=user_uid,
            tid=tenant,
            sid=session_id,
            iat=now,
            exp=now + ACCESS_LIFE_S,
        )
        header = {"alg": ALGORITHM, "kid": self._kid, "typ": TYPE}
        return jwt.encode(header, msgspec.to_builtins(claims), self._key, algorithms=[ALGORITHM])

    def read(self, token: str) -> AccessClaims | None:
        """Return the claims of a token that we signed and that has not expired, or None."""
        claims = self._signed(token)
        if claims is None:
            return None
        now = self._clock.now() // NS_PER_S
        return claims if claims.iat <= now + SKEW_S and now < claims.exp else None

    def is_ours(self, token: str) -> bool:
        """Whether we signed it, be it expired or not."""
        return self._signed(token) is not None

    def _signed(self, token: str) -> AccessClaims | None:
        if len(token) > TOKEN_MAX_BYTES or not token.isascii():
            return None
        return self._verified.get(token) or self._verify(token)

    def _verify(self, token: str) -> AccessClaims | None:
        key = self._keys.get(token.partition(".")[0])
        if key is None:
            return None
        try:
            found = jwt.decode(token, key, algorithms=[ALGORITHM])
            claims = msgspec.convert(found.claims, AccessClaims)
        except (JoseError, ValueError):
            return None
        if (claims.iss, claims.aud) != (ISSUER, AUDIENCE):
            return None
        if claims.exp > claims.iat + ACCESS_LIFE_S:
            return None
        if len(self._verified) >= VERIFIED_MAX:
            self._verified.clear()
        self._verified[token] = claims
        return claims


def _import(seed: bytes) -> tuple[str, OKPKey]:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key()
    raw = public.public_bytes(Encoding.Raw, PublicFormat.Raw)
    kid = hashlib.sha256(raw).hexdigest()[:16]
    key = OKPKey.import_key(
        {"kty": "OKP", "crv": ALGORITHM, "x": _base64url(raw), "d": _base64url(seed)}
    )
    return kid, key


def _header_segment(kid: str) -> str:
    # As joserfc writes it: the same dict, in the same order, without spaces.
    header = {"typ": TYPE, "alg": ALGORITHM, "kid": kid}
    return _base64url(msgspec.json.encode(header))


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
