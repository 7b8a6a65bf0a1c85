"""Telemetry over time: written in bulk behind the journal, asked by key, device and bucket."""
