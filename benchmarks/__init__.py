"""Benchmarks: each prints what it measured, beside what it is to reach."""
