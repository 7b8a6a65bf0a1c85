"""Idempotency: a POST that is sent again with the same key is not done again.

The key is reserved before the work begins and the answer is stored behind it, so a repeat
gets the first answer, a repeat while the first still runs is told so, and the same key with
another body is a conflict. If the process dies between the two, the repeat is told that the
outcome is not known, rather than the work done twice.
"""

import hashlib

from msgspec import Struct
from msgspec.structs import replace

from weft.api.operation import Call, Operation
from weft.errors import Conflict, Invalid
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.ports import Clock, Kind, Reader, Records, Writer

_KEY_MAX = 128
_SWEEP_PAGE = 500


class Answer(Struct, frozen=True):
    """A response as it went out."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    content: bytes


class Remembered(Struct, frozen=True):
    """A key that was used, what for, and what was answered (None while it is being done)."""

    fingerprint: str
    at: int
    answer: Answer | None = None
    secret: bool = False


REMEMBERED = Kind("idempotency", Remembered)


class Idempotency:
    """Keeps the answers to requests that carried an Idempotency-Key."""

    def __init__(self, records: Records, clock: Clock, *, hours: int = 24) -> None:
        self._records = records
        self._clock = clock
        self._kept_ns = hours * 3600 * NS_PER_S

    async def reserve(self, call: Call, operation: Operation, raw: bytes) -> Answer | None:
        """Return the answer given before, or None when the caller is the first and may go on."""
        key, fingerprint = key_of(call, operation), _fingerprint(call, raw)
        now = self._clock.now()

        def work(writer: Writer) -> Remembered | None:
            found = writer.find(REMEMBERED, call.principal.tenant, key)
            if found is not None and found.value.at > now - self._kept_ns:
                return found.value
            value = Remembered(fingerprint, now, secret=operation.secret)
            writer.put(REMEMBERED, call.principal.tenant, key, value)
            return None

        before = await self._records.write(work)
        if before is None:
            return None
        return _answer_again(before, fingerprint)

    async def keep(self, call: Call, operation: Operation, answer: Answer) -> None:
        """Store what was answered; of an answer with a secret, only that there was one."""
        key = key_of(call, operation)
        kept = replace(answer, headers=(), content=b"") if operation.secret else answer

        def work(writer: Writer) -> None:
            found = writer.find(REMEMBERED, call.principal.tenant, key)
            if found is not None:
                value = replace(found.value, answer=kept)
                writer.put(REMEMBERED, call.principal.tenant, key, value)

        await self._records.write(work)

    async def release(self, call: Call, operation: Operation) -> None:
        """Forget a key whose request was refused: nothing was done, so it may be tried again."""
        key = key_of(call, operation)
        await self._records.write(lambda w: w.delete(REMEMBERED, call.principal.tenant, key))

    async def sweep(self) -> int:
        """Forget what is older than it has to be kept; return how many."""
        before = self._clock.now() - self._kept_ns
        tenants = await self._records.read(lambda reader: list(reader.tenants(REMEMBERED)))
        return sum([await self._sweep_tenant(tenant, before) for tenant in tenants])

    async def _sweep_tenant(self, tenant: TenantId, before: int) -> int:
        after, forgotten = "", 0
        while True:
            page = await self._records.read(lambda r, after=after: _page(r, tenant, after))  # type: ignore[misc]  # mypy cannot type a lambda's default
            old = [key for key, at in page if at < before]
            if old:
                await self._records.write(lambda w, old=old: _delete(w, tenant, old))  # type: ignore[misc]  # as above
                forgotten += len(old)
            if len(page) < _SWEEP_PAGE:
                return forgotten
            after = page[-1][0]


def _page(reader: Reader, tenant: TenantId, after: str) -> list[tuple[str, int]]:
    found = reader.list(REMEMBERED, tenant, after=after, limit=_SWEEP_PAGE)
    return [(record.key, record.value.at) for record in found]


def _delete(writer: Writer, tenant: TenantId, keys: list[str]) -> None:
    for key in keys:
        writer.delete(REMEMBERED, tenant, key)


def _answer_again(before: Remembered, fingerprint: str) -> Answer:
    if before.fingerprint != fingerprint:
        raise Conflict(
            "This Idempotency-Key was used for another request.",
            remedy="Make a new key for each new request.",
        )
    if before.answer is None:
        raise Conflict(
            "A request with this Idempotency-Key is being worked on, or was cut short.",
            remedy="Look whether it was done before you send it with a new key.",
        )
    if before.secret:
        raise Conflict(
            "This was done already; its answer held a secret, which is shown only once.",
            remedy="If the secret was lost, revoke it and make a new one.",
        )
    return before.answer


def key_of(call: Call, operation: Operation) -> str:
    """Return what a caller's key is stored under: nobody meets another's keys."""
    text = call.headers.get(b"idempotency-key", b"")
    if not 1 <= len(text) <= _KEY_MAX or not all(0x21 <= byte <= 0x7E for byte in text):
        raise Invalid(
            "The Idempotency-Key is not one that can be kept.",
            remedy=f"Send 1 to {_KEY_MAX} visible ASCII characters, as a UUID.",
        )
    scope = f"{call.principal.kind}\x1f{call.principal.uid}\x1f{operation.name}\x1f"
    return hashlib.sha256(scope.encode() + text).hexdigest()


def _fingerprint(call: Call, raw: bytes) -> str:
    path = "\x1f".join(call.path.values())
    return hashlib.sha256(path.encode() + b"\x1e" + raw).hexdigest()
