"""MongoEngine, unmodified: embedded documents, a unique index, targeted updates."""

import uuid
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import mongoengine
import pytest
from mongoengine import fields
from mongoengine.context_managers import switch_db
from mongoengine.errors import NotUniqueError
from pymongo.database import Database

ALIAS = "embedded-server-tests"


class Clip(mongoengine.EmbeddedDocument):
    id = fields.StringField(required=True)
    start_ms = fields.IntField(default=0)
    deleted = fields.BooleanField(default=False)


class Track(mongoengine.EmbeddedDocument):
    id = fields.StringField(required=True)
    clips = fields.EmbeddedDocumentListField(Clip)


class Timeline(mongoengine.Document):
    project_id = fields.UUIDField(required=True, unique=True)
    version = fields.IntField(default=1)
    updated_at = fields.DateTimeField()
    tracks = fields.EmbeddedDocumentListField(Track)
    undo_stack = fields.ListField(fields.DictField())

    meta = {"collection": "timelines", "db_alias": ALIAS, "auto_create_index": True}


@pytest.fixture
def timelines(mongodb_uri: str, database: Database[Any]) -> Iterator[type[Timeline]]:
    mongoengine.connect(database.name, alias=ALIAS, host=mongodb_uri, uuidRepresentation="standard")
    with switch_db(Timeline, ALIAS) as switched:
        switched._collection = None
        yield switched
    mongoengine.disconnect(ALIAS)


def two_tracks() -> list[Track]:
    return [
        Track(id="t1", clips=[Clip(id="a", start_ms=0), Clip(id="b", start_ms=500)]),
        Track(id="t2", clips=[]),
    ]


def test_a_document_round_trips_with_its_embedded_documents(timelines: type[Timeline]) -> None:
    project = uuid.uuid4()
    now = datetime(2024, 1, 2, 3, 4, 5, 678000)  # noqa: DTZ001 - as it is stored
    timelines(project_id=project, updated_at=now, tracks=two_tracks()).save()
    loaded = timelines.objects.get(project_id=project)
    assert loaded.updated_at == now
    assert [c.start_ms for c in loaded.tracks[0].clips] == [0, 500]
    assert isinstance(loaded.tracks[1], Track)


def test_the_unique_index_is_made_and_kept(timelines: type[Timeline]) -> None:
    project = uuid.uuid4()
    timelines(project_id=project).save()
    with pytest.raises(NotUniqueError):
        timelines(project_id=project).save()
    assert timelines.objects.count() == 1


def test_saving_changes_writes_only_those(timelines: type[Timeline]) -> None:
    timeline = timelines(project_id=uuid.uuid4(), tracks=two_tracks()).save()
    timelines.objects(id=timeline.id).update(inc__version=1)
    timeline.tracks[0].clips[1].start_ms = 750
    timeline.save()
    timeline.reload()
    assert (timeline.version, timeline.tracks[0].clips[1].start_ms) == (2, 750)


def test_compare_and_set_by_version(timelines: type[Timeline]) -> None:
    project = uuid.uuid4()
    timelines(project_id=project, version=3).save()
    fresh = timelines.objects(project_id=project, version=3)
    edit = {"op": "trim", "clip": "a"}
    changes = {"inc__version": 1, "push__undo_stack__0": [edit]}
    assert fresh.update_one(**changes) == 1
    assert timelines.objects(project_id=project, version=3).update_one(**changes) == 0
    modified = timelines.objects(project_id=project).modify(new=True, set__tracks=two_tracks())
    assert (modified.version, modified.undo_stack) == (4, [edit])


def test_positional_updates_and_projections(timelines: type[Timeline]) -> None:
    project = uuid.uuid4()
    timelines(project_id=project, tracks=two_tracks()).save()
    timelines.objects(project_id=project, tracks__id="t2").update_one(
        push__tracks__S__clips=Clip(id="c", start_ms=9)
    )
    brief = timelines.objects(project_id=project).only("tracks.id").get()
    assert [t.id for t in brief.tracks] == ["t1", "t2"]
    assert brief.version == 1
    full = timelines.objects.get(project_id=project)
    assert [c.id for c in full.tracks[1].clips] == ["c"]


def test_queries_order_limit_and_delete(timelines: type[Timeline]) -> None:
    for version in range(5):
        timelines(project_id=uuid.uuid4(), version=version).save()
    newest = timelines.objects(version__gte=2).order_by("-version").limit(2)
    assert [t.version for t in newest] == [4, 3]
    assert timelines.objects(version__lt=2).delete() == 2
    assert timelines.objects.aggregate([{"$count": "n"}]).next() == {"n": 3}
