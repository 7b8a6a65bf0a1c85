"""The machine: Python, libraries, open files, room on the disk, and the clock."""

import re
import resource
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from weft.cli.checks.finding import Finding, fail, ok, warn
from weft.model.moments import NS_PER_S, to_rfc3339

PYTHON_MIN = (3, 11)
DISK_FAIL_BYTES = 100 << 20
DISK_WARN_BYTES = 1 << 30
FILES_WANTED = 16_384  # one for each connection: 10,000 devices and some
CLOCK_MIN_NS = 1_735_689_600 * NS_PER_S  # 2025: before it, no Weft was written
CLOCK_BACK_NS = 60 * NS_PER_S

_REQUIREMENT = re.compile(r"^([A-Za-z0-9_.-]+)([^;]*)")
_BOUND = re.compile(r"(>=|<=|==|!=|<|>)\s*([0-9][0-9.]*)")


def check_python() -> Finding:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info[:2] < PYTHON_MIN:
        return fail("Python", version, "Install Python 3.11 or newer.")
    return ok("Python", version)


def check_libraries(requirements: Sequence[str] | None = None) -> Finding:
    """Every library that Weft needs, in a version that it works with."""
    needed = metadata.requires("weft") if requirements is None else requirements
    wrong: list[str] = []
    count = 0
    for requirement in needed or ():
        found = _REQUIREMENT.match(requirement)
        if found is None or "extra ==" in requirement:
            continue
        count += 1
        wrong += _wrong(found[1], found[2])
    if wrong:
        return fail("libraries", "; ".join(wrong), "Install Weft again, into an environment alone.")
    return ok("libraries", f"{count} are there, in versions that fit")


def _wrong(name: str, bounds: str) -> Iterator[str]:
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        yield f"{name} is missing"
        return
    for operator, bound in _BOUND.findall(bounds):
        if not _holds(version, operator, bound):
            yield f"{name} is {version}, not {operator}{bound}"


def _holds(version: str, operator: str, bound: str) -> bool:
    size = max(version.count("."), bound.count(".")) + 1
    have, want = _numbers(version, size), _numbers(bound, size)
    return {
        ">=": have >= want,
        "<=": have <= want,
        "==": have == want,
        "!=": have != want,
        "<": have < want,
        ">": have > want,
    }[operator]


def _numbers(version: str, size: int) -> list[int]:
    found = [int(part) for part in re.findall(r"\d+", version)[:size]]
    return found + [0] * (size - len(found))


def check_open_files() -> Finding:
    """How many files and sockets this user may open; each connection is one."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY or limit >= FILES_WANTED:
        return ok("open files", "no limit" if limit == resource.RLIM_INFINITY else f"{limit:,}")
    return warn(
        "open files",
        f"{limit:,}, so about {max(0, limit - 100):,} connections",
        f"Raise it: LimitNOFILE={FILES_WANTED} in the unit, or ulimit -n {FILES_WANTED}.",
    )


def check_disk(folder: Path) -> Finding:
    """The room on the disk of the data folder."""
    while not folder.exists():
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    found = f"{usage.free / 1e9:.1f} GB free of {usage.total / 1e9:.0f} GB"
    remedy = "Make room, or keep less: [history] max_bytes, [journal] keep_bytes."
    if usage.free < DISK_FAIL_BYTES:
        return fail("disk", found, remedy)
    return warn("disk", found, remedy) if usage.free < DISK_WARN_BYTES else ok("disk", found)


def check_clock(folder: Path, now: int) -> Finding:
    """That the clock is not before what was written already."""
    remedy = "Set the clock, best by NTP: samples and certificates go by it."
    if now < CLOCK_MIN_NS:
        return fail("clock", f"It says {to_rfc3339(now)}.", remedy)
    files = [file for file in folder.glob("*") if file.is_file()] if folder.exists() else []
    newest = max((file.stat().st_mtime_ns for file in files), default=0)
    if newest > now + CLOCK_BACK_NS:
        late_s = (newest - now) / NS_PER_S
        return fail("clock", f"It is {late_s:,.0f} s before what was written last.", remedy)
    return ok("clock", to_rfc3339(now))
