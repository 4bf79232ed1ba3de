"""Build the models of `output_data` for clients: one for each feature, by its declaration.

The rows hold the same, with keys of objects instead of URLs (`jobs.queries.build_output`).
"""

from functools import cache
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field, create_model

from gpu_tasks.runtime.contract import EngineInfo, PlainModel
from jobs.features.base import Feature


class ResultMedia(PlainModel):
    """A media file that a job has made, as it was then; `GET /media/:id` has it as it is."""

    id: UUID
    name: str
    type: Literal["video", "audio", "image"]
    mime_type: str
    duration_ms: int | None = Field(description="Null for a picture.")
    file_size_bytes: int
    metadata: dict[str, Any] = Field(description="As of all media.")
    download_url: str | None = Field(
        description="Works for 15 minutes; null where the file has been deleted."
    )


@cache
def output_model(feature: Feature) -> type[BaseModel]:
    """Return the model of the feature's output, with its engine and its media."""
    fields: dict[str, Any] = {
        "engine": (
            EngineInfo | None,
            Field(description="What did the work; null of jobs of before it was told."),
        )
    }
    if type(feature).outputs is not Feature.outputs:
        fields["media"] = (list[ResultMedia], Field(description="What was made, ready to be used."))
    base = feature.output or feature.contract.result
    name = f"{camel(feature)}Output"
    return create_model(name, __base__=base, __doc__=base.__doc__, **fields)


def camel(feature: Feature) -> str:
    """Return the feature's name as in classes and components: `LipSync`."""
    return feature.name.title().replace("_", "")
