"""The forms by which staff prove their identity."""

from typing import Any

from django import forms

MAX_CODE_CHARS, MAX_SECRET_CHARS = 50, 1000


def _build_code_input(**attributes: Any) -> forms.TextInput:
    attributes |= {"autofocus": True, "autocomplete": "one-time-code", "spellcheck": "false"}
    return forms.TextInput(attrs=attributes)


class CodeForm(forms.Form):
    """The form for a code of the app, or a recovery code."""

    code = forms.CharField(max_length=MAX_CODE_CHARS, widget=_build_code_input())


class IdentityForm(forms.Form):
    """The form for a code or the password."""

    code_or_password = forms.CharField(
        label="Code or password",
        max_length=MAX_SECRET_CHARS,
        strip=False,
        widget=forms.PasswordInput(attrs={"autofocus": True, "autocomplete": "current-password"}),
    )
