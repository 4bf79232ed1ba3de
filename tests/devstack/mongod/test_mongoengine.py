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


def test_compare_and_set_by_version(timelines: type[Timeline]) -> None:
    project = uuid.uuid4()
    timelines(project_id=project, version=3).save()
    fresh = timelines.objects(project_id=project, version=3)
    edit = {"op": "trim", "clip": "a"}
    change = {"$inc": {"version": 1}, "$push": {"undo_stack": {"$each": [edit], "$slice": -5}}}
    assert fresh.update_one(__raw__=change) == 1
    assert fresh.update_one(__raw__=change) == 0
    stored = timelines.objects(project_id=project).as_pymongo().first()
    assert (stored["version"], stored["undo_stack"]) == (4, [edit])


def test_projections(timelines: type[Timeline]) -> None:
    project = uuid.uuid4()
    timelines(project_id=project, tracks=two_tracks()).save()
    brief = timelines.objects(project_id=project).only("tracks.id").get()
    assert [t.id for t in brief.tracks] == ["t1", "t2"]
    assert brief.version == 1
    last = timelines.objects(project_id=project).fields(slice__tracks=-1, id=0).as_pymongo()
    assert [t["id"] for t in last.first()["tracks"]] == ["t2"]


def test_queries_and_delete(timelines: type[Timeline]) -> None:
    for version in range(5):
        timelines(project_id=uuid.uuid4(), version=version).save()
    found = timelines.objects(version__gte=2).limit(2)
    assert [t.version for t in found] == [2, 3]
    assert timelines.objects(version__lt=2).delete() == 2
    assert timelines.objects(version__in=[2, 9]).count() == 1
