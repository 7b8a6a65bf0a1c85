"""The past, put together: what runs rules over it, beside live."""

from collections.abc import Sequence

from weft.app.identity import Identity
from weft.app.message_path import MessagePath
from weft.app.stores import Stores
from weft.config import Config
from weft.model.ids import TenantId
from weft.ports import Clock
from weft.rules.model import Rule
from weft.rules.past.late import Late
from weft.rules.past.replays import Replays
from weft.rules.past.run import Given


def make_replays(
    stores: Stores, identity: Identity, path: MessagePath, clock: Clock, config: Config
) -> Replays:
    """Make the replays of all tenants; `run` them."""
    given = Given(stores.journal, path.samples, path.history, path.surroundings)
    return Replays(given, stores.records, identity.audit, clock, config.rules.replays)


def make_late(replays: Replays, path: MessagePath, clock: Clock, config: Config) -> Late:
    """Make what works out what late data changes; a chore sweeps it."""

    async def rules_of(tenant: TenantId, after: str, limit: int) -> Sequence[Rule]:
        return await path.rules.list(tenant, after=after, limit=limit)

    asking = (path.engine.take_late, rules_of, path.handling.comment, path.engine.ask)
    return Late(replays, asking, path.surroundings, clock, config.rules.replays)
