"""The operator: whoever can read the key file in the data folder holds the machine.

The command line on the same machine needs no account and no password: it signs a token
that lives for a minute with a key that only the owner of the folder can read (mode 0600).
The token names the tenant that it speaks for. Nothing of it ever leaves by the network
unless its holder sends it.
"""

import hashlib
import hmac
import os
from base64 import urlsafe_b64encode
from pathlib import Path

from weft.errors import ConfigurationError
from weft.model.ids import TenantId, require_name
from weft.model.moments import NS_PER_S
from weft.ports import Clock

FILE = "operator.key"
PREFIX = "weftop"
LIFE_S = 60


def open_key(folder: Path) -> bytes:
    """Return the key in a data folder, made now if there is none; for the server."""
    path = folder / FILE
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(os.urandom(32))
    return read_key(folder)


def read_key(folder: Path) -> bytes:
    """Return the key in a data folder, or raise `ConfigurationError`; for the command line."""
    path = folder / FILE
    try:
        key, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise ConfigurationError(
            f"The operator's key {path} cannot be read: {error.strerror}.",
            remedy="Run as the user that runs Weft, or set WEFT_URL and WEFT_TOKEN.",
        ) from error
    if len(key) != 32 or mode & 0o077:
        raise ConfigurationError(
            f"The operator's key {path} is damaged, or open to others.",
            remedy="Delete it and start Weft again; it makes a new one.",
        )
    return key


class Operator:
    """Makes the operator's tokens, and tells them from others."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._key = key
        self._clock = clock

    def make_token(self, tenant: TenantId) -> str:
        """Return a token that lives for a minute."""
        expires_s = self._clock.now() // NS_PER_S + LIFE_S
        body = f"{PREFIX}/{require_name(tenant, 'tenant id')}/{expires_s}"
        return f"{body}/{self._signature(body)}"

    def find_tenant(self, token: str) -> tuple[TenantId, int] | None:
        """Return the tenant that a token speaks for and its end (ns), or None."""
        body, _, signature = token.rpartition("/")
        if not hmac.compare_digest(signature.encode(), self._signature(body).encode()):
            return None
        _, tenant, expires_s = body.split("/")
        expires_at = int(expires_s) * NS_PER_S
        if not self._clock.now() < expires_at <= self._clock.now() + 2 * LIFE_S * NS_PER_S:
            return None
        return TenantId(tenant), expires_at

    def _signature(self, body: str) -> str:
        digest = hmac.digest(self._key, body.encode(), hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")
