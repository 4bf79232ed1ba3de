"""Probe a result and sign it with a statement about it; only for use in the sandbox.

The private key is not in the sandbox: ``ask`` sends the bytes to sign to the parent process, which
returns the signature.
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
from media.provenance.manifests import is_signed_by
from media.provenance.reading import create_context, read_summary

MAX_TEXT = 300


def probe_and_sign(
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
    """Probe the file, and write a signed copy as ``target_name`` in the working folder.

    Returns the probe and ``is_marked``, which is True if the file is signed already. There is no
    copy then, nor if ``failure`` states why the file cannot be signed.
    """
    result: dict[str, Any] = {"probe": probe_as_json(source), "is_marked": False, "failure": None}
    source.seek(0)
    report = read_summary(source, format_name, anchors)
    if report is not None and is_signed_by(report, serial_number):
        return result | {"is_marked": True}
    source.seek(0)
    with Path("tagged").open("w+b") as tagged, Path(target_name).open("w+b") as target:
        if source_type is None:
            shutil.copyfileobj(source, tagged)
        else:
            xmp.insert_source_type(format_name, source_type, source, tagged)
        tagged.seek(0)
        try:
            with (
                _create_builder(definition, archives, anchors) as builder,
                _create_signer(certificates, algorithm, ask) as signer,
            ):
                builder.sign(signer, format_name, tagged, target)
        except C2paError as exc:
            result["failure"] = str(exc)[:MAX_TEXT]
    return result


def _create_builder(definition: dict[str, Any], archives: Sequence[str], anchors: str) -> Builder:
    builder = Builder(definition, create_context(anchors))
    for archive in archives:
        builder.add_ingredient_from_archive(io.BytesIO(base64.b64decode(archive)))
    return builder


def _create_signer(certificates: str, algorithm: str, ask: Callable[[str], bytes]) -> Signer:
    def sign(data: bytes) -> bytes:
        return ask(base64.b64encode(data).decode())

    return Signer.from_callback(sign, C2paSigningAlg[algorithm], certificates)
