"""Towards business systems: the outbox and one module per system."""
