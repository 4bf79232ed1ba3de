"""A row of the table of elements."""

from dataclasses import dataclass

RATE = 25
PLAIN = ["video a.mov 0-2000 @1000"]


@dataclass(frozen=True)
class Element:
    """One row; ``rate`` is the project's."""

    form: str
    name: str
    fate: str
    text: str
    plays: tuple[str, ...] = tuple(PLAIN)
    rate: float = RATE

    def __str__(self) -> str:
        return f"{self.form}: {self.name}"
