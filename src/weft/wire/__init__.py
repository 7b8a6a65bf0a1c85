"""Protocols as pure machines: bytes in, events out; no I/O, no clock."""
