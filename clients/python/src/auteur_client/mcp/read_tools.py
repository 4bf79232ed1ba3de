"""Define the tools that change nothing."""

from collections.abc import Callable, Iterable
from itertools import islice
from typing import Annotated, Any

import anyio
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from auteur_client.errors import AuteurError
from auteur_client.mcp.access import Access, Feature, Id, IdOrNone, Json

MAX_FRAME_WIDTH = 1280
"""The limit of a frame's width in pixels."""
MAX_CLIPS = 200
MAX_SEGMENTS = 200
MAX_WORDS = 2000
MAX_ROWS = 50
MAX_WAIT_SECONDS = 50
"""The longest wait of one call: many clients time out after a minute."""
POLL_SECONDS = 1.0
TERMINAL_STATUSES = {"completed", "failed", "cancelled"}

Cursor = Annotated[
    str, Field(description="The `next_cursor` of the previous page; empty for the first.")
]
Limit = Annotated[int, Field(ge=1, le=MAX_ROWS)]
FromMs = Annotated[
    int, Field(ge=0, description="Return only what ends after this time, in milliseconds.")
]


class ReadTools:
    """The tools that read projects, timelines, media, jobs, features and credits."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._request = access.request

    @property
    def tools(self) -> list[Callable[..., Any]]:
        return [
            self.list_features,
            self.describe_feature,
            self.quote_feature,
            self.get_credits,
            self.list_projects,
            self.get_project,
            self.get_timeline,
            self.get_transcript,
            self.get_history,
            self.get_frame,
            self.list_placeholders,
            self.list_media,
            self.get_media,
            self.list_jobs,
            self.get_job,
            self.wait_for_job,
        ]

    def list_features(self, ctx: Context) -> list[Json]:
        """List the AI features, their prices, and whether each runs only as a draft."""
        fields = ("type", "path", "title", "description", "price", "plan", "available", "is_draft")
        features = self._request(ctx, "GET", "/features")["features"]
        return [{name: feature[name] for name in fields} for feature in features]

    def describe_feature(self, ctx: Context, type: Feature) -> Json:
        """Describe one feature: its parameters with choices and bounds, and its limits."""
        features = self._request(ctx, "GET", "/features")["features"]
        for feature in features:
            if type in (feature["type"], get_slug(feature["type"])):
                return dict(feature)
        raise ToolError(f"There is no feature {type}. Choose one of `list_features`.")

    def quote_feature(self, ctx: Context, type: Feature, parameters: dict[str, Any]) -> Json:
        """Quote the price of a job: `credits`, and the `quote_id` for `run_feature`. It is free.

        A quote is valid for 15 minutes, and only for these parameters.
        """
        return self._request(
            ctx,
            "POST",
            f"/jobs/{get_slug(type)}/estimate",
            body=self._access.check_parameters(parameters),
        )

    def get_credits(self, ctx: Context) -> Json:
        """Return the balance, when it expires, and what this session's key may still spend."""
        return self._request(ctx, "GET", "/credits")

    def list_projects(
        self, ctx: Context, search: str = "", limit: Limit = 20, cursor: Cursor = ""
    ) -> Json:
        """List projects, the newest first; `search` matches their names."""
        query = {"search": search, "limit": limit, "cursor": cursor}
        return build_page(self._request(ctx, "GET", "/projects", query=query))

    def get_project(self, ctx: Context, project_id: Id) -> Json:
        """Return a project, with the version of its timeline but without its clips."""
        project = self._request(ctx, "GET", f"/projects/{project_id}")
        edl = project.pop("edl", None)
        return {**project, "version": edl and edl["version"], "settings": edl and edl["settings"]}

    def get_timeline(self, ctx: Context, project_id: Id, from_ms: FromMs = 0) -> Json:
        """Return a timeline's tracks, its clips in order of time, and its `version` for edits.

        It returns at most 200 clips. If `goes_on_at_ms` is not null, call again from there.
        """
        edl = self._request(ctx, "GET", f"/projects/{project_id}/edl")
        clips = sorted(
            (
                clip
                for track in edl["tracks"]
                for clip in track["clips"]
                if clip["start_ms"] + clip["duration_ms"] > from_ms
            ),
            key=lambda clip: int(clip["start_ms"]),
        )
        tracks = [{k: track[k] for k in ("id", "type", "name")} for track in edl["tracks"]]
        return {
            "version": edl["version"],
            "settings": edl["settings"],
            "undo_depth": edl["undo_depth"],
            "tracks": tracks,
            **_limit_rows("clips", clips, MAX_CLIPS),
        }

    def get_transcript(
        self, ctx: Context, project_id: Id, from_ms: FromMs = 0, with_words: bool = False
    ) -> Json:
        """Return the transcript: segments with ids, speakers, texts and times in their media.

        `with_words` adds each word with its index for `edit_word` and `delete_words`. It returns at
        most 200 segments or 2,000 words. If `goes_on_at_ms` is not null, call again from there.
        """
        segments = [
            segment
            for segment in self._request(ctx, "GET", f"/projects/{project_id}/transcript")[
                "segments"
            ]
            if segment["end_ms"] > from_ms
        ]
        if with_words:
            return _limit_rows("segments", segments, _count_short_segments(segments))
        plain = [{k: v for k, v in segment.items() if k != "words"} for segment in segments]
        return _limit_rows("segments", plain, MAX_SEGMENTS)

    def get_frame(
        self,
        ctx: Context,
        project_id: Id,
        at_ms: Annotated[int, Field(ge=0, description="A time of the timeline.")],
        width: Annotated[int, Field(ge=16, le=MAX_FRAME_WIDTH)] = 640,
    ) -> Image:
        """Show one frame of the timeline as it is rendered, without captions."""
        try:
            content = self._access.get_client(ctx).frame(project_id, at_ms, width=width)
        except AuteurError as exc:
            raise ToolError(str(exc)) from exc
        return Image(data=content, format="jpeg")

    def list_placeholders(self, ctx: Context, project_id: Id) -> Json:
        """List the media of the timeline that `copy_project` can replace."""
        return self._request(ctx, "GET", f"/projects/{project_id}/placeholders")

    def get_history(self, ctx: Context, project_id: Id) -> Json:
        """List the edits that can be undone and redone, with author, time and operations."""
        return self._request(ctx, "GET", f"/projects/{project_id}/edl/history")

    def list_media(
        self,
        ctx: Context,
        project_id: IdOrNone = "",
        search: str = "",
        type: str = "",
        limit: Limit = 20,
        cursor: Cursor = "",
    ) -> Json:
        """List media files of one project or of all; `type`: video, audio or image."""
        query = {"search": search, "type": type, "limit": limit, "cursor": cursor}
        path = f"/projects/{project_id}/media" if project_id else "/media"
        return build_page(self._request(ctx, "GET", path, query=query))

    def get_media(self, ctx: Context, media_id: Id) -> Json:
        """Return a media file, with signed URLs that expire."""
        return self._request(ctx, "GET", f"/media/{media_id}")

    def list_jobs(
        self, ctx: Context, status: str = "", limit: Limit = 20, cursor: Cursor = ""
    ) -> Json:
        """List jobs, the newest first, including those of earlier sessions.

        `status`: pending, processing, completed, failed or cancelled.
        """
        query = {"status": status, "limit": limit, "cursor": cursor}
        return build_page(self._request(ctx, "GET", "/jobs", query=query))

    def get_job(self, ctx: Context, job_id: Id) -> Json:
        """Return a job with its status, and its result or error if it has ended."""
        return self._request(ctx, "GET", f"/jobs/{job_id}")

    async def wait_for_job(
        self,
        ctx: Context,
        job_id: Id,
        seconds: Annotated[int, Field(ge=1, le=MAX_WAIT_SECONDS)] = 30,
    ) -> Json:
        """Wait at most these seconds until a job has ended; return it, ended or not."""
        with anyio.move_on_after(seconds):
            while (job := await self._get_job(ctx, job_id))["status"] not in TERMINAL_STATUSES:
                await ctx.report_progress(job["progress"], 1.0, job["stage"] or job["status"])
                await anyio.sleep(POLL_SECONDS)
            return job
        return await self._get_job(ctx, job_id)

    async def _get_job(self, ctx: Context, job_id: Id) -> Json:
        return await anyio.to_thread.run_sync(self.get_job, ctx, job_id)


def get_slug(type: str) -> str:
    """Return a feature's name in URLs: with hyphens for underscores."""
    return type.replace("_", "-")


def build_page(response: Json) -> Json:
    """Return the rows of a page, and the cursor of the next page, null at the end."""
    rows = next(value for value in response.values() if isinstance(value, list))
    _, _, cursor = (response.get("next") or "").partition("cursor=")
    return {"rows": rows, "next_cursor": cursor.partition("&")[0] or None}


def _limit_rows(name: str, rows: list[Json], limit: int) -> Json:
    """Return the first rows, and the start of the first row left out."""
    remaining = rows[limit:]
    return {name: rows[:limit], "goes_on_at_ms": remaining[0]["start_ms"] if remaining else None}


def _count_short_segments(segments: Iterable[Json]) -> int:
    """Return how many segments stay within ``MAX_WORDS``, at least one."""
    count = words = 0
    for segment in islice(segments, MAX_SEGMENTS):
        words += len(segment["words"])
        if words > MAX_WORDS and count:
            break
        count += 1
    return count
