"""Series: telemetry under the names that PromQL has for it.

A series is one key of one device. Its name is the key, letters that no name has as `_`; its
labels are `device`, `key`, and where there is one `type`, `unit` and `asset`. Only what the
caller's own tenant has is found, and no more than a dashboard shows.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Final

import numpy as np

from weft.api.prometheus.evaluate import LOOKBACK_S, Found, Samples
from weft.api.prometheus.language import Matcher, Selector
from weft.api.prometheus.patterns import Pattern
from weft.api.services import Services
from weft.errors import TooLarge
from weft.model.asset import AttachmentRole
from weft.model.device import Device
from weft.model.ids import TenantId
from weft.model.moments import NS_PER_S
from weft.ports import HistoryScan

SERIES_MAX: Final = 100  # of one selector
SAMPLES_MAX: Final = 2_000_000  # of one query: 50 MB
UNTYPED_MAX: Final = 1_000  # devices without a type whose keys are looked up
DEVICES_MAX: Final = 20_000  # names in one answer
_AT_ONCE: Final = 1_000  # devices between two turns of the loop
_NUMBERS: Final = frozenset({"number", "integer"})
_ODD: Final = re.compile(r"[^A-Za-z0-9_:]")

Labels = dict[str, str]


def metric_name(key: str) -> str:
    """Return the name of a key in PromQL."""
    name = _ODD.sub("_", key)
    return f"_{name}" if name[:1].isdigit() else name


async def find_series(
    services: Services, tenant: TenantId, matchers: Sequence[Matcher]
) -> list[Labels]:
    """Return the labels of the series that matchers fit, by device and key."""
    found: list[Labels] = []
    asked = [(one, Pattern(one.value) if "~" in one.operator else None) for one in matchers]
    async for labels in _all_series(services, tenant, matchers):
        if _fits(asked, labels):
            found.append(labels)
            if len(found) > SERIES_MAX:
                raise TooLarge(
                    f"More than {SERIES_MAX} series fit.",
                    remedy='Name fewer: temperature{device=~"pump-.*"}, or a type.',
                )
    return found


async def read_series(
    services: Services, tenant: TenantId, selectors: Iterable[Selector], span: tuple[int, int]
) -> Found:
    """Return the samples that selectors need between two moments (ns), the last one included."""
    start, end = span
    found: dict[Selector, list[Samples]] = {}
    left = SAMPLES_MAX
    for selector in dict.fromkeys(selectors):
        labels = await find_series(services, tenant, selector.matchers)
        by_key: dict[str, list[Labels]] = {}
        for one in labels:
            by_key.setdefault(one["key"], []).append(one)
        back_ns = round((selector.window_s or LOOKBACK_S) * NS_PER_S)
        held: list[Samples] = []
        for key, some in by_key.items():
            devices = tuple(one["device"] for one in some)
            scan = HistoryScan(tenant, devices, (key,), start - back_ns, end + 1)
            left -= await services.history.count(scan)
            if left < 0:
                raise TooLarge(
                    f"The query would read more than {SAMPLES_MAX} samples.",
                    remedy="Ask for a shorter time or for fewer series.",
                )
            traces = {one.device: one for one in await services.history.scan(scan)}
            for one in some:
                trace = traces.get(one["device"])
                if trace is not None:
                    known = np.isfinite(trace.values)
                    held.append(Samples(one, trace.at[known], trace.values[known]))
        found[selector] = held
    return found


async def metric_names(services: Services, tenant: TenantId) -> list[str]:
    """Return the names of all keys that types declare, and that devices without one have sent."""
    names: set[str] = set()
    after = ""
    while page := services.types.list(tenant, after=after, limit=1_000):
        names |= {metric_name(key) for kind in page for key in kind.telemetry}
        after = page[-1].name
    looked_up = 0
    async for device in _devices(services, tenant):
        if device.type_name is not None:
            continue
        held = await services.history.keys(tenant, device.device_id)
        names |= {metric_name(key) for key in held}
        looked_up += 1
        if looked_up >= UNTYPED_MAX:
            break
    return sorted(names)


async def label_values(services: Services, tenant: TenantId, label: str) -> list[str]:
    """Return the values that a label has."""
    found: set[str] = set()
    async for device in _devices(services, tenant):
        labels = _labels(services, device)
        if label in labels:
            found.add(labels[label])
        if len(found) >= DEVICES_MAX:
            break
    if label in {"key", "unit"}:
        for kind in services.types.list(tenant, limit=1_000):
            found |= {
                key if label == "key" else field.unit
                for key, field in kind.telemetry.items()
                if label == "key" or field.unit
            }
    return sorted(found)


async def _all_series(
    services: Services, tenant: TenantId, matchers: Sequence[Matcher]
) -> AsyncIterator[Labels]:
    names = {one.value for one in matchers if one.label == "__name__" and one.operator == "="}
    looked_up = 0
    async for device in _named(services, tenant, matchers):
        kind = services.types.followed_by(device)
        labels = _labels(services, device)
        if kind is not None:
            keys = {
                key: field.unit for key, field in kind.telemetry.items() if field.type in _NUMBERS
            }
        elif looked_up < UNTYPED_MAX:
            looked_up += 1
            keys = dict.fromkeys(await services.history.keys(tenant, device.device_id), "")
        else:
            continue
        for key, unit in sorted(keys.items()):
            name = metric_name(key)
            if names and not names & {name, key}:
                continue
            named = name if name in names or not names else key
            yield {"__name__": named, "key": key, **labels} | ({"unit": unit} if unit else {})


async def _named(
    services: Services, tenant: TenantId, matchers: Sequence[Matcher]
) -> AsyncIterator[Device]:
    """Yield the devices that may fit: one where it is named."""
    for one in matchers:
        if one.label == "device" and one.operator == "=":
            device = services.devices.find(tenant, one.value)
            if device is not None:
                yield device
            return
    async for device in _devices(services, tenant):
        yield device


async def _devices(services: Services, tenant: TenantId) -> AsyncIterator[Device]:
    """Yield all devices; the loop has its turn after each page."""
    after = ""
    while page := services.devices.behind(tenant, after, _AT_ONCE):
        for device in page:
            yield device
        after = page[-1].device_id
        await asyncio.sleep(0)


def _labels(services: Services, device: Device) -> Labels:
    labels = {"device": str(device.device_id)}
    if device.type_name is not None:
        labels["type"] = device.type_name
    for attachment in services.attachments.of_device(device.uid):
        if attachment.role is AttachmentRole.OBSERVES:
            labels["asset"] = attachment.asset_id
    return labels


def _fits(matchers: Sequence[tuple[Matcher, Pattern | None]], labels: Labels) -> bool:
    return all(_holds(matcher, pattern, labels) for matcher, pattern in matchers)


def _holds(matcher: Matcher, pattern: Pattern | None, labels: Labels) -> bool:
    value = labels.get(matcher.label, "")  # as Prometheus: what is not there is empty
    if pattern is None:
        return (value == matcher.value) is (matcher.operator == "=")
    return pattern.fits(value) is (matcher.operator == "=~")
