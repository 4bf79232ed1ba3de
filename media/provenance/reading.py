"""Read and verify a file's content credentials; only for use in the sandbox."""

import base64
import io
import json
from typing import Any, BinaryIO

from c2pa import Builder, C2paError, Context, Reader

from media.provenance.manifests import clean_text, summarize

ONLY_LOCAL = {
    # A file may name URLs of other machines; they are not requested.
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "builder": {"thumbnail": {"enabled": False}},
    "core": {"backing_store_memory_threshold_in_mb": 16},
}


def create_context(anchors: str) -> Context:
    """Return the library's context, which trusts chains that end in ``anchors`` (PEM)."""
    trust = {"trust": {"trust_anchors": anchors}} if anchors else {}
    return Context.from_dict(ONLY_LOCAL | trust)


def read_summary(source: BinaryIO, format_name: str, anchors: str) -> dict[str, Any] | None:
    """Return the summary of the file's credentials, valid or not; None if it has none."""
    try:
        reader = Reader.try_create(format_name, source, None, create_context(anchors))
    except C2paError as exc:
        return {"validation_state": "Invalid", "problems": [clean_text(exc)]}
    if reader is None:
        return None
    with reader:
        store = json.loads(reader.json())
    return summarize(store)


def create_archive(
    source: BinaryIO, format_name: str, ingredient: dict[str, Any], anchors: str, most_bytes: int
) -> str | None:
    """Return an archive of the ingredient with the file's manifests, in base64.

    Returns None if the file has no manifests, or they are larger than ``most_bytes``.
    """
    report = read_summary(source, format_name, anchors)
    if report is None or "manifest" not in report:
        return None
    source.seek(0)
    content = io.BytesIO()
    try:
        with Builder({}, create_context(anchors)) as builder:
            builder.add_ingredient(ingredient, format_name, source)
            builder.write_ingredient_archive(ingredient["label"], content)
    except C2paError:
        return None
    if content.tell() > most_bytes:
        return None
    return base64.b64encode(content.getvalue()).decode()
