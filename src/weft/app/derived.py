"""Derived telemetry, put together: what is computed, and what adds it to the journal."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from msgspec.structs import replace

from weft.app.identity import Identity
from weft.app.stores import Stores
from weft.config import Config
from weft.history.history import History
from weft.ports import Clock
from weft.registry.attachments import AttachmentChange
from weft.rules.derived.derivations import Derivations, DerivedKeysOf
from weft.rules.derived.deriver import Deriver
from weft.rules.derived.model import DerivationChange
from weft.rules.derived.recomputing import Recomputings
from weft.rules.surroundings import Surroundings

if TYPE_CHECKING:
    from weft.app.message_path import MessagePath


@dataclass(frozen=True)
class DerivedTelemetry:
    """What is computed from what devices send."""

    derivations: Derivations
    deriver: Deriver
    recomputings: Recomputings


async def open_derived(
    stores: Stores,
    identity: Identity,
    given: tuple[Surroundings, History],
    clock: Clock,
    config: Config,
) -> tuple[DerivedTelemetry, Surroundings]:
    """Make and load it; return it with surroundings in which derived keys are known."""
    around, history = given
    known = DerivedKeysOf(identity.devices.find)
    around = replace(around, derived=known)
    deriver = Deriver(stores.records, around, clock)
    derivations = Derivations(
        stores.records, identity.audit, clock, around, known, lambda: deriver.applied
    )
    await derivations.load()
    await deriver.load(stores.journal.head)
    recomputings = Recomputings(
        (deriver, around, history), stores.records, clock, config.rules.derived
    )
    return DerivedTelemetry(derivations, deriver, recomputings), around


def connect_derived(path: "MessagePath", identity: Identity) -> None:
    """Let a change of a derivation, a device or a type be seen by those that look it up."""
    deriver = path.derived.deriver

    def changed(change: DerivationChange) -> None:
        deriver.changed(change)
        path.engine.types_changed()

    path.derived.derivations.on_change(changed)
    path.derived.recomputings.publish_with(path.ingest.put)
    identity.devices.on_change(lambda change: deriver.device_changed(change.old, change.new))
    identity.types.on_change(lambda _change: deriver.deriving.forget_programs())
    deriving = deriver.deriving

    def attachment_changed(change: AttachmentChange) -> None:
        device = identity.devices.find(change.attachment.tenant, change.attachment.device_id)
        if device is not None:
            deriving.place_device(device)

    path.groups.on_change(lambda group: deriving.place_members(group.tenant))
    identity.assets.on_change(lambda change: deriving.place_members(change.asset.tenant))
    identity.attachments.on_change(attachment_changed)


def start_derived(path: "MessagePath") -> None:
    """Add to the journal what is owed; it has been read again."""
    pipeline = path.pipeline
    path.derived.deriver.start(pipeline.add, lambda sender: pipeline.acknowledge(sender, 0))
