"""Settings of history: how long it reaches back, and what it may take of the machine."""

from typing import Annotated

from msgspec import Meta, Struct


class HistorySettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[history]`: how telemetry is kept over time."""

    keep_days: float = 365.0  # a year on year comparison is what people ask for first
    max_bytes: int = 100 * 1024**3  # some 16 billion points
    memory_bytes: int = 256 * 1024 * 1024  # what the database may hold; idle it takes little
    threads: int = 1  # of two cores one is left to the devices while history sorts
    settle_points: int = 1_000_000  # at this many new points they are sorted: 0.4 s of one core
    run_points: int = 16_000_000  # sorted runs are merged up to this size
    compact_every_s: float = 3600.0  # an hour's points are worth a look at how they lie
    keys_per_device: int = 1_000  # a device of free JSON that numbers its keys is stopped here
    events_per_device: Annotated[int, Meta(ge=1)] = 1_000  # a year of three a day; oldest go first
    query_timeout_s: float = 30.0  # a chart that takes longer is asked wrongly
    query_points_max: int = 5_000_000  # points that one down-sampled chart is drawn from
