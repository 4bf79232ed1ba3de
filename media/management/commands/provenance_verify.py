"""`manage.py provenance_verify FILE`: what a file's content credentials say, and if they hold."""

import json
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from media.content_types import ACCEPTED
from media.provenance.certificates import UnusableCertificateError
from media.provenance.credentials import FileCredentials, read_credentials

TYPES = {extension: kind for kind, extension in reversed(ACCEPTED.items())} | {"jpeg": "image/jpeg"}


class Command(BaseCommand):
    help = (
        "Read the C2PA content credentials of a file in a sandbox: whether they hold, who signed, "
        "what was done, of what it was made. Exits with 1 where they do not hold, with 2 where "
        "there are none."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--json", action="store_true", help="one JSON object")

    def handle(self, *args: Any, file: Path, json: bool, **options: Any) -> None:
        found = _read(file)
        self.stdout.write(as_json(found) if json else as_text(found))
        if found.said is None:
            sys.exit(2)
        if found.said["validation_state"] == "Invalid":
            sys.exit(1)


def _read(file: Path) -> FileCredentials:
    if not file.is_file():
        raise CommandError(f"{file} is no file.")
    size_bytes = file.stat().st_size
    try:
        found = read_credentials(
            str(file.resolve()),
            content_type=TYPES.get(file.suffix.lower().removeprefix("."), ""),
            size_bytes=size_bytes,
            most_bytes=size_bytes,
        )
    except UnusableCertificateError as exc:
        raise CommandError(str(exc)) from exc
    if found.not_read is not None:
        raise CommandError(f"{file} was not read: {found.not_read.replace('_', ' ')}.")
    return found


def as_json(found: FileCredentials) -> str:
    said = found.said or {"validation_state": None, "problems": [], "manifest": None}
    return json.dumps({**said, "is_ours": found.is_ours})


def as_text(found: FileCredentials) -> str:
    if found.said is None:
        return "No content credentials."
    lines = [f"{found.said['validation_state']}{', signed by us' if found.is_ours else ''}"]
    lines += [f"  problem: {code}" for code in found.said["problems"]]
    if manifest := found.said.get("manifest"):
        signer = manifest["signed_by"]
        lines.append(
            f"  signed by {signer['common_name']} ({signer['issuer']}), {signer['algorithm']}"
        )
        lines.append(f"  made with {manifest['generator']}")
        for action in manifest["actions"]:
            facts = [action["action"], action["software_agent"], action["digital_source_type"]]
            lines.append("  " + ", ".join(fact for fact in facts if fact))
        for one in manifest["ingredients"]:
            own = ", with credentials of its own" if one["has_credentials"] else ""
            lines.append(f"  {one['relationship']}: {one['title']}{own}")
    return "\n".join(lines)
