"""Ports made real, one folder per backend; the only place where drivers are imported."""
