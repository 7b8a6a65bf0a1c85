"""`[rules.derived]`: how derived telemetry is worked out again when data comes late."""

from msgspec import Struct


class DerivedSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`[rules.derived]`: how derived telemetry is worked out again when data comes late."""

    horizon_h: float = 168.0  # older samples change nothing that was computed; a week of outage
    warm_up_h: float = 24.0  # read before them, so that windows and counters are as they were
    samples_max: int = 500_000  # of one job, inputs and results: some 100 MB while it runs
    kept: int = 200  # what changed, of a tenant; older notes are forgotten
