"""Build the statement in a result's credentials for the library: actions, agent, ingredients.

The statement is published with the file. It contains no file names, prompts or users, only ids,
which mean nothing to others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from auteur import __version__
from media.provenance.source_types import Making, SourceType

GENERATOR = "Auteur"
MAX_SOURCES = 100
"""Sources that a statement names."""


@dataclass(frozen=True)
class Source:
    """A media file from which a result is made."""

    media_id: UUID
    content_type: str
    object_key: str
    size_bytes: int
    source_type: SourceType | None = None

    @property
    def label(self) -> str:
        """The label by which actions refer to the source."""
        return f"media-{self.media_id}"


@dataclass(frozen=True)
class Statement:
    """A statement of how a result was made."""

    making: Making
    source_type: SourceType | None
    engine: str
    """`draft` or `production`."""
    model: str
    sources: Sequence[Source] = ()
    most_bytes: int | None = None
    """The largest size of the signed file. A file that would be larger stays unsigned."""

    def definition(self) -> dict[str, Any]:
        """Return the manifest without its ingredients."""
        actions = {"label": "c2pa.actions.v2", "data": {"actions": self._build_actions()}}
        return {
            "claim_generator_info": [{"name": GENERATOR, "version": __version__}],
            "assertions": [actions],
        }

    def ingredient(self, source: Source) -> dict[str, Any]:
        """Return one of the sources as an ingredient."""
        is_parent = self.making.action is not None and source == self.sources[0]
        return {
            "title": str(source.media_id),
            "format": source.content_type,
            "instance_id": f"xmp:iid:{source.media_id}",
            "label": source.label,
            "relationship": "parentOf" if is_parent else "componentOf",
        }

    def _build_actions(self) -> list[dict[str, Any]]:
        common_fields: dict[str, Any] = {"softwareAgent": self._build_agent()}
        if self.source_type is not None:
            common_fields["digitalSourceType"] = self.source_type.uri
        labels = [source.label for source in self.sources]
        if self.making.action is None or not labels:
            actions = [{"action": "c2pa.created", **common_fields}]
            return [*actions, *_build_placed_actions(labels)]
        open_action = {"action": "c2pa.opened", "parameters": {"ingredientIds": labels[:1]}}
        return [
            open_action,
            {"action": self.making.action, **common_fields},
            *_build_placed_actions(labels[1:]),
        ]

    def _build_agent(self) -> dict[str, str]:
        name, _, revision = self.model.partition("@")
        agent = {"name": name or self.engine, "engine": self.engine}
        return agent | ({"version": revision} if revision else {})


def _build_placed_actions(labels: Sequence[str]) -> list[dict[str, Any]]:
    if not labels:
        return []
    return [{"action": "c2pa.placed", "parameters": {"ingredientIds": list(labels)}}]
