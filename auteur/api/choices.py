"""A value that is one of several, as requests have it."""

from typing import Any, ClassVar, NoReturn

from rest_framework import serializers


class ChoiceField(serializers.ChoiceField):
    """One of its choices; who sends another value is told which there are."""

    default_error_messages: ClassVar = {"invalid_choice": "{input} is not one of: {choices}."}

    def fail(self, key: str, **values: Any) -> NoReturn:
        """Refuse a value, with the choices in the sentence."""
        super().fail(key, choices=", ".join(map(str, self.choices)), **values)
