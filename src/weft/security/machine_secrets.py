"""Machine secrets: what devices, service keys and one-time links prove themselves with.

`weft_<key id>_<43 characters of secret>_<crc>`: 256 random bits behind a prefix and a
checksum that secret scanners find. It is shown once and kept as an HMAC under a pepper
that the database alone does not give (CR-2), so a check costs a microsecond, not an
argon2, and a CONNECT flood buys nothing.
"""

import base64
import hashlib
import hmac
import os
import re
import zlib

from msgspec import Struct

_TEXT = re.compile(r"(weft_([a-z2-7]{16})_([A-Za-z0-9_-]{43}))_([0-9a-f]{8})")


class MachineSecret(Struct, frozen=True):
    """A secret in clear. Never stored, never logged; `text` is shown once."""

    key_id: str
    secret: str

    @property
    def text(self) -> str:
        """The whole, as its holder keeps it."""
        body = f"weft_{self.key_id}_{self.secret}"
        return f"{body}_{_checksum(body)}"

    def __repr__(self) -> str:
        return f"MachineSecret({self.key_id}, withheld)"

    def digest(self, pepper: bytes) -> str:
        """What is stored in its place."""
        return hmac.digest(pepper, self.text.encode(), hashlib.sha256).hex()

    def matches(self, digest: str, pepper: bytes) -> bool:
        """Whether this is the secret that was stored, in time that does not tell."""
        return hmac.compare_digest(self.digest(pepper), digest)


def make_secret() -> MachineSecret:
    """Make a new secret from 42 random bytes: 10 for the key id, 32 to prove."""
    key_id = base64.b32encode(os.urandom(10)).decode().lower()
    secret = base64.urlsafe_b64encode(os.urandom(32)).decode().rstrip("=")
    return MachineSecret(key_id, secret)


def derive_secret(group: MachineSecret, serial: str) -> MachineSecret:
    """Return the secret of one device of a group: HMAC-SHA-256 of its serial under the group's.

    It bears the group's key id. Who reads it out of a device has that device's alone.
    """
    derived = hmac.digest(group.text.encode(), serial.encode(), hashlib.sha256)
    secret = base64.urlsafe_b64encode(derived).decode().rstrip("=")
    return MachineSecret(group.key_id, secret)


def derive_preshared(secret: MachineSecret) -> str:
    """Return the pre-shared key of a claim's secret: what it is over DTLS, 32 characters.

    It opens the same as the secret does, and the secret cannot be found from it.
    """
    derived = hmac.digest(secret.text.encode(), b"weft claim psk", hashlib.sha256)
    return base64.urlsafe_b64encode(derived[:24]).decode()


def parse_secret(text: str) -> MachineSecret | None:
    """Read a secret as its holder sent it; None when it is none, or mistyped."""
    found = _TEXT.fullmatch(text)
    if found is None or _checksum(found[1]) != found[4]:
        return None
    return MachineSecret(found[2], found[3])


def _checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"
