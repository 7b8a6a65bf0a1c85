"""The data folder: whose it is, who may read it, and the keys and certificates in it."""

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509

from weft.api.operator import read_key
from weft.app.backup import FOLDER as SNAPSHOTS
from weft.cli.checks.finding import Finding, fail, failed, ok, warn
from weft.errors import WeftError
from weft.model.moments import NS_PER_S
from weft.security.secrets import FILE_NAME as MASTER_KEY
from weft.security.secrets import MasterKey

CERTIFICATES = ("root", "intermediate", "server")
SOON_DAYS = 14
SHOWN = 3


def check_folder(folder: Path) -> Iterator[Finding]:
    """Owner and modes of the folder and of each file in it (OP-1)."""
    if not folder.exists():
        yield ok("data folder", f"{folder} is not there yet; weft up makes it.")
        return
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        yield fail("data folder", f"{folder} cannot be used.", "Run as its owner.")
        return
    yield _owner(folder)
    yield _modes(folder)
    yield from _left_overs(folder)


def _owner(folder: Path) -> Finding:
    paths = [folder, *folder.rglob("*")]
    foreign = [path for path in paths if path.lstat().st_uid != os.geteuid()]
    if foreign:
        remedy = f"chown -R {os.geteuid()} {folder} - or run as the owner."
        return fail("owner", f"{_some(foreign)} belong to another user.", remedy)
    return ok("owner", f"all of {folder} is ours")


def _modes(folder: Path) -> Finding:
    paths = [folder, *folder.rglob("*")]
    if folder.stat().st_mode & 0o077:
        remedy = f"chmod 700 {folder}"
        return fail("modes", f"Others may enter {folder}.", remedy)
    # Behind a closed folder nobody gets at them, until somebody copies them elsewhere.
    open_files = [path for path in paths if path.lstat().st_mode & 0o077 and not path.is_symlink()]
    if open_files:
        remedy = f"chmod -R go= {folder}"
        return warn("modes", f"{_some(open_files)} are not for their owner alone.", remedy)
    return ok("modes", "for their owner alone")


def _left_overs(folder: Path) -> Iterator[Finding]:
    kept = [*folder.glob("damaged-*"), *folder.glob("*.damaged-*")]
    if kept:
        found = f"{_some(kept)} were set aside by a repair."
        yield warn("set aside", found, "Move them elsewhere when nothing of them is missed.")
    snapshots = [*(folder / SNAPSHOTS).glob("*")]
    if snapshots:
        found = f"{len(snapshots)} snapshots of backups were not removed."
        yield warn("snapshots", found, f"Unless weft backup runs: rm -r {folder / SNAPSHOTS}/*")


def _some(paths: list[Path]) -> str:
    names = ", ".join(path.name for path in paths[:SHOWN])
    return names if len(paths) <= SHOWN else f"{names} and {len(paths) - SHOWN} more"


def check_keys(folder: Path) -> Iterator[Finding]:
    """The master key and the operator's key: there, whole, for their owner alone."""
    if not (folder / "records.sqlite").exists():
        return
    path = folder / MASTER_KEY
    if path.exists():
        try:
            MasterKey.open(folder)
        except WeftError as error:
            yield failed("master key", error)
        else:
            yield ok("master key", f"mode {stat.S_IMODE(path.stat().st_mode):04o}")
    else:
        remedy = "Put it back from a backup; without it no stored secret opens."
        yield fail("master key", f"{path} is missing.", remedy)
    try:
        read_key(folder)
    except WeftError as error:
        yield failed("operator's key", error)
    else:
        yield ok("operator's key", "whole, and for its owner alone")


def check_certificates(folder: Path, now: int) -> Iterator[Finding]:
    """How long each certificate of ours lives."""
    at = datetime.fromtimestamp(now / NS_PER_S, UTC)
    for name in CERTIFICATES:
        path = folder / "certificates" / f"{name}.pem"
        if not path.exists():
            continue
        what = f"{name} certificate"
        try:
            certificate = x509.load_pem_x509_certificate(path.read_bytes())
        except (OSError, ValueError) as error:
            yield fail(what, f"{path} cannot be read: {error}.", "Put it back from a backup.")
            continue
        days = (certificate.not_valid_after_utc - at).days
        remedy = "Start Weft again: it renews what is near its end."
        if name == "root":
            remedy = "Make a new authority, and give devices new certificates."
        if days < 0:
            yield fail(what, f"It ended {-days} days ago.", remedy)
        elif days < SOON_DAYS:
            yield warn(what, f"It ends in {days} days.", remedy)
        else:
            yield ok(what, f"good for {days:,} days")
