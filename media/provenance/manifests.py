"""Summarize manifests from the library; files may be hostile, so all sizes are bounded."""

from typing import Any

MAX_ENTRIES = 100
MAX_TEXT = 300


def is_signed_by(report: dict[str, Any], serial_number: str) -> bool:
    """Return True if the credentials are valid and signed with this trusted certificate."""
    if report["validation_state"] != "Trusted":
        return False
    return bool(report["manifest"]["signed_by"]["serial_number"] == serial_number)


def summarize(store: dict[str, Any]) -> dict[str, Any]:
    """Return the validation state of a manifest store and its active manifest."""
    manifest = store.get("manifests", {}).get(store.get("active_manifest"), {})
    signature = manifest.get("signature_info") or {}
    results = store.get("validation_results") or {}
    failures = (results.get("activeManifest") or {}).get("failure") or []
    return {
        "validation_state": clean_text(store.get("validation_state") or "Invalid"),
        "problems": [clean_text(failure.get("code")) for failure in failures[:MAX_ENTRIES]],
        "manifest": {
            "generator": _find_generator(manifest),
            "signed_by": {
                "issuer": clean_text(signature.get("issuer")),
                "common_name": clean_text(signature.get("common_name")),
                "serial_number": clean_text(signature.get("cert_serial_number")),
                "algorithm": clean_text(signature.get("alg")),
            },
            "signed_at": clean_text(signature.get("time")),
            "actions": _list_actions(manifest),
            "ingredients": [
                {
                    "title": clean_text(ingredient.get("title")),
                    "instance_id": clean_text(ingredient.get("instance_id")),
                    "relationship": clean_text(ingredient.get("relationship")),
                    "has_credentials": bool(ingredient.get("active_manifest")),
                }
                for ingredient in (manifest.get("ingredients") or [])[:MAX_ENTRIES]
            ],
        },
    }


def _list_actions(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    actions = [
        action
        for assertion in manifest.get("assertions") or []
        if str(assertion.get("label", "")).startswith("c2pa.actions")
        for action in assertion.get("data", {}).get("actions") or []
    ]
    return [
        {
            "action": clean_text(action.get("action")),
            "digital_source_type": clean_text(action.get("digitalSourceType")),
            "software_agent": _format_agent(action.get("softwareAgent")),
        }
        for action in actions[:MAX_ENTRIES]
    ]


def _format_agent(agent: Any) -> str | None:
    """Return an agent's name and version; in older claims, the agent is a text."""
    if isinstance(agent, dict):
        parts = (agent.get("name"), agent.get("version"))
        return clean_text(" ".join(str(part) for part in parts if part))
    return clean_text(agent)


def _find_generator(manifest: dict[str, Any]) -> str | None:
    generators = manifest.get("claim_generator_info")
    if isinstance(generators, list) and generators:
        return _format_agent(generators[0])
    return clean_text(manifest.get("claim_generator"))


def clean_text(value: object) -> str | None:
    """Return the value as a short text that PostgreSQL can store, without NUL characters."""
    return None if value is None else str(value).replace("\0", "")[:MAX_TEXT]
