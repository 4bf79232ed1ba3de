"""Users of a running stack, made many at a time: a start of `manage.py` takes seconds."""

from tests.journeys.stack import JourneyStack

AT_ONCE = 30
MAKE = """
import uuid
from datetime import timedelta
from django.db import transaction
from accounts import signup, tokens
from credits import ledger
for _ in range({count}):
    email = uuid.uuid4().hex[:8] + "@example.com"
    user = signup.sign_up(user_id=uuid.uuid4(), email=email)
    if {credits}:
        with transaction.atomic():
            ledger.open_account(user_id=user.pk)
            ledger.grant(user_id=user.pk, amount={credits})
    print(tokens.issue_token(user_id=user.pk, email=email, lifetime=timedelta(hours=24)))
"""


class People:
    """Tokens of new users with so many credits each."""

    def __init__(self, stack: JourneyStack) -> None:
        self._stack = stack
        self._tokens: dict[int, list[str]] = {}

    def new(self, credits: int) -> str:
        """The token of somebody whom nobody has met."""
        waiting = self._tokens.setdefault(credits, [])
        if not waiting:
            script = MAKE.format(count=AT_ONCE, credits=credits)
            waiting += self._stack.manage("shell", "--no-imports", "-c", script).split()
        return waiting.pop()
