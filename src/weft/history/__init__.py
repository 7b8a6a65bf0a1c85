"""Telemetry over time, asked by key, device and bucket; and events, asked by device."""
