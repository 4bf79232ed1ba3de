"""Manifests as the library tells them, in few words: of hostile files, so all is bounded."""

from typing import Any

MAX_ENTRIES = 100
MAX_TEXT = 300


def is_by(said: dict[str, Any], serial_number: str) -> bool:
    """Whether what was read holds, and was signed with this certificate, which is trusted."""
    if said["validation_state"] != "Trusted":
        return False
    return bool(said["manifest"]["signed_by"]["serial_number"] == serial_number)


def summary(store: dict[str, Any]) -> dict[str, Any]:
    """The state of a store, and its active manifest."""
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    signature = manifest.get("signature_info") or {}
    results = store.get("validation_results") or {}
    failures = (results.get("activeManifest") or {}).get("failure") or []
    return {
        "validation_state": text(store.get("validation_state") or "Invalid"),
        "problems": [text(one.get("code")) for one in failures[:MAX_ENTRIES]],
        "manifest": {
            "generator": _generator(manifest),
            "signed_by": {
                "issuer": text(signature.get("issuer")),
                "common_name": text(signature.get("common_name")),
                "serial_number": text(signature.get("cert_serial_number")),
                "algorithm": text(signature.get("alg")),
            },
            "signed_at": text(signature.get("time")),
            "actions": _actions(manifest),
            "ingredients": [
                {
                    "title": text(one.get("title")),
                    "instance_id": text(one.get("instance_id")),
                    "relationship": text(one.get("relationship")),
                    "has_credentials": bool(one.get("active_manifest")),
                }
                for one in (manifest.get("ingredients") or [])[:MAX_ENTRIES]
            ],
        },
    }


def _actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    found = [
        action
        for assertion in manifest.get("assertions") or []
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions") or []
    ]
    return [
        {
            "action": text(action.get("action")),
            "digital_source_type": text(action.get("digitalSourceType")),
            "software_agent": _agent(action.get("softwareAgent")),
        }
        for action in found[:MAX_ENTRIES]
    ]


def _agent(agent: Any) -> str | None:
    """A name with its version; older claims have just a text."""
    if isinstance(agent, dict):
        parts = (agent.get("name"), agent.get("version"))
        return text(" ".join(str(part) for part in parts if part))
    return text(agent)


def _generator(manifest: dict[str, Any]) -> str | None:
    known = manifest.get("claim_generator_info")
    if isinstance(known, list) and known:
        return _agent(known[0])
    return text(manifest.get("claim_generator"))


def text(value: object) -> str | None:
    """Shortened, and such as Postgres keeps."""
    return None if value is None else str(value).replace("\0", "")[:MAX_TEXT]
