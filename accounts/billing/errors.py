"""Why an event is set aside: staff decide, and money is not guessed."""

from accounts.billing.models import SetAsideReason
from gpu_tasks.runtime.errors import AuteurError


class SetAsideError(AuteurError):
    """Nothing can be made of this; ``detail`` names what it is about, by an id of Stripe's."""

    def __init__(self, reason: SetAsideReason, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
