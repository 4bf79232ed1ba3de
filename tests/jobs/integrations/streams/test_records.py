"""What the streams say of a job's life, by the log and by the job."""

import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from rest_framework import serializers

from gpu_tasks.runtime.errors import ErrorCode
from jobs import lifecycle
from jobs.errors import JobError
from jobs.events import log
from jobs.features.base import Feature
from jobs.features.parameters import MediaField
from jobs.features.registry import get_feature
from jobs.integrations.streams import contents, schemas
from jobs.integrations.streams.encoding import create_encoder, decode
from jobs.integrations.streams.names import STREAMS
from jobs.integrations.streams.records import Row, build_progress_record, build_records
from jobs.models import Job
from jobs.states import AttemptState
from tests.jobs.integrations.streams.records import AT_MS, FEATURES
from tests.jobs.walk import RESULT, bring_to, number_all

MakeJob = Callable[..., Job]
pytestmark = pytest.mark.django_db


def rows_of(job: Job) -> list[Row]:
    """Its events, as the publisher reads them."""
    number_all()
    return [row for row in log.list_events_of_all(position=0, limit=1000) if row[2] == job.pk]


def told(job: Job) -> dict[str, dict[str, Any]]:
    """What readers of each stream get, of analytics the last."""
    encode = create_encoder()
    return {record.stream: decode(encode(record)) for record in build_records(rows_of(job))}


def ended(make_job: MakeJob, output: Any) -> Job:
    """A completed job with this output."""
    job = make_job()
    bring_to(job, AttemptState.COMPLETED)
    Job.objects.filter(pk=job.pk).update(output_data=output)
    return job


class TestALife:
    def test_a_completed_job(self, make_job: MakeJob) -> None:
        job = make_job()
        bring_to(job, AttemptState.COMPLETED)
        rows = rows_of(job)
        records = build_records(rows)
        assert [record.stream for record in records] == [
            *("jobs.requested", "analytics.events"),
            *("jobs.transcription", "analytics.events"),
            *("jobs.completed", "analytics.events"),
        ]
        assert {record.key for record in records} == {str(job.user_id)}
        assert [record.seq for record in records[::2]] == [row[3]["seq"] for row in rows]

        media_id = str(job.media_ids[0])
        common = {"job_id": str(job.pk), "user_id": str(job.user_id), "project_id": None}
        requested, begun, completed = (decode(create_encoder()(record)) for record in records[::2])
        assert json.loads(requested.pop("input_params")) == {"media_id": media_id}
        assert (
            requested.items()
            >= (common | {"type": "TRANSCRIPTION", "credits_reserved": 1, "seq": 1}).items()
        )
        assert json.loads(begun.pop("input_params")) == {"media_id": media_id}
        assert (
            begun.items()
            >= (
                common
                | {
                    "media_url": f"{settings.PUBLIC_URL}/media/{media_id}",
                    "language": "en",
                    "speaker_diarization": True,
                    "seq": 2,
                }
            ).items()
        )
        assert json.loads(completed.pop("output_data")) == RESULT
        assert completed["processing_time_ms"] == rows[2][3]["data"]["processing_time_ms"]
        assert (
            completed.items()
            >= (
                common
                | {"type": "TRANSCRIPTION", "credits_cost": 1, "credits_refunded": 0, "seq": 3}
            ).items()
        )

    def test_times_are_those_of_the_events(self, make_job: MakeJob) -> None:
        [row] = rows_of(make_job())
        event = row[3] | {"timestamp": "2026-11-23T06:00:00.123456Z"}
        for record in build_records([(*row[:3], event)]):
            assert decode(create_encoder()(record))["timestamp"] == AT_MS
            assert record.timestamp.isoformat() == "2026-11-23T06:00:00.123456+00:00"

    def test_a_failed_job(self, make_job: MakeJob) -> None:
        job = make_job()
        attempt = bring_to(job, AttemptState.RUNNING)
        error = JobError(ErrorCode.GPU_OOM, "Too large a film.")
        lifecycle.mark_errored(attempt_id=attempt.pk, error=error, states=[AttemptState.RUNNING])
        lifecycle.fail(attempt_id=attempt.pk, error=error)
        failed, analytics = told(job)["jobs.failed"], told(job)["analytics.events"]
        assert failed["type"] == "TRANSCRIPTION"
        assert (failed["error_code"], failed["error_message"]) == ("GPU_OOM", "Too large a film.")
        assert (failed["retryable"], failed["credits_to_refund"]) == (False, 1)
        assert (analytics["event"], analytics["error_code"]) == ("job.failed", "GPU_OOM")
        assert (analytics["status"], analytics["credits_refunded"]) == ("failed", 1)

    def test_a_cancelled_job_is_a_failed_one(self, make_job: MakeJob) -> None:
        job = make_job()
        lifecycle.cancel(job_id=job.pk, by="user")
        failed, analytics = told(job)["jobs.failed"], told(job)["analytics.events"]
        assert (failed["error_code"], failed["retryable"]) == ("CANCELLED", True)
        assert (failed["credits_to_refund"], failed["processing_time_ms"]) == (1, None)
        assert (analytics["event"], analytics["status"]) == ("job.cancelled", "cancelled")

    def test_a_further_attempt_is_for_statistics_alone(self, make_job: MakeJob) -> None:
        job = make_job()
        bring_to(job, AttemptState.RUNNING)
        lifecycle.requeue_job(job_id=job.pk, by="ann@example.com", reason="it hung")
        records = build_records(rows_of(job))
        assert [record.stream for record in records[4:]] == ["analytics.events"] * 2
        messages = [decode(create_encoder()(record)) for record in records[4:]]
        assert [record["event"] for record in messages] == ["job.retrying", "job.requeued"]
        assert [record["attempt"] for record in messages] == [2, None]
        assert "ann@" not in str(records)
        assert "hung" not in str(records)


class TestReading:
    def test_one_statement_reads_what_many_events_need(self, make_job: MakeJob) -> None:
        jobs = [make_job() for _ in range(3)]
        for job in jobs:
            bring_to(job, AttemptState.COMPLETED)
        number_all()
        rows = log.list_events_of_all(position=0, limit=1000)
        with CaptureQueriesContext(connection) as queries:
            records = build_records(rows)
        assert len(records) == 2 * 3 * 3
        statements = [query for query in queries if "SAVEPOINT" not in query["sql"]]
        assert len(statements) == 1

    def test_nothing_is_asked_for_nothing(self) -> None:
        assert build_records([]) == []

    def test_the_same_events_make_the_same_bytes(self, make_job: MakeJob) -> None:
        job = ended(make_job, {"b": 1, "a": [2.5, "ü"], "media": [{"id": "x", "name": "n"}]})
        rows = rows_of(job)
        first, again = build_records(rows), build_records(rows)
        assert first == again
        assert [create_encoder()(item) for item in first] == [
            create_encoder()(item) for item in again
        ]


class TestResults:
    def test_addresses_last_and_no_key_is_told(self, make_job: MakeJob) -> None:
        media = {"id": str(uuid4()), "name": "film.mp4", "type": "video", "object_key": "users/s"}
        job = ended(make_job, {"result_key": "users/secret", "media": [media], "engine": "draft"})
        output = json.loads(told(job)["jobs.completed"]["output_data"])
        assert output == {
            "result_url": f"{settings.PUBLIC_URL}/jobs/{job.pk}",
            "media": [
                {
                    "id": media["id"],
                    "name": "film.mp4",
                    "type": "video",
                    "media_url": f"{settings.PUBLIC_URL}/media/{media['id']}",
                }
            ],
            "engine": "draft",
        }
        assert told(job)["jobs.completed"]["media_ids"] == [media["id"]]

    def test_a_transcript_stays_where_it_is_stored(self, make_job: MakeJob) -> None:
        """The record has its address, and how many segments there are."""
        output = {"result_key": "k", "segments_count": 2, "transcript": {"segments": ["said"] * 2}}
        text = told(ended(make_job, output))["jobs.completed"]["output_data"]
        assert set(json.loads(text)) == {"result_url", "segments_count"}

    @pytest.mark.parametrize("output", [None, [], "text", 7])
    def test_an_output_that_is_no_object_is_none(self, make_job: MakeJob, output: Any) -> None:
        assert told(ended(make_job, output))["jobs.completed"]["output_data"] == "{}"

    def test_what_is_too_large_is_left_out_and_named(self, make_job: MakeJob) -> None:
        empty = len(contents.dump_compact({"answer": "", "engine": "draft"}))
        maximum = contents.MAX_JSON_CHARACTERS - empty
        stored = told(ended(make_job, {"answer": "ü" * maximum, "engine": "draft"}))[
            "jobs.completed"
        ]
        assert json.loads(stored["output_data"])["answer"] == "ü" * maximum
        text = told(ended(make_job, {"answer": "ü" * (maximum + 1), "engine": "draft"}))
        output = json.loads(text["jobs.completed"]["output_data"])
        assert output == {"engine": "draft", "left_out": ["answer"]}


def of_older_release(job: Job, **values: Any) -> dict[str, dict[str, Any]]:
    """What is told of a job that is so in the database."""
    bring_to(job, AttemptState.RUNNING)
    Job.objects.filter(pk=job.pk).update(**values)
    return told(job)


class TestParameters:
    @pytest.mark.parametrize("slug", FEATURES)
    def test_a_stream_has_each_parameter_of_its_feature(self, slug: str) -> None:
        feature = get_feature(slug.replace("-", "_"))
        fields = {
            field["name"]: field
            for field in schemas.build_complete_schema(f"jobs.{slug}")["fields"]
        }
        for name, parameter in declared(feature).items():
            if isinstance(parameter, MediaField):
                assert fields[f"{name.removesuffix('_id')}_url"]["type"] == "string"
            else:
                types = fields[name]["type"]
                types = set(types if isinstance(types, list) else [types])
                may_be_absent = not parameter.required and parameter.default is serializers.empty
                assert types - {"null"} == avro_types(parameter)
                assert may_be_absent or "null" not in types
                if parameter.default is not serializers.empty:
                    assert fields[name]["default"] == parameter.default

    def test_all_that_was_given_and_found(self, make_job: MakeJob) -> None:
        job = make_job()
        number = {"prompt": "Birds", "width": 640, "height": 480}
        derived = {"count": 3, "timeline": {"name": "t"}}
        values = {
            "type": "image_generation",
            "input_params": number,
            "derived_params": derived,
        }
        record = of_older_release(job, **values)["jobs.image-generation"]
        assert json.loads(record["input_params"]) == number
        typed = {name: record[name] for name in ("prompt", "width", "height", "count", "seed")}
        assert typed == number | {"count": 3, "seed": None}

    @pytest.mark.parametrize("target", ["archive", 25_000_000])
    def test_a_parameter_of_two_kinds(self, make_job: MakeJob, target: str | int) -> None:
        values = {"type": "compression", "input_params": {"target": target}}
        assert of_older_release(make_job(), **values)["jobs.compression"]["target"] == target

    @pytest.mark.parametrize(
        ("given", "derived"),
        [
            (None, None),
            ({"language": 7, "speaker_diarization": "no", "media_id": [1]}, {"language": None}),
            (["no object"], "nor this"),
        ],
    )
    def test_odd_ones_of_old_jobs_are_the_defaults(
        self, make_job: MakeJob, given: Any, derived: Any
    ) -> None:
        record = of_older_release(make_job(), input_params=given, derived_params=derived)
        typed = record["jobs.transcription"]
        assert (typed["language"], typed["speaker_diarization"]) == ("en", True)
        assert typed["media_url"] == ""

    def test_a_feature_without_a_schema_of_its_own(self, make_job: MakeJob) -> None:
        record = of_older_release(make_job(), type="stills", input_params={"count": 2})
        assert record["jobs.requested"]["type"] == "STILLS"
        assert json.loads(record["jobs.stills"]["input_params"]) == {"count": 2}

    def test_a_feature_that_is_no_more_is_noted_and_holds_back_nobody(
        self, make_job: MakeJob, caplog: pytest.LogCaptureFixture
    ) -> None:
        job = make_job()
        rows = rows_of(job)
        rows[0][3]["data"]["type"] = "dubbing"
        assert build_records(rows) == []
        assert "no schema knows jobs of type DUBBING" in caplog.text


def declared(feature: Feature) -> dict[str, serializers.Field[Any, Any, Any, Any]]:
    shared = {"project_id", "quote_id", "callback_url"}
    fields = feature.parameters().get_fields()
    return {name: field for name, field in fields.items() if name not in shared}


def avro_types(parameter: serializers.Field[Any, Any, Any, Any]) -> set[str]:
    if type(parameter).__name__ == "TargetField":
        return {"string", "long"}
    kinds = {
        serializers.BooleanField: "boolean",
        serializers.IntegerField: "long",
        serializers.FloatField: "double",
    }
    return {next((name for kind, name in kinds.items() if isinstance(parameter, kind)), "string")}


class TestProgress:
    def test_a_message_of_the_channel(self) -> None:
        before = timezone.now()
        message = {
            "user_id": str(uuid4()),
            "job_id": str(uuid4()),
            "type": "lip_sync",
            "progress": 42,
            "stage": "running",
            "message": "Working on it.",
            "eta_at": "2026-11-23T06:00:00.123+00:00",
        }
        record = build_progress_record(json.dumps(message).encode())
        value = decode(create_encoder()(record))
        assert before <= record.timestamp <= timezone.now()
        assert (record.stream, record.key, record.seq) == (
            "jobs.progress",
            message["user_id"],
            None,
        )
        assert value.pop("timestamp") >= int(before.timestamp() * 1000)
        assert value == message | {"type": "LIP_SYNC", "eta_at": AT_MS}

    def test_what_is_not_known_is_null(self) -> None:
        nothing = {"stage": None, "message": None, "eta_at": None, "progress": 0}
        value = decode(create_encoder()(build_progress_record(message(**nothing))))
        assert value.items() >= nothing.items()

    @pytest.mark.parametrize(
        "odd",
        [
            b"nonsense",
            b"[]",
            b"{}",
            b"\xff",
            json.dumps({"user_id": "ann"}).encode(),
        ],
    )
    def test_nonsense_is_refused(self, odd: bytes) -> None:
        with pytest.raises(ValueError, match="_Progress"):
            build_progress_record(odd)

    @pytest.mark.parametrize("values", [{"progress": 101}, {"progress": -1}, {"type": "dubbing"}])
    def test_so_is_what_no_schema_takes(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match=r"progress|dubbing|DUBBING"):
            build_progress_record(message(**values))


def message(**values: Any) -> bytes:
    expected_body = {"user_id": str(uuid4()), "job_id": str(uuid4()), "type": "tts", "progress": 1}
    return json.dumps(
        expected_body | {"stage": None, "message": None, "eta_at": None} | values
    ).encode()


def test_every_stream_but_progress_can_be_told_apart_from_doubles() -> None:
    for stream in STREAMS:
        names = {field["name"] for field in schemas.build_complete_schema(stream)["fields"]}
        assert "seq" in names or stream == "jobs.progress"
