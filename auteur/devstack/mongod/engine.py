"""What command handlers work with: the request, and the state of the server."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .cursors import CursorTable
from .errors import CommandError, ErrorCode
from .store import Namespace, Store, parse_namespace
from .values import Document, type_name


@dataclass(kw_only=True)
class Engine:
    """The state that all connections share; commands use it one at a time."""

    store: Store
    cursors: CursorTable = field(default_factory=CursorTable)
    address: str = "127.0.0.1:27017"
    started_at: float = field(default_factory=time.time)
    connections: int = 0


@dataclass(frozen=True, kw_only=True)
class Request:
    """One command; the getters check the types of its fields as MongoDB does."""

    body: Document
    connection_id: int = 0

    @property
    def name(self) -> str:
        """The command's name, which is its first field."""
        return next(iter(self.body), "")

    @property
    def database(self) -> str:
        """The database that the command runs against."""
        return self.text("$db")

    @property
    def namespace(self) -> Namespace:
        """The collection that the command's own field names."""
        return parse_namespace(self.database, self.body[self.name])

    def text(self, name: str) -> str:
        """A field that must be a string; empty when left out."""
        return str(self._typed(name, str, ""))

    def document(self, name: str) -> Document:
        """A field that must be an object; empty when left out."""
        value: Document = self._typed(name, dict, {})
        return value

    def array(self, name: str) -> list[Any]:
        """A field that must be an array; empty when left out."""
        value: list[Any] = self._typed(name, list, [])
        return value

    def flag(self, name: str, *, default: bool = False) -> bool:
        """A field that must be a boolean, or a number that stands for one."""
        value = self.body.get(name, default)
        if not isinstance(value, bool | int | float):
            raise self._mistyped(name, value, "bool")
        return bool(value)

    def count(self, name: str, default: int | None = None) -> int | None:
        """A field that must be a whole number from zero up."""
        value = self.body.get(name)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or value % 1:
            raise self._mistyped(name, value, "long")
        if (number := int(value)) < 0:
            raise CommandError(
                ErrorCode.Location51024,
                f"BSON field '{name}' value must be >= 0, actual value '{number}'",
            )
        return number

    def _typed(self, name: str, kind: type, default: Any) -> Any:
        value = self.body.get(name)
        if value is None:
            return default
        if not isinstance(value, kind):
            raise self._mistyped(name, value, type_name(kind()))
        return value

    def _mistyped(self, name: str, value: Any, expected: str) -> CommandError:
        return CommandError(
            ErrorCode.TypeMismatch,
            f"BSON field '{self.name}.{name}' is the wrong type '{type_name(value)}', "
            f"expected type '{expected}'",
        )


Handler = Callable[[Engine, Request], Document]


class Command(NamedTuple):
    """A handler, the fields it acts on, and those it must refuse since it could not honour them.

    A field in `ignored` changes no result: it hints at how to find it.
    """

    handler: Handler
    fields: str = ""
    ignored: str = ""
    refused: str = ""
