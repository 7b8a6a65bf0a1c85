"""The past, put together: what runs rules over it, beside live."""

from weft.app.identity import Identity
from weft.app.message_path import MessagePath
from weft.app.stores import Stores
from weft.config import Config
from weft.ports import Clock
from weft.rules.past.replays import Replays
from weft.rules.past.run import Given


def make_replays(
    stores: Stores, identity: Identity, path: MessagePath, clock: Clock, config: Config
) -> Replays:
    """Make the replays of all tenants; `run` them."""
    given = Given(stores.journal, path.samples, path.history, path.surroundings)
    return Replays(given, stores.records, identity.audit, clock, config.rules.replays)
