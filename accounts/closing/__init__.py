"""The end of an account: closed at once, restored if its user likes, forgotten after a while.

Why it is so: docs/decisions/0039.
"""

from accounts.closing.requests import request_closing, restore_account

__all__ = ["request_closing", "restore_account"]
