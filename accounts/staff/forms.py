"""What staff type to show who they are."""

from typing import Any

from django import forms

MAX_CODE_CHARS, MAX_SECRET_CHARS = 50, 1000


def _plain(**attributes: Any) -> forms.TextInput:
    attributes |= {"autofocus": True, "autocomplete": "one-time-code", "spellcheck": "false"}
    return forms.TextInput(attrs=attributes)


class CodeForm(forms.Form):
    """A code of the app, or a recovery code."""

    code = forms.CharField(max_length=MAX_CODE_CHARS, widget=_plain())


class IdentityForm(forms.Form):
    """A code, or the password."""

    given = forms.CharField(
        label="Code or password",
        max_length=MAX_SECRET_CHARS,
        strip=False,
        widget=forms.PasswordInput(attrs={"autofocus": True, "autocomplete": "current-password"}),
    )
