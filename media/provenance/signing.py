"""A result is looked at, and signed with what is said of it; only for the sandbox.

The key is not here: what is to be signed goes to the parent (``ask``), its signature comes back.
"""

import base64
import io
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from c2pa import Builder, C2paError, C2paSigningAlg, Signer

from media.probing import probe_as_json
from media.provenance import xmp
from media.provenance.manifests import is_by
from media.provenance.reading import context, read

MAX_TEXT = 300


def look_and_mark(
    source: BinaryIO,
    *,
    target_name: str,
    format_name: str,
    definition: dict[str, Any],
    archives: Sequence[str],
    source_type: str | None,
    certificates: str,
    serial_number: str,
    algorithm: str,
    anchors: str,
    ask: Callable[[str], bytes],
) -> dict[str, Any]:
    """The file's probe; the working folder has it signed as ``target_name`` then, unless it was
    so before, or ``failure`` says why it cannot be.
    """
    found: dict[str, Any] = {"probe": probe_as_json(source), "is_marked": False, "failure": None}
    source.seek(0)
    said = read(source, format_name, anchors)
    if said is not None and is_by(said, serial_number):
        return found | {"is_marked": True}
    source.seek(0)
    with Path("tagged").open("w+b") as tagged, Path(target_name).open("w+b") as target:
        if source_type is None:
            shutil.copyfileobj(source, tagged)
        else:
            xmp.insert(format_name, source_type, source, tagged)
        tagged.seek(0)
        try:
            with (
                _builder(definition, archives, anchors) as builder,
                _signer(certificates, algorithm, ask) as signer,
            ):
                builder.sign(signer, format_name, tagged, target)
        except C2paError as exc:
            found["failure"] = str(exc)[:MAX_TEXT]
    return found


def _builder(definition: dict[str, Any], archives: Sequence[str], anchors: str) -> Builder:
    builder = Builder(definition, context(anchors))
    for archive in archives:
        builder.add_ingredient_from_archive(io.BytesIO(base64.b64decode(archive)))
    return builder


def _signer(certificates: str, algorithm: str, ask: Callable[[str], bytes]) -> Signer:
    def signature(data: bytes) -> bytes:
        return ask(base64.b64encode(data).decode())

    return Signer.from_callback(signature, C2paSigningAlg[algorithm], certificates)
