"""What must be true after any crash: compared with the devices' own books.

- every acknowledged reading stands in history, and none stands there twice;
- a twin shows no older value than the newest one acknowledged;
- each episode has exactly one alarm of each rule, each alarm one action in the outbox, each
  action one work order, and the far side one task for it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import msgspec
from tests.soak.device import Device
from tests.soak.plant import HELD, OVER, Episodes
from tests.soak.server import ServerProcess

from weft.backends.sqlite.journal import SqliteJournal
from weft.connectors.mapping import key_line

TWINS_AT_ONCE = 8


class Violation(AssertionError):
    """A promise was broken."""


class Seen:
    """What history has shown so far: each serial's moment."""

    def __init__(self) -> None:
        self.at: dict[int, str] = {}

    def take(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """Take in rows of `serial`; one that stood at another moment before is there twice."""
        for row in rows:
            known = self.at.setdefault(int(row["value"]), row["at"])
            if known != row["at"]:
                raise Violation(
                    f"{row['device']}: serial {row['value']} stands in history twice, "
                    f"at {known} and at {row['at']}"
                )


async def check_history(
    server: ServerProcess, devices: Sequence[Device], seen: Seen, expected: set[int], since: str
) -> None:
    """Read history from `since` on; every serial in `expected` must have been seen."""
    for start in range(0, len(devices), 100):
        names = ",".join(device.device_id for device in devices[start : start + 100])
        rows = await server.pages(
            "/history", devices=names, keys="serial", start=since, limit=10_000
        )
        seen.take(rows)
    missing = expected - seen.at.keys()
    if missing:
        raise Violation(
            f"{len(missing)} acknowledged missing from history: {_named(missing, devices)}"
        )


def _named(serials: set[int], devices: Sequence[Device]) -> str:
    found = []
    for serial in sorted(serials)[:10]:
        owner = next((one for one in devices if serial in one.book.acknowledged), None)
        found.append(
            f"{serial} of {owner.device_id if owner else '?'} ({owner.kind if owner else ''})"
        )
    return "; ".join(found)


async def check_twins(
    server: ServerProcess, devices: Sequence[Device], newest: Mapping[str, int]
) -> None:
    """No twin may be older than `newest` of its device, nor newer than what was sent."""
    for device in devices:
        floor = newest[device.device_id]
        if not floor:
            continue
        twin = await server.get(f"/devices/{device.device_id}/twin")
        value = twin["telemetry"].get("serial", {}).get("value", 0)
        if not floor <= value <= device.book.newest:
            raise Violation(
                f"{device.device_id} ({device.kind}): the twin has serial {value}, "
                f"acknowledged is {floor}, sent {device.book.newest}"
            )


async def check_alarms(
    server: ServerProcess,
    episodes: Mapping[str, Episodes],
    floors: Mapping[str, tuple[int, int]],
    *,
    final: bool,
    with_faults: bool = True,
) -> tuple[int, int]:
    """Count alarms per device and rule against the episodes; return (alarms, actions).

    `floors` holds (episodes begun and acknowledged, episodes ended) before the crash. Faults
    are asked one by one, which takes long where there are hundreds.
    """
    alarms = await server.pages("/alarms", limit=1000)
    counts = Counter((one["device_id"], one["rule_id"]) for one in alarms)
    if len({one["alarm_id"] for one in alarms}) != len(alarms):
        raise Violation("An alarm is listed twice.")
    for device_id, known in episodes.items():
        begun, ended = floors[device_id]
        for rule, floor in ((OVER, begun), (HELD, ended)):
            count = counts.pop((device_id, rule), 0)
            ceiling = ended if final else len(known.began)
            if not floor <= count <= ceiling:
                raise Violation(
                    f"{device_id}: rule {rule} raised {count} alarms in {floor} to {ceiling} "
                    f"episodes (first readings: {known.began[-5:]})"
                )
    if counts:
        raise Violation(f"Alarms of devices that never went up: {dict(counts)}")
    if final and (active := [one["alarm_id"] for one in alarms if one["state"] != "cleared"]):
        raise Violation(f"All came down and {len(active)} alarms are not cleared: {active[:5]}")
    entries = await server.pages("/outbox", limit=1000)
    per_alarm = Counter(entry["alarm_id"] for entry in entries)
    known_alarms = {one["alarm_id"] for one in alarms}
    twice = {alarm: count for alarm, count in per_alarm.items() if count != 1}
    if twice:
        raise Violation(f"Actions per alarm: {twice}")
    if with_faults:
        await _check_faults(server, known_alarms)
    return len(alarms), len(entries)


async def _check_faults(server: ServerProcess, alarms: set[str]) -> None:
    """Every alarm is part of one fault, and every fault has one work order."""
    parts: Counter[str] = Counter()
    for fault in await server.pages("/faults", limit=1000):
        found = await server.pages(f"/faults/{fault['fault_id']}/alarms", limit=1000)
        parts.update(one["alarm_id"] for one in found)
        if len(fault["orders"]) != 1:
            raise Violation(f"A fault has the work orders {fault['orders']}")
    if lost := sorted(alarms - parts.keys()) or [one for one, n in parts.items() if n > 1]:
        raise Violation(f"Alarms that are part of no fault, or of two: {lost[:5]}")


async def check_tasks(erp_url: str) -> list[str]:
    """Return the comments of the far side's tasks; no two may be of one action."""
    async with httpx2.AsyncClient(trust_env=False) as client:
        tasks = (await client.get(f"{erp_url}/tasks.json", timeout=30)).json()
    prefix = key_line("")
    keys = [task["comment"].rpartition(prefix)[2].strip() for task in tasks]
    twice = [key for key, count in Counter(keys).items() if count > 1]
    if twice:
        raise Violation(f"The far side has several tasks for one action: {twice[:5]}")
    return keys


async def check_delivered(server: ServerProcess, erp_url: str) -> None:
    """Everything is delivered: one task and one work order for each action, and no others."""
    entries = await server.pages("/outbox", limit=1000)
    orders = await server.pages("/work-orders", limit=1000)
    actions = sorted(entry["action_id"] for entry in entries)
    waiting = [entry for entry in entries if entry["state"] != "delivered"]
    if waiting:
        raise Violation(f"{len(waiting)} actions are not delivered, as {waiting[0]}")
    if sorted(order["work_order_id"] for order in orders) != actions:
        raise Violation(f"{len(orders)} work orders for {len(actions)} actions")
    if sorted(await check_tasks(erp_url)) != actions:
        raise Violation(f"The far side's tasks are not those of the {len(actions)} actions.")


async def check_journal(data: Path, devices: Sequence[Device]) -> int:
    """Read the journal of a stopped server: every serial sent stands there once, in order."""
    journal = await SqliteJournal.open(data)
    found: dict[str, list[int]] = {device.device_id: [] for device in devices}
    try:
        async for batch in journal.read(0):
            for envelope in batch.envelopes:
                if envelope.route.device_id in found:
                    document = msgspec.json.decode(envelope.payload)
                    values = document.get("values", document)
                    found[envelope.route.device_id].append(values["serial"])
    finally:
        await journal.close()
    for device in devices:
        kept = found[device.device_id]
        if kept != device.book.sent:
            twice = [serial for serial, count in Counter(kept).items() if count > 1]
            missing = sorted(set(device.book.sent) - set(kept))
            raise Violation(
                f"{device.device_id} ({device.kind}): the journal is not what was sent: "
                f"twice {twice[:10]}, missing {missing[:10]}, else out of order"
            )
    return sum(len(kept) for kept in found.values())
