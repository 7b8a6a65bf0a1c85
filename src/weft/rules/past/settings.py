"""Settings of replays: how many at a time, and what they may take from live."""

from msgspec import Struct


class ReplaySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[rules.replays]`: rules over the past, beside devices that are served."""

    at_once: int = 1  # of two cores one is left to the devices
    queued_max: int = 20  # of one tenant
    late_queued_max: int = 10  # of those, for late data: the rest is left to people
    kept: int = 100  # of one tenant, with what they found; the oldest go first
    slice_ms: float = 2.0  # at most so long on the loop before devices are served
    share: float = 0.5  # of the loop's time, while one is evaluated on it
    late_hours: float = 24.0  # data that comes later than this changes no judgement; 0: none
    samples_at_once: int = 1_000_000  # in memory, as arrays: 24 MB
