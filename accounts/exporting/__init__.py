"""Exports: archives with all data of an account, made by a worker and kept for some days.

The reasons are in docs/decisions/0039.
"""
