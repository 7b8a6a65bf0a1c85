"""Reasons: why a proof was refused, in words for its owner, each with what to do.

The peer reads one sentence for all of them, so that guessing learns nothing; these stand
in the log of attempts and in what `weft device why` says.
"""

from typing import NamedTuple

from weft.errors import RateLimited
from weft.model.moments import to_rfc3339
from weft.security.certificates import PresentedCertificate
from weft.security.credential_records import DeviceCredential


class Reason(NamedTuple):
    """What was wrong, and the remedy."""

    text: str
    remedy: str


_ISSUE = "Issue another: weft credential add DEVICE."

NO_CREDENTIAL = Reason(
    "the password is no Weft credential, or was mistyped",
    "Paste the credential whole, as weft device add printed it, or issue another: "
    "weft credential add DEVICE.",
)
NO_TOKEN = Reason("the bearer token is no Weft credential, or was mistyped", NO_CREDENTIAL.remedy)
WRONG_NAME = Reason(
    "the user name is not that of the credential's owner",
    "Use the device's id as user name, or the token as user name and no password.",
)
TOO_LONG = Reason("the token is too long", "Send the token alone, without quotes or a prefix.")
UNKNOWN_CERTIFICATE = Reason(
    "the certificate's key or URI is not that of a live credential",
    "It was issued by another Weft, or its device was deleted. Issue another: "
    "weft credential add DEVICE --kind certificate.",
)
ANOTHERS_URI = Reason(
    "the certificate's URI is not that of the device whose key it has",
    "Send the certificate that was issued for this key, or issue another: "
    "weft credential add DEVICE --kind certificate.",
)
NOT_VOUCHED_FOR = Reason(
    "the authority of the device's key has not signed this certificate, or is disabled",
    "See weft authority list; or bind the certificate: weft credential bind DEVICE FILE.",
)
REVOKED_MEANWHILE = Reason("the pre-shared key was revoked during the handshake", _ISSUE)
KEY_OVER = Reason("the key has expired", _ISSUE)
NO_KEY = Reason(
    "no pre-shared key has this name: deleted with its device, or never made",
    "Check the identity, or issue another key: weft credential add DEVICE --kind psk.",
)
WRONG_KEY = Reason(
    "the pre-shared key is wrong, or the peer went silent",
    "Check the key that belongs to this identity, and that it is read as hexadecimal digits.",
)
WRONG_CLAIM_KEY = Reason(
    "the claim's pre-shared key is wrong, or the peer went silent",
    "Take the key that belongs to this identity: weft claim derive --psk, or the claim's psk_key.",
)
NOT_TO_PROVISION = Reason(
    "a claim's key opens provisioning alone, and something else was asked for",
    "Ask for an identity (POST /api/v1/provision), and come back with it.",
)
NOT_ACTIVE = Reason(
    "the device is not active: pending, suspended, revoked or deleted",
    "See weft device show DEVICE; make it active: weft device move DEVICE active.",
)
NO_ONE_TIME_TOKEN = Reason(
    "the token is no Weft token, or was mistyped", "Paste the token whole, or make another."
)
ONE_TIME_TOKEN_OVER = Reason(
    "no live one-time token is this: used, expired, or never made", "Make another."
)
WRONG_SECRET = Reason("the secret is wrong or has expired", _ISSUE)
UNKNOWN_KEY_ID = Reason(
    "no credential has this key id: deleted with its device, or never made", _ISSUE
)
SESSION_OVER = Reason("the access token is not valid, or its session has ended", "Sign in again.")


def revoked(credential: DeviceCredential) -> Reason:
    """Return the reason for a credential that was revoked, with the moment."""
    return Reason(f"the credential was revoked on {to_rfc3339(credential.revoked_at or 0)}", _ISSUE)


def certificate_over(presented: PresentedCertificate, known: DeviceCredential, now: int) -> Reason:
    """Return why a certificate does not open what its key is known to be (`known`), now (ns)."""
    if now < presented.not_before:
        return Reason(
            f"the certificate is not valid before {to_rfc3339(presented.not_before)}",
            "Check the clock of whoever signed it, and that of this server.",
        )
    ends = min(presented.not_after, known.expires_at or presented.not_after)
    if now >= ends:
        return Reason(
            f"the certificate has expired on {to_rfc3339(ends)}",
            "Issue another: weft credential add DEVICE --kind certificate. A device renews its "
            "own from two thirds of its life, where its clock is right.",
        )
    return NOT_VOUCHED_FOR if known.authority else ANOTHERS_URI


def claim_closed(why: str) -> Reason:
    """Return the reason for a visit that a claim does not admit, or no longer."""
    return Reason(why, "See weft claim show CLAIM_ID; make another where its time is over.")


def too_many_failures(limited: RateLimited) -> Reason:
    """Return the reason for a proof that was not even looked at, and for how long that holds."""
    return Reason(
        f"not evaluated after too many failures. {limited.remedy.removesuffix('.')}",
        "Mend the credential first, then wait as long as it says.",
    )
