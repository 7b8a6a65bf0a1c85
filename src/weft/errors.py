"""The tree of errors, and whose fault each is.

The core raises; each boundary renders, from one table of its own, by class. A
`detail` says what happened and where; a `remedy` says what to do. Both are read
by people, so neither ever holds a secret or a payload.

    WeftError
    ├── PeerError               the peer's fault: tell it, go on
    │   ├── ProtocolError       bytes that break the protocol: the connection ends
    │   ├── Unauthenticated     we do not know who this is
    │   ├── Forbidden           we know who it is, and it may not
    │   ├── NotFound            no such record for this caller
    │   ├── Invalid             a document or parameter is not as declared
    │   │   ├── PayloadInvalid  a message does not decode, or is against its type
    │   │   └── SigningRequestInvalid  a signing request proves no key that may be signed
    │   ├── Conflict            the record is not as the caller believes
    │   │   ├── AlreadyExists
    │   │   └── StaleVersion
    │   ├── TooLarge            beyond a stated size
    │   ├── RateLimited         too often; says when to come back
    │   └── QuotaExceeded       beyond a stated count or amount
    ├── ConnectorError          the far side of a connector failed; carries whether to try again
    │   └── Unanswered          … or took everything, and its answer was lost
    ├── ConfigurationError      settings that cannot be used: refuse to start
    ├── StorageError            the disk or database failed: nothing was acknowledged
    │   └── Damaged             stored data is not what was written
    └── Unavailable             not now: starting, stopping or overloaded
"""

from typing import ClassVar


class WeftError(Exception):
    """Anything Weft raises on purpose. `code` is stable and documented."""

    code: ClassVar[str] = "internal"

    def __init__(self, detail: str, *, remedy: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.remedy = remedy


class PeerError(WeftError):
    """The peer's fault: it is told, and nothing of ours is wrong."""

    code = "peer_error"


class ProtocolError(PeerError):
    """The peer broke the protocol; its connection cannot go on."""

    code = "protocol_error"


class Unauthenticated(PeerError):
    """No credential, or none that we can prove."""

    code = "unauthenticated"


class Forbidden(PeerError):
    """The principal is known and the policy says no."""

    code = "forbidden"


class NotFound(PeerError):
    """No such record in the caller's tenant (another tenant's record is not told apart)."""

    code = "not_found"


class Invalid(PeerError):
    """A document, parameter or name is not as declared."""

    code = "invalid"


class PayloadInvalid(Invalid):
    """A message does not decode, or is against its device type."""

    code = "payload_invalid"


class SigningRequestInvalid(Invalid):
    """A certificate signing request proves no key that may be signed (PR-2)."""

    code = "signing_request_invalid"


class Conflict(PeerError):
    """The record is not in the state the caller believes."""

    code = "conflict"


class AlreadyExists(Conflict):
    """A record of that name is there already."""

    code = "already_exists"


class StaleVersion(Conflict):
    """The record changed after the caller read it."""

    code = "stale_version"


class TooLarge(PeerError):
    """Larger than a stated limit."""

    code = "too_large"


class RateLimited(PeerError):
    """Too often. `retry_after_s` says when the next try is welcome."""

    code = "rate_limited"

    def __init__(self, detail: str, *, retry_after_s: float, remedy: str = "") -> None:
        super().__init__(detail, remedy=remedy or f"Try again in {retry_after_s:.1f} s.")
        self.retry_after_s = retry_after_s


class QuotaExceeded(PeerError):
    """More than the tenant or principal may hold."""

    code = "quota_exceeded"


class ConnectorError(WeftError):
    """The far side of a connector refused or failed.

    `permanent` means that trying the same again cannot help; otherwise the outbox
    tries again, not before `retry_after_s` where the far side named one.
    """

    code = "connector_failed"

    def __init__(
        self,
        detail: str,
        *,
        permanent: bool = False,
        retry_after_s: float | None = None,
        remedy: str = "",
    ) -> None:
        super().__init__(detail, remedy=remedy)
        self.permanent = permanent
        self.retry_after_s = retry_after_s


class Unanswered(ConnectorError):
    """The far side was given everything and its answer was lost: it may have been taken."""

    code = "connector_unanswered"


class ConfigurationError(WeftError):
    """Settings that cannot be used. Weft does not start on a guess."""

    code = "configuration"


class StorageError(WeftError):
    """The disk or the database failed; what was asked has not happened."""

    code = "storage_failed"


class Damaged(StorageError):
    """Stored data is not what was written. Never repaired without being told to."""

    code = "storage_damaged"


class Unavailable(WeftError):
    """Not now: starting, stopping or overloaded. Nothing was lost."""

    code = "unavailable"
