"""Verify and print a file's content credentials: `manage.py provenance_verify FILE`."""

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
        "Read and verify the C2PA content credentials of a file in a sandbox: print who signed "
        "it, how it was made and from what. Exits with 1 if the credentials are invalid, with 2 "
        "if there are none."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument("--json", action="store_true", help="print one JSON object")

    def handle(self, *args: Any, file: Path, json: bool, **options: Any) -> None:
        credentials = _read_file(file)
        self.stdout.write(as_json(credentials) if json else as_text(credentials))
        if credentials.report is None:
            sys.exit(2)
        if credentials.report["validation_state"] == "Invalid":
            sys.exit(1)


def _read_file(file: Path) -> FileCredentials:
    if not file.is_file():
        raise CommandError(f"{file} is not a file.")
    size_bytes = file.stat().st_size
    try:
        credentials = read_credentials(
            str(file.resolve()),
            content_type=TYPES.get(file.suffix.lower().removeprefix("."), ""),
            size_bytes=size_bytes,
            most_bytes=size_bytes,
        )
    except UnusableCertificateError as exc:
        raise CommandError(str(exc)) from exc
    if credentials.not_read is not None:
        raise CommandError(f"{file} was not read: {credentials.not_read.replace('_', ' ')}.")
    return credentials


def as_json(credentials: FileCredentials) -> str:
    report = credentials.report or {"validation_state": None, "problems": [], "manifest": None}
    return json.dumps({**report, "is_ours": credentials.is_ours})


def as_text(credentials: FileCredentials) -> str:
    if credentials.report is None:
        return "No content credentials."
    lines = [
        f"{credentials.report['validation_state']}{', signed by us' if credentials.is_ours else ''}"
    ]
    lines += [f"  problem: {code}" for code in credentials.report["problems"]]
    if manifest := credentials.report.get("manifest"):
        signer = manifest["signed_by"]
        lines.append(
            f"  signed by {signer['common_name']} ({signer['issuer']}), {signer['algorithm']}"
        )
        lines.append(f"  made with {manifest['generator']}")
        for action in manifest["actions"]:
            facts = [action["action"], action["software_agent"], action["digital_source_type"]]
            lines.append("  " + ", ".join(fact for fact in facts if fact))
        for ingredient in manifest["ingredients"]:
            suffix = ", with its own credentials" if ingredient["has_credentials"] else ""
            lines.append(f"  {ingredient['relationship']}: {ingredient['title']}{suffix}")
    return "\n".join(lines)
