"""Stays: from when until when a device was at an asset, for answers about the past.

What a machine did last month was done where it stood then, wherever it has been moved since.
What a device said before it was attached anywhere counts at its first asset: who connects a
machine, and says a day later where it stands, means that day too.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import groupby, islice
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from weft.errors import TooLarge
from weft.history.states import Interval
from weft.model.asset import Asset, Attachment, AttachmentRole
from weft.model.ids import TenantId
from weft.ports import Reader, Records
from weft.registry.kinds import ATTACHMENTS

ATTACHMENTS_MAX: Final = 20_000  # looked at for one answer, those that have ended included
_PAGE: Final = 500
_AT_ONCE: Final = 200  # assets in one transaction


class Stay(Struct, frozen=True):
    """The time, of some that was asked for, in which a device observed an asset."""

    device_id: str
    device_uid: str
    asset_id: str
    within: tuple[Interval, ...]  # in order, none empty


async def stays_of(
    records: Records, tenant: TenantId, assets: Sequence[Asset], within: Interval
) -> list[Stay]:
    """Return who observed assets in a time, in their order; raise `TooLarge` for too many."""
    found: list[Stay] = []
    looked_at = 0

    for first in range(0, len(assets), _AT_ONCE):
        some = [asset.uid for asset in assets[first : first + _AT_ONCE]]
        most = ATTACHMENTS_MAX + 1 - looked_at
        attachments = await records.read(partial(_some, tenant=tenant, uids=some, most=most))
        looked_at += len(attachments)
        if looked_at > ATTACHMENTS_MAX:
            raise TooLarge(
                f"More than {ATTACHMENTS_MAX} devices have been attached there, one by one.",
                remedy="Ask for a part of it.",
            )
        found.extend(_stays(attachments, within))
    return found


def _some(reader: Reader, *, tenant: TenantId, uids: Sequence[str], most: int) -> list[Attachment]:
    each = (one for uid in uids for one in _all(reader, tenant, ("asset", uid)))
    return [_whole(reader, one) for one in islice(each, most)]


def _all(reader: Reader, tenant: TenantId, where: tuple[str, str]) -> Iterator[Attachment]:
    """Yield what observes, by device and age."""
    after = ""
    while page := reader.list(ATTACHMENTS, tenant, where=where, after=after, limit=_PAGE):
        yield from (one.value for one in page if one.value.role is AttachmentRole.OBSERVES)
        after = page[-1].key


def _whole(reader: Reader, attachment: Attachment) -> Attachment:
    """Let the first attachment of a device begin with all time."""
    earlier = _all(reader, attachment.tenant, ("device", attachment.device_uid))
    first = next(earlier, None)
    is_first = first is None or first.key == attachment.key
    return replace(attachment, from_at=0) if is_first else attachment


def _stays(attachments: Iterable[Attachment], within: Interval) -> Iterator[Stay]:
    """Yield what lies within a time; a device that went and came back has one stay."""
    for (_, asset_id), some in groupby(attachments, lambda one: (one.device_uid, one.asset_id)):
        held = [*some]
        times = [_cut(one, within) for one in held]
        kept = tuple((begin, end) for begin, end in times if begin < end)
        if kept:
            yield Stay(held[0].device_id, held[0].device_uid, asset_id, kept)


def _cut(attachment: Attachment, within: Interval) -> Interval:
    until = within[1] if attachment.until_at is None else attachment.until_at
    return max(attachment.from_at, within[0]), min(until, within[1])
