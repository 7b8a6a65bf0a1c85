"""Simulated devices: they speak the real protocols, and break as real ones do."""
