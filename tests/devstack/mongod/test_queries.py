"""Reading: filters, projections, sorting, cursors, distinct and aggregation."""

from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.errors import CursorNotFound, OperationFailure

Document = dict[str, Any]


@pytest.fixture
def edl(clips: Collection[Document]) -> Collection[Document]:
    clips.insert_one(
        {
            "_id": 1,
            "version": 3,
            "tracks": [
                {"id": "t1", "clips": [{"id": "a", "ms": 1}, {"id": "b", "ms": 2}]},
                {"id": "t2", "clips": [{"id": "c", "ms": 3}]},
            ],
            "transcript": {"language": "en", "segments": [{"n": n} for n in range(5)]},
        }
    )
    return clips


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"n": {"$gt": 1, "$lte": 3}}, [2, 3]),
        ({"n": {"$in": [0, 4, 9]}}, [0, 4]),
        ({"n": {"$nin": [0, 1, 2, 3]}}, [4]),
        ({"$or": [{"n": 0}, {"tags": "even"}]}, [0, 2, 4]),
        ({"$and": [{"n": {"$ne": 0}}, {"tags": "even"}]}, [2, 4]),
        ({"tags": {"$size": 2}}, [0]),
        ({"tags": {"$all": ["even", "first"]}}, [0]),
        ({"only": {"$exists": True}}, [3]),
        ({"only": None}, [0, 1, 2, 4]),
        ({"name": {"$regex": "^CLIP-[12]", "$options": "i"}}, [1, 2]),
        ({"n": {"$not": {"$lt": 3}}}, [3, 4]),
        ({"parts": {"$elemMatch": {"a": 1, "b": {"$gte": 4}}}}, [4]),
        ({"parts.b": 2}, [2]),
        ({"$expr": {"$eq": ["$n", "$twin"]}}, [0, 1, 2]),
    ],
)
def test_filters(clips: Collection[Document], query: Document, found: list[int]) -> None:
    for n in range(5):
        tags = (["even"] if n % 2 == 0 else []) + (["first"] if n == 0 else [])
        document = {"_id": n, "n": n, "tags": tags, "name": f"clip-{n}", "twin": min(n, 2)}
        document["parts"] = [{"a": 0, "b": 9}, {"a": 1, "b": n}]
        clips.insert_one(document | ({"only": 1} if n == 3 else {}))
    assert [d["_id"] for d in clips.find(query)] == found
    assert clips.count_documents(query) == len(found)


@pytest.mark.parametrize(
    ("projection", "expected"),
    [
        ({"version": 1}, {"_id": 1, "version": 3}),
        ({"version": 1, "_id": 0}, {"version": 3}),
        ({"tracks": 0, "transcript": 0}, {"_id": 1, "version": 3}),
        ({"tracks.id": 1, "_id": 0}, {"tracks": [{"id": "t1"}, {"id": "t2"}]}),
        (
            {"tracks.clips.ms": 1, "_id": 0},
            {"tracks": [{"clips": [{"ms": 1}, {"ms": 2}]}, {"clips": [{"ms": 3}]}]},
        ),
        (
            {"tracks": 0, "transcript.segments": 0},
            {"_id": 1, "version": 3, "transcript": {"language": "en"}},
        ),
        (
            {"version": 1, "transcript.segments": {"$slice": [1, 2]}},
            {"_id": 1, "version": 3, "transcript": {"segments": [{"n": 1}, {"n": 2}]}},
        ),
        (
            {"tracks": 0, "transcript.segments": {"$slice": -1}},
            {"_id": 1, "version": 3, "transcript": {"language": "en", "segments": [{"n": 4}]}},
        ),
        (
            {"tracks": {"$elemMatch": {"id": "t2"}}},
            {"_id": 1, "tracks": [{"id": "t2", "clips": [{"id": "c", "ms": 3}]}]},
        ),
        ({"tracks": {"$elemMatch": {"id": "none"}}}, {"_id": 1}),
        ({"missing": 1}, {"_id": 1}),
        ({"_id": 1}, {"_id": 1}),
    ],
)
def test_projections(edl: Collection[Document], projection: Document, expected: Document) -> None:
    assert edl.find_one({}, projection) == expected


@pytest.mark.parametrize(
    ("projection", "code"),
    [
        ({"version": 1, "tracks": 0}, 31254),
        ({"version": 0, "tracks": 1}, 31253),
        ({"tracks": 1, "tracks.id": 1}, 31249),
    ],
)
def test_projections_that_contradict_themselves(
    edl: Collection[Document], projection: Document, code: int
) -> None:
    with pytest.raises(OperationFailure) as failure:
        edl.find_one({}, projection)
    assert failure.value.code == code


def test_sorting_skipping_and_limiting(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "a": i % 2, "b": -i} for i in range(6)])
    found = clips.find({}, sort=[("a", -1), ("b", 1)]).skip(1).limit(3)
    assert [d["_id"] for d in found] == [3, 1, 4]


def test_arrays_sort_by_their_smallest_or_largest_element(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": 1, "a": [5, 1]}, {"_id": 2, "a": [3]}, {"_id": 3}])
    assert [d["_id"] for d in clips.find({}, sort=[("a", 1)])] == [3, 1, 2]
    assert [d["_id"] for d in clips.find({}, sort=[("a", -1)])] == [1, 2, 3]


def test_mixed_types_sort_in_bson_order(clips: Collection[Document]) -> None:
    values: list[Any] = [True, "text", 2, None, {"a": 1}, [0], b"bytes"]
    clips.insert_many([{"_id": i, "v": value} for i, value in enumerate(values)])
    ordered = [d["v"] for d in clips.find({}, sort=[("v", 1)])]
    assert ordered == [None, [0], 2, "text", {"a": 1}, b"bytes", True]


def test_a_cursor_delivers_every_document_once_over_many_batches(
    clips: Collection[Document],
) -> None:
    clips.insert_many([{"_id": i, "pad": "x" * 100} for i in range(1_500)])
    assert [d["_id"] for d in clips.find(batch_size=64)] == list(range(1_500))
    assert len(list(clips.find(batch_size=64).limit(1_000))) == 1_000


def test_a_batch_stays_under_sixteen_mebibytes(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "blob": b"x" * 7_000_000} for i in range(3)])
    reply = clips.database.command("find", clips.name, batchSize=10)
    assert len(reply["cursor"]["firstBatch"]) == 2
    assert [d["_id"] for d in clips.find()] == [0, 1, 2]


def test_a_cursor_shows_documents_as_they_were(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i, "v": "old"} for i in range(10)])
    cursor = clips.find(batch_size=2)
    first = next(cursor)
    clips.update_many({}, {"$unset": {"v": ""}})
    assert first == {"_id": 0, "v": "old"}
    assert len([first, *cursor]) == 10


def test_a_closed_cursor_is_gone(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i} for i in range(10)])
    cursor = clips.find(batch_size=2)
    next(cursor)
    cursor_id = cursor.cursor_id
    cursor.close()
    with pytest.raises(CursorNotFound) as failure:
        clips.database.command("getMore", cursor_id, collection=clips.name)
    assert failure.value.code == 43


def test_a_cursor_belongs_to_its_collection(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i} for i in range(10)])
    cursor = clips.find(batch_size=2)
    next(cursor)
    with pytest.raises(OperationFailure) as failure:
        clips.database.command("getMore", cursor.cursor_id, collection="other")
    assert failure.value.code == 13


def test_two_clients_share_the_data(clips: Collection[Document], mongodb_uri: str) -> None:
    clips.insert_one({"_id": 1})
    other: MongoClient[Document] = MongoClient(mongodb_uri)
    with other:
        assert other[clips.database.name]["clips"].find_one() == {"_id": 1}


def test_distinct_takes_arrays_apart(clips: Collection[Document]) -> None:
    clips.insert_many([{"t": ["b", "a"]}, {"t": "a"}, {"t": 1}, {"t": 1.0}, {"x": 1}])
    assert sorted(map(str, clips.distinct("t"))) == ["1", "a", "b"]
    assert clips.distinct("t", {"t": "b"}) == ["b", "a"]


def test_counts(clips: Collection[Document]) -> None:
    clips.insert_many([{"n": i} for i in range(10)])
    assert clips.estimated_document_count() == 10
    assert clips.count_documents({"n": {"$gte": 4}}) == 6
    assert clips.count_documents({}, skip=3, limit=5) == 5
    assert clips.count_documents({"n": 99}) == 0


def test_group_sort_and_count(clips: Collection[Document]) -> None:
    clips.insert_many([{"k": "ab"[i % 2], "n": i} for i in range(6)])
    pipeline: list[Document] = [
        {"$match": {"n": {"$gte": 1}}},
        {"$group": {"_id": "$k", "total": {"$sum": "$n"}, "most": {"$max": "$n"}}},
        {"$sort": {"total": -1}},
    ]
    assert list(clips.aggregate(pipeline)) == [
        {"_id": "b", "total": 9, "most": 5},
        {"_id": "a", "total": 6, "most": 4},
    ]
    assert list(clips.aggregate([{"$skip": 1}, {"$limit": 3}, {"$count": "n"}])) == [{"n": 3}]
    assert list(clips.aggregate([{"$match": {"n": 99}}, {"$count": "n"}])) == []


def test_unwind_and_project(edl: Collection[Document]) -> None:
    pipeline: list[Any] = [
        {"$unwind": "$tracks"},
        {"$unwind": {"path": "$tracks.clips", "includeArrayIndex": "place"}},
        {"$project": {"_id": 0, "clip": "$tracks.clips.id", "place": 1}},
    ]
    rows = list(edl.aggregate(pipeline))
    assert rows == [
        {"place": 0, "clip": "a"},
        {"place": 1, "clip": "b"},
        {"place": 0, "clip": "c"},
    ]
    document = edl.find_one()
    assert document is not None
    assert len(document["tracks"]) == 2


def test_unwind_keeps_what_it_is_told_to_keep(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": 1, "a": [1, 2]}, {"_id": 2, "a": []}, {"_id": 3}])
    stage = {"path": "$a", "preserveNullAndEmptyArrays": True}
    assert list(clips.aggregate([{"$unwind": stage}])) == [
        {"_id": 1, "a": 1},
        {"_id": 1, "a": 2},
        {"_id": 2},
        {"_id": 3},
    ]


def test_an_aggregation_comes_in_batches(clips: Collection[Document]) -> None:
    clips.insert_many([{"_id": i} for i in range(300)])
    cursor = clips.aggregate([{"$sort": {"_id": -1}}], batchSize=50)
    assert [d["_id"] for d in cursor] == list(reversed(range(300)))


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ({"$frobnicate": 1}, 2),
        ({"a": {"$frobnicate": 1}}, 2),
        ({"$or": []}, 2),
        ({"a": {"$elemMatch": {"$or": 1}}}, 2),
        ({"a": {"$gt": 1, "b": 2}}, 2),
        ({"a": {"$regex": "("}}, 51091),
    ],
)
def test_malformed_filters(clips: Collection[Document], query: Document, code: int) -> None:
    with pytest.raises(OperationFailure) as failure:
        clips.find_one(query)
    assert failure.value.code == code


def test_an_unknown_pipeline_stage(clips: Collection[Document]) -> None:
    with pytest.raises(OperationFailure) as failure:
        clips.aggregate([{"$frobnicate": {}}])
    assert failure.value.code == 40324
