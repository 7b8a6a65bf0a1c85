"""Settings of events for business systems."""

from msgspec import Struct


class EventSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[events]`: CloudEvents that business systems subscribe to."""

    origin: str = ""  # as receivers know us; empty: the first of [security] server_names
    allow: tuple[str, ...] = ()  # CIDRs of receivers in your own network; no private ones else
    timeout_s: float = 10.0
    look_interval_s: float = 1.0  # messages of devices are looked for this often
    pause_s: float = 2.0  # after the first failure; doubles with each further one
    pause_max_s: float = 600.0
    give_up_s: float = 24 * 3600.0  # of one event that is refused or unanswered
    batch_max: int = 100  # events in one request of batch mode
    batch_max_bytes: int = 64 * 1024  # what receivers must take at least (HTTP Web Hooks)
    parallel: int = 8  # receivers told at the same time
    subscriptions_max: int = 50  # of one tenant
    dead_max: int = 1_000  # of one subscription; then it is paused, and nothing is dropped
    changes_kept: int = 100_000  # of one tenant, for receivers that are away
