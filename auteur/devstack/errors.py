"""The one error of the embedded stack; its message is for the person at the terminal."""

from gpu_tasks.runtime.errors import AuteurError


class StackError(AuteurError):
    """The stack cannot start or go on; the message says why and what to do, without a traceback."""
