"""Stays: from when until when devices were at assets, for answers about the past.

What a machine did last month was done where it stood then, wherever it has been moved since.
What a device said before it was attached anywhere counts at its first asset: who connects a
machine, and says a day later where it stands, means that day too.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
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

ATTACHMENTS_MAX: Final = 100_000  # read for one answer, in about a second
_PAGE: Final = 500
_ASSETS_AT_ONCE: Final = 200  # in one transaction
_DEVICES_AT_ONCE: Final = 200


class Stay(Struct, frozen=True):
    """The time, of some that was asked for, in which a device observed an asset."""

    device_id: str
    device_uid: str
    asset_id: str
    within: tuple[Interval, ...]  # in order, none empty
    first_at: int | None = None  # ns; its first attachment began here, and counts from before


async def stays_of(
    records: Records,
    tenant: TenantId,
    assets: Sequence[Asset],
    within: Interval,
    wanted: Callable[[Attachment], bool],
) -> list[Stay]:
    """Return the wanted that observed assets in a time, in the assets' order.

    Raise `TooLarge` where too many attachments would have to be read.
    """
    found: list[Attachment] = []
    room = ATTACHMENTS_MAX
    for some in _parts([asset.uid for asset in assets], _ASSETS_AT_ONCE):
        read = await records.read(partial(_at_assets, tenant=tenant, uids=some, most=room + 1))
        room -= len(read)
        if room < 0:
            raise TooLarge(
                f"More than {ATTACHMENTS_MAX} attachments have been made there, all in all.",
                remedy="Ask for a part of it.",
            )
        found.extend(one for one in read if _reaches(one, within) and wanted(one))
    late = list(dict.fromkeys(one.device_uid for one in found if one.from_at > within[0]))
    firsts: set[str] = set()
    for some in _parts(late, _DEVICES_AT_ONCE):
        firsts |= await records.read(partial(_firsts, tenant=tenant, uids=some))
    return [*_stays(found, firsts, within)]


def _parts(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (values[first : first + size] for first in range(0, len(values), size))


def _at_assets(
    reader: Reader, *, tenant: TenantId, uids: Sequence[str], most: int
) -> list[Attachment]:
    each = (one for uid in uids for one in _all(reader, tenant, ("asset", uid), _PAGE))
    return [*islice(each, most)]


def _firsts(reader: Reader, *, tenant: TenantId, uids: Sequence[str]) -> set[str]:
    """Return the keys of the attachments that were the first of their devices."""
    each = (next(_all(reader, tenant, ("device", uid), 2), None) for uid in uids)
    return {first.key for first in each if first is not None}


def _all(
    reader: Reader, tenant: TenantId, where: tuple[str, str], page_size: int
) -> Iterator[Attachment]:
    """Yield what observes, by device and age."""
    after = ""
    while page := reader.list(ATTACHMENTS, tenant, where=where, after=after, limit=page_size):
        yield from (one.value for one in page if one.value.role is AttachmentRole.OBSERVES)
        after = page[-1].key


def _reaches(attachment: Attachment, within: Interval) -> bool:
    return attachment.until_at is None or attachment.until_at > within[0]


def _stays(attachments: Iterable[Attachment], firsts: set[str], within: Interval) -> Iterator[Stay]:
    """Yield what lies within a time; a device that went and came back has one stay."""
    for (_, asset_id), some in groupby(attachments, lambda one: (one.device_uid, one.asset_id)):
        held = [*some]
        first_at = held[0].from_at if held[0].key in firsts else None
        if first_at is not None:
            held[0] = replace(held[0], from_at=0)
        times = [_cut(one, within) for one in held]
        kept = tuple((begin, end) for begin, end in times if begin < end)
        if kept:
            yield Stay(held[0].device_id, held[0].device_uid, asset_id, kept, first_at)


def _cut(attachment: Attachment, within: Interval) -> Interval:
    until = within[1] if attachment.until_at is None else attachment.until_at
    return max(attachment.from_at, within[0]), min(until, within[1])
