"""Closing of accounts: closed at once, restorable for a while, then erased.

The reasons are in docs/decisions/0039.
"""

from accounts.closing.requests import request_closing, restore_account

__all__ = ["request_closing", "restore_account"]
