"""Load complete outputs of jobs, with the parts stored in objects (docs/decisions/0048)."""

import logging
from typing import Any

from pydantic import ValidationError

from jobs.features.files import MAX_APART_BYTES, RESULT_KEY
from jobs.features.registry import features
from media.storage import ObjectMissingError, ObjectTooLargeError, object_storage

logger = logging.getLogger(__name__)


def load_output(job_type: str, output: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a stored output with the parts that were stored apart; raise ``STORAGE_ERRORS``.

    Older outputs are complete in themselves. If an object is gone or has changed since it was
    collected, its part is missing.
    """
    feature = features().get(job_type)
    if feature is None or not output or RESULT_KEY not in output:
        return output
    parts = {}
    for name, model in feature.stored_apart.items():
        if name not in output:
            try:
                raw = object_storage().read(output[RESULT_KEY], max_bytes=MAX_APART_BYTES)
                parts[name] = model.model_validate_json(raw).model_dump(mode="json")
            except (ObjectMissingError, ObjectTooLargeError, ValidationError) as exc:
                logger.warning("an output lacks its %s: %s", name, type(exc).__name__)
    return parts | output
