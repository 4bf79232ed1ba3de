"""Benchmarks: each prints a table against baselines of the same run, and last one JSON line."""
