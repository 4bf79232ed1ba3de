"""The one error of the embedded stack. Its message is for the person at the terminal."""

from gpu_tasks.runtime.errors import AuteurError


class StackError(AuteurError):
    """The stack cannot start or continue. The message has the reason and what to do."""
