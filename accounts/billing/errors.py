"""The error that sets an event aside, so that staff decide and no amount is guessed."""

from accounts.billing.models import SetAsideReason
from gpu_tasks.runtime.errors import AuteurError


class SetAsideError(AuteurError):
    """An event that we cannot process; ``detail`` has the Stripe id of the object concerned."""

    def __init__(self, reason: SetAsideReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
