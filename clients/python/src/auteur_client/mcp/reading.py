"""Tools that change nothing."""

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
"""Of a picture that an agent looks at."""
MAX_CLIPS = 200
MAX_SEGMENTS = 200
MAX_WORDS = 2000
MAX_ROWS = 50
MAX_WAIT_SECONDS = 50
"""Of one call: many clients give up after a minute."""
POLL_SECONDS = 1.0
ENDED = {"completed", "failed", "cancelled"}

Cursor = Annotated[str, Field(description="`next_cursor` of the page before; empty: the first.")]
Limit = Annotated[int, Field(ge=1, le=MAX_ROWS)]
FromMs = Annotated[int, Field(ge=0, description="Only what ends after this, in milliseconds.")]


class Reading:
    """Projects, timelines, transcripts, media, jobs, features and credits, as they are."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._ask = access.ask

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
        """What AI work can be asked for, what it costs, and whether its engine is only a draft."""
        shown = ("type", "path", "title", "description", "price", "plan", "available", "is_draft")
        features = self._ask(ctx, "GET", "/features")["features"]
        return [{name: feature[name] for name in shown} for feature in features]

    def describe_feature(self, ctx: Context, type: Feature) -> Json:
        """All of one feature: its parameters with their choices and bounds, and its limits."""
        features = self._ask(ctx, "GET", "/features")["features"]
        for feature in features:
            if type in (feature["type"], slug(feature["type"])):
                return dict(feature)
        raise ToolError(f"There is no feature {type}: see `list_features`.")

    def quote_feature(self, ctx: Context, type: Feature, parameters: dict[str, Any]) -> Json:
        """The price of work, for free: `credits`, and the `quote_id` that `run_feature` takes.

        A quote holds for a quarter of an hour and for these parameters alone.
        """
        return self._ask(
            ctx,
            "POST",
            f"/jobs/{slug(type)}/estimate",
            body=self._access.job_parameters(parameters),
        )

    def get_credits(self, ctx: Context) -> Json:
        """The balance, what of it expires when, and what this session's key may still spend."""
        return self._ask(ctx, "GET", "/credits")

    def list_projects(
        self, ctx: Context, search: str = "", limit: Limit = 20, cursor: Cursor = ""
    ) -> Json:
        """Projects, the newest first; `search` is in their names."""
        query = {"search": search, "limit": limit, "cursor": cursor}
        return page(self._ask(ctx, "GET", "/projects", query=query))

    def get_project(self, ctx: Context, project_id: Id) -> Json:
        """One project, with the length of its timeline but without its contents."""
        project = self._ask(ctx, "GET", f"/projects/{project_id}")
        edl = project.pop("edl", None)
        return {**project, "version": edl and edl["version"], "settings": edl and edl["settings"]}

    def get_timeline(self, ctx: Context, project_id: Id, from_ms: FromMs = 0) -> Json:
        """The timeline's tracks and clips, in the order of time, and its `version` for edits.

        At most 200 clips: where `goes_on_at_ms` is not null, ask again from there.
        """
        edl = self._ask(ctx, "GET", f"/projects/{project_id}/edl")
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
            **_stretch("clips", clips, MAX_CLIPS),
        }

    def get_transcript(
        self, ctx: Context, project_id: Id, from_ms: FromMs = 0, with_words: bool = False
    ) -> Json:
        """What is said: segments with ids, speakers, texts and times in their media.

        `with_words` adds each word with its index for `edit_word` and `delete_words`. At most 200
        segments, or 2,000 words: where `goes_on_at_ms` is not null, ask again from there.
        """
        segments = [
            segment
            for segment in self._ask(ctx, "GET", f"/projects/{project_id}/transcript")["segments"]
            if segment["end_ms"] > from_ms
        ]
        if with_words:
            return _stretch("segments", segments, _of_few_words(segments))
        plain = [{k: v for k, v in each.items() if k != "words"} for each in segments]
        return _stretch("segments", plain, MAX_SEGMENTS)

    def get_frame(
        self,
        ctx: Context,
        project_id: Id,
        at_ms: Annotated[int, Field(ge=0, description="A time of the timeline.")],
        width: Annotated[int, Field(ge=16, le=MAX_FRAME_WIDTH)] = 640,
    ) -> Image:
        """Look at one frame of the timeline, as a render would show it without captions."""
        try:
            content = self._access.client(ctx).frame(project_id, at_ms, width=width)
        except AuteurError as exc:
            raise ToolError(str(exc)) from exc
        return Image(data=content, format="jpeg")

    def list_placeholders(self, ctx: Context, project_id: Id) -> Json:
        """What `copy_project` can put other media in the place of: what the timeline shows."""
        return self._ask(ctx, "GET", f"/projects/{project_id}/placeholders")

    def get_history(self, ctx: Context, project_id: Id) -> Json:
        """The timeline's edits that can be undone and redone: who made each, when, by what."""
        return self._ask(ctx, "GET", f"/projects/{project_id}/edl/history")

    def list_media(
        self,
        ctx: Context,
        project_id: IdOrNone = "",
        search: str = "",
        type: str = "",
        limit: Limit = 20,
        cursor: Cursor = "",
    ) -> Json:
        """Media files, of one project or all; `type`: video, audio or image."""
        query = {"search": search, "type": type, "limit": limit, "cursor": cursor}
        path = f"/projects/{project_id}/media" if project_id else "/media"
        return page(self._ask(ctx, "GET", path, query=query))

    def get_media(self, ctx: Context, media_id: Id) -> Json:
        """One media file, with signed URLs to see and fetch it for a while."""
        return self._ask(ctx, "GET", f"/media/{media_id}")

    def list_jobs(
        self, ctx: Context, status: str = "", limit: Limit = 20, cursor: Cursor = ""
    ) -> Json:
        """Jobs, the newest first: what an earlier session has begun is among them.

        `status`: pending, processing, completed, failed or cancelled.
        """
        query = {"status": status, "limit": limit, "cursor": cursor}
        return page(self._ask(ctx, "GET", "/jobs", query=query))

    def get_job(self, ctx: Context, job_id: Id) -> Json:
        """How a job stands; with its result once it is completed, with why once it failed."""
        return self._ask(ctx, "GET", f"/jobs/{job_id}")

    async def wait_for_job(
        self,
        ctx: Context,
        job_id: Id,
        seconds: Annotated[int, Field(ge=1, le=MAX_WAIT_SECONDS)] = 30,
    ) -> Json:
        """The job once it has ended, or as it stands after these seconds; call it again then."""
        with anyio.move_on_after(seconds):
            while (job := await self._job(ctx, job_id))["status"] not in ENDED:
                await ctx.report_progress(job["progress"], 1.0, job["stage"] or job["status"])
                await anyio.sleep(POLL_SECONDS)
            return job
        return await self._job(ctx, job_id)

    async def _job(self, ctx: Context, job_id: Id) -> Json:
        return await anyio.to_thread.run_sync(self.get_job, ctx, job_id)


def slug(type: str) -> str:
    """The name of a feature in addresses: hyphens for underscores."""
    return type.replace("_", "-")


def page(found: Json) -> Json:
    """A page of a list with the cursor of the next, null at the end."""
    rows = next(value for value in found.values() if isinstance(value, list))
    _, _, cursor = (found.get("next") or "").partition("cursor=")
    return {"rows": rows, "next_cursor": cursor.partition("&")[0] or None}


def _stretch(name: str, rows: list[Json], limit: int) -> Json:
    """The first rows, and from where on the others are."""
    rest = rows[limit:]
    return {name: rows[:limit], "goes_on_at_ms": rest[0]["start_ms"] if rest else None}


def _of_few_words(segments: Iterable[Json]) -> int:
    """How many segments hold few enough words, at least one."""
    count = words = 0
    for segment in islice(segments, MAX_SEGMENTS):
        words += len(segment["words"])
        if words > MAX_WORDS and count:
            break
        count += 1
    return count
