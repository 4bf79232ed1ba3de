"""Outputs of jobs, whole: with what of them lies in an object alone (docs/decisions/0048)."""

import logging
from typing import Any

from pydantic import ValidationError

from jobs.features.files import MAX_APART_BYTES, RESULT_KEY
from jobs.features.registry import features
from media.storage import ObjectMissingError, ObjectTooLargeError, object_storage

logger = logging.getLogger(__name__)


def load_output(job_type: str, output: dict[str, Any] | None) -> dict[str, Any] | None:
    """A stored output with what was stored apart of it; raises ``STORAGE_ERRORS``.

    Older outputs hold all themselves. One whose object is no longer there as it was collected lacks
    what lay there.
    """
    feature = features().get(job_type)
    if feature is None or not output or RESULT_KEY not in output:
        return output
    read = {}
    for name, model in feature.stored_apart.items():
        if name not in output:
            try:
                raw = object_storage().read(output[RESULT_KEY], max_bytes=MAX_APART_BYTES)
                read[name] = model.model_validate_json(raw).model_dump(mode="json")
            except (ObjectMissingError, ObjectTooLargeError, ValidationError) as exc:
                logger.warning("an output lacks its %s: %s", name, type(exc).__name__)
    return read | output
