"""Derived telemetry: keys that Weft computes from what devices send, and that are telemetry too."""
