"""Rows of an import, done: each makes a device, changes one, or says why it does not.

All of a piece happens in the caller's transaction. What a row names is looked up there, so a
gateway may have come into being a row before; in a dry run, where nothing stays, it is
believed of a piece before what its report says.
"""

from collections.abc import Sequence
from typing import Final

from msgspec import UNSET

from weft.errors import Conflict, Invalid, NotFound, PeerError, QuotaExceeded
from weft.model.device import Device, Lifecycle
from weft.model.ids import DeviceId, DeviceUid
from weft.ports import Reader, Record, Writer
from weft.registry.device_checks import patched
from weft.registry.device_documents import DevicePatch, NewDevice
from weft.registry.devices import Devices
from weft.registry.import_keys import IDENTITY, KEY
from weft.registry.import_kinds import (
    IMPORTS,
    PIECE_ROWS,
    PIECES,
    REPORTS,
    GivenKind,
    Import,
    OnConflict,
    Outcome,
    RowResult,
    piece_key,
)
from weft.registry.kinds import DEVICES
from weft.registry.rows import Row, RowError
from weft.registry.tenants import quotas_of
from weft.security.credential_records import DeviceCredential
from weft.security.credentials import Credentials
from weft.security.preshared_keys import PresharedKeys
from weft.security.secrets import Vault

KEY_KIND: Final = "import_key"  # what is sealed until its row is done is bound to this word
_PLACE: Final = ("gateway", "alias")


class Work:
    """What one piece has done, told when it is on disk."""

    def __init__(self) -> None:
        self.room = 0
        self.changed: list[tuple[Device | None, Device]] = []
        self.credentials: list[DeviceCredential] = []


class RowImporter:
    """Does the rows of pieces."""

    def __init__(
        self, devices: Devices, issuing: tuple[Credentials, PresharedKeys], vault: Vault
    ) -> None:
        self._devices = devices
        self._credentials, self._preshared = issuing
        self._vault = vault

    def do(self, writer: Writer, job: Import, made: Work) -> Sequence[RowResult]:
        """Do the next piece of a job in the caller's transaction; return what became of it."""
        piece = writer.get(PIECES, job.tenant, piece_key(job, job.done)).value
        held = writer.count(DEVICES, job.tenant)
        planned = job.counts.get(Outcome.CREATED, 0) if job.order.dry_run else 0
        made.room = quotas_of(writer, job.tenant).devices - held - planned
        return [self._row(writer, job, row, made) for row in piece.rows]

    def _row(self, writer: Writer, job: Import, row: Row, made: Work) -> RowResult:
        name = row.device_id
        if row.error is not None:
            return RowResult(row.line, name, Outcome.FAILED, row.error)
        try:
            held = writer.find(DEVICES, job.tenant, name)
            if held is not None:
                return self._held(writer, job, row, held, made)
            return self._new(writer, job, row, made)
        except PeerError as error:
            column = _column_of(row, error)
            problem = RowError(column, error.detail, error.remedy)
            return RowResult(row.line, name, Outcome.FAILED, problem)

    def _new(self, writer: Writer, job: Import, row: Row, made: Work) -> RowResult:
        if made.room <= 0:
            raise QuotaExceeded(
                "The tenant may have no more devices.",
                remedy="Delete devices that are out of use, or raise the quota.",
            )
        values = {name: value for name, value in row.values.items() if value is not None}
        if "lifecycle" in values:
            values["lifecycle"] = _lifecycle(values["lifecycle"])
        alias = values.pop("alias", "")
        owner = _gateway(writer, job, row, values.pop("gateway", None), alias)
        brought, identity = values.pop(KEY, ""), values.pop(IDENTITY, "")
        # What can fail of a key fails here: a row that fails leaves no device in its piece.
        key = self._brought_key(writer, job, row, identity) if brought else b""
        device = self._devices.prepare(job.tenant, NewDevice(**values))
        device = self._devices.place_under(device, owner, alias)
        kept = self._devices.insert_in(writer, job.actor, device)
        made.room -= 1
        made.changed.append((None, kept))
        shown, secret = "", ""
        label = f"import:{job.import_id}"
        if brought:
            credential = self._preshared.adopt(kept, key, identity, label=label)
            shown = self._add(writer, job, credential, made)
        if job.order.credentials and job.order.kind is GivenKind.SECRET:
            issued = self._credentials.prepare_secret(kept, label=label)
            self._add(writer, job, issued.credential, made)
            secret = issued.token
        elif job.order.credentials and not brought:
            given = self._preshared.prepare(kept, label=label)
            shown, secret = self._add(writer, job, given.credential, made), given.key
        if job.order.dry_run:
            return RowResult(row.line, row.device_id, Outcome.CREATED)
        sealed = self._sealed(job, row, secret) if secret else ""
        return RowResult(row.line, row.device_id, Outcome.CREATED, sealed=sealed, identity=shown)

    def _brought_key(self, writer: Writer, job: Import, row: Row, identity: str) -> bytes:
        """Return the key that a row brings; raise where it does not open, or its name is taken."""
        if identity:
            self._credentials.require_identity_in(writer, identity)
        place = f"{job.import_id}/{row.line}"
        return self._vault.unseal(job.tenant, KEY_KIND, place, row.values[KEY])

    def _add(self, writer: Writer, job: Import, credential: DeviceCredential, made: Work) -> str:
        """Keep a credential of a new device; return the name that goes with its key."""
        self._credentials.add_in(writer, job.actor, credential)
        made.credentials.append(credential)
        return credential.name

    def _sealed(self, job: Import, row: Row, secret: str) -> str:
        place = f"{job.import_id}/{row.line}"
        return self._vault.seal(job.tenant, IMPORTS.name, place, secret.encode())

    def _held(
        self, writer: Writer, job: Import, row: Row, held: Record[Device], made: Work
    ) -> RowResult:
        match job.order.on_conflict:
            case OnConflict.SKIP:
                return RowResult(row.line, row.device_id, Outcome.SKIPPED)
            case OnConflict.FAIL:
                raise Conflict(
                    f"There is a device {row.device_id!r} already.",
                    remedy="Skip or update those that are there: --on-conflict skip or update.",
                )
        if KEY in row.values:
            raise Invalid(
                "A pre-shared key is brought in with a new device, and this one is there.",
                remedy=f"Leave it out, or issue one: weft device rotate {row.device_id} --psk",
            )
        old, values = held.value, dict(row.values)
        values.pop("device_id")
        wanted = values.pop("lifecycle", None)
        if wanted is not None and _lifecycle(wanted) is not old.lifecycle:
            raise Invalid(
                f"The lifecycle of a device that is {old.lifecycle} is not changed by an import.",
                remedy=f"Move it: weft device move {row.device_id} {wanted}",
            )
        said = [name for name in values if name not in _PLACE]
        patch = DevicePatch(**{name: values.get(name, UNSET) for name in said})
        new = patched(writer, old, patch)
        if any(name in values for name in _PLACE):
            new = self._moved(writer, job, row, new)
        if new == old:
            return RowResult(row.line, row.device_id, Outcome.SKIPPED)
        new = self._devices.update_in(writer, job.actor, old, new, sorted(values))
        made.changed.append((old, new))
        return RowResult(row.line, row.device_id, Outcome.UPDATED)

    def _moved(self, writer: Writer, job: Import, row: Row, device: Device) -> Device:
        """Return a device in the place that its row gives it; what is not said stays."""
        if "gateway" in row.values:
            name = row.values["gateway"]
        else:
            held = self._devices.find_uid(device.gateway)
            name = held.device_id if held else None
        said = row.values.get("alias", "")
        owner = _gateway(writer, job, row, name, said)
        return self._devices.place_under(device, owner, row.values.get("alias", device.alias))


def _gateway(reader: Reader, job: Import, row: Row, name: str | None, alias: str) -> Device | None:
    """Return the gateway of a row, or raise `NotFound`; None where it names none."""
    if not name:
        if alias:
            raise Invalid(
                f"An alias is what a gateway calls a device; {row.device_id!r} has no gateway.",
                remedy="Name its gateway, or leave the alias out.",
            )
        return None
    held = reader.find(DEVICES, job.tenant, name)
    if held is not None:
        return held.value
    if row.behind is not None and job.order.dry_run and _is_planned(reader, job, row.behind):
        uid = DeviceUid(f"planned:{name}")  # of no device: all of it is undone
        return Device(job.tenant, DeviceId(name), uid, None, Lifecycle.ACTIVE, 0)
    raise NotFound(
        f"There is no gateway {name!r}.",
        remedy="Write it into the file as well, or make it first: weft device add."
        if row.behind is None
        else "Its own row in this file failed: mend that first.",
    )


def _is_planned(reader: Reader, job: Import, place: int) -> bool:
    """Whether a dry run has made the device of a row in a piece that is done, and undone."""
    start = place - place % PIECE_ROWS
    report = reader.find(REPORTS, job.tenant, piece_key(job, start))
    return report is not None and (report.value.results[place - start].outcome is Outcome.CREATED)


def _lifecycle(text: str) -> Lifecycle:
    try:
        return Lifecycle(text)
    except ValueError as error:
        raise Invalid(
            f"{text!r} is no lifecycle.", remedy=f"Write one of {', '.join(Lifecycle)}."
        ) from error


_COLUMNS: Final[tuple[tuple[str, str], ...]] = (
    (" identity", IDENTITY),
    ("pre-shared key", KEY),
    ("device type", "type_name"),
    ("alias", "alias"),
    (" calls ", "alias"),
    ("gateway", "gateway"),
    ("label", "label"),
    ("attributes", "attributes"),
    (" tag", "tags"),
    ("lifecycle", "lifecycle"),
    ("cannot begin", "lifecycle"),
)


def _column_of(row: Row, error: PeerError) -> str:
    """Return the column that an error is about, where its row has it."""
    for words, column in _COLUMNS:
        if words in error.detail and column in row.values:
            return column
    return "device_id"


__all__ = ["RowImporter", "Work"]
