"""Where a running call may store what it has made: asked for each output when it is there."""

from http import HTTPStatus

from django.conf import settings

from auteur.api.problems import PayloadTooLargeProblem, Problem
from gpu_tasks.runtime.callback import OutputGrant, OutputRequest
from jobs import lifecycle
from jobs.features.files import promised
from jobs.features.registry import feature_of
from media.storage import object_storage

URL_SECONDS = 300
"""A grant is used at once: it only has to outlive a slow connection's beginning."""


class NotPromisedProblem(Problem):
    """No output of the attempt, or one of another type."""

    status_code = HTTPStatus.UNPROCESSABLE_ENTITY
    default_code = "output_not_promised"
    default_detail = "The attempt has no such output."


def place_for(request: OutputRequest) -> OutputGrant:
    """A URL for one output, of just this size and type, to be written once.

    Asking again gives another URL for the same place. Raises ``NotFoundProblem`` and
    ``SupersededProblem`` for an attempt that is not (or no longer) current, ``NotPromisedProblem``,
    and ``PayloadTooLargeProblem``.
    """
    attempt = lifecycle.writing(attempt_id=request.attempt_id, call_id=request.call_id)
    types = {write.key: write.content_type for write in promised(attempt)}
    if types.get(request.key) != request.content_type:
        raise NotPromisedProblem
    contract = feature_of(attempt.job.type).contract
    if request.size_bytes > min(contract.max_output_bytes, settings.MAX_UPLOAD_BYTES):
        raise PayloadTooLargeProblem
    url = object_storage().presigned_put(
        request.key,
        content_type=request.content_type,
        size_bytes=request.size_bytes,
        once=True,
        expires=URL_SECONDS,
    )
    return OutputGrant(
        url=url, headers={"Content-Type": request.content_type, "If-None-Match": "*"}
    )
