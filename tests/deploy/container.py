"""What a container of compose would be given, with its places mapped to those of a test."""

import json
import re
import shlex
from collections.abc import Mapping

from tests.deploy.dockerfile import stages
from tests.deploy.files import interpolated, services

OPERATOR = {
    "SITE_HOST": "auteur.example.com",
    "SUPABASE_JWT_ISSUER": "https://project.supabase.co/auth/v1",
    "CORS_ALLOWED_ORIGINS": "https://editor.example.com,app://auteur",
}
"""What compose asks its operator for."""


def environment(
    service: str, result: Mapping[str, str], places: Mapping[str, str]
) -> dict[str, str]:
    """Its variables by image and compose, and no others; ``places`` replace what they name."""
    values: Mapping[str, str | None] = services()[service].get("environment", {})
    variables = dict(stages()[-1].env)
    for name, value in values.items():
        # Without a value, Compose passes on what the operator has set, or nothing.
        if results := result.get(name) if value is None else interpolated(value, result):
            variables[name] = results
    return {name: mapped(value, places) for name, value in variables.items()}


def mapped(text: str, places: Mapping[str, str]) -> str:
    """The text with each place, a path or a port, replaced by the test's."""
    for place, here in places.items():
        text = re.sub(rf"(?<![\w.]){re.escape(place)}(?!\w)", here, text)
    return text


def health(service: str) -> str:
    """Its health check by compose, else by the image, as a line for a shell."""
    check = services()[service].get("healthcheck", {})
    if "test" in check:
        return str(check["test"]).replace("$$", "$")
    (line,) = (rest for name, rest in stages()[-1].steps if name == "HEALTHCHECK")
    return shlex.join(json.loads(line.partition(" CMD ")[2]))
