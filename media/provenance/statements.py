"""What a result's credentials say, as the library takes it: actions, agent, ingredients.

They are published with the file: no names of files, no prompts, no users, but ids, which say
nothing to others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from auteur import __version__
from media.provenance.source_types import Making, SourceType

GENERATOR = "Auteur"
MAX_SOURCES = 100
"""That are named."""


@dataclass(frozen=True)
class Source:
    """A media file that a result is made of."""

    media_id: UUID
    content_type: str
    object_key: str
    size_bytes: int
    source_type: SourceType | None = None

    @property
    def label(self) -> str:
        """What actions call it by."""
        return f"media-{self.media_id}"


@dataclass(frozen=True)
class Statement:
    """How a result was made."""

    making: Making
    source_type: SourceType | None
    engine: str
    """`draft` or `production`."""
    model: str
    sources: Sequence[Source] = ()
    most_bytes: int | None = None
    """How large the signed file may be; one without room for it stays unsigned."""

    def definition(self) -> dict[str, Any]:
        """The manifest, without its ingredients."""
        actions = {"label": "c2pa.actions.v2", "data": {"actions": self._actions()}}
        return {
            "claim_generator_info": [{"name": GENERATOR, "version": __version__}],
            "assertions": [actions],
        }

    def ingredient(self, source: Source) -> dict[str, Any]:
        """One of the sources, as an ingredient."""
        is_parent = self.making.action is not None and source == self.sources[0]
        return {
            "title": str(source.media_id),
            "format": source.content_type,
            "instance_id": f"xmp:iid:{source.media_id}",
            "label": source.label,
            "relationship": "parentOf" if is_parent else "componentOf",
        }

    def _actions(self) -> list[dict[str, Any]]:
        done: dict[str, Any] = {"softwareAgent": self._agent()}
        if self.source_type is not None:
            done["digitalSourceType"] = self.source_type.uri
        labels = [source.label for source in self.sources]
        if self.making.action is None or not labels:
            actions = [{"action": "c2pa.created", **done}]
            return [*actions, *_placed(labels)]
        opened = {"action": "c2pa.opened", "parameters": {"ingredientIds": labels[:1]}}
        return [opened, {"action": self.making.action, **done}, *_placed(labels[1:])]

    def _agent(self) -> dict[str, str]:
        name, _, revision = self.model.partition("@")
        agent = {"name": name or self.engine, "engine": self.engine}
        return agent | ({"version": revision} if revision else {})


def _placed(labels: Sequence[str]) -> list[dict[str, Any]]:
    if not labels:
        return []
    return [{"action": "c2pa.placed", "parameters": {"ingredientIds": list(labels)}}]
