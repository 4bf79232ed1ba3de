"""The choice field of request serializers."""

from typing import Any, ClassVar, NoReturn

from rest_framework import serializers


class ChoiceField(serializers.ChoiceField):
    """A choice field whose error lists the allowed values."""

    default_error_messages: ClassVar = {"invalid_choice": "{input} is not one of: {choices}."}

    def fail(self, key: str, **values: Any) -> NoReturn:
        """Raise ``ValidationError`` with the list of choices in its message."""
        super().fail(key, choices=", ".join(map(str, self.choices)), **values)
