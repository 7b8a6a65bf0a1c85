"""Twins: what a device last told us, and what we want of it."""
