"""Tools that change something and cost no credits."""

from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from auteur_client.errors import AuteurError
from auteur_client.mcp.access import Access, Id, Json

MAX_OPERATIONS = 500

OPERATIONS = """\
Each has its `op`: add_track {"track_id", "type": "video" or "audio", "name"}, add_clip \
{"track_id", "media_file_id", "start_ms", "in_point_ms", "out_point_ms"}, \
move_clip {"clip_id", "start_ms"}, \
trim_clip {"clip_id", "in_point_ms", "out_point_ms"}, split_clip {"clip_id", "at_ms"}, \
delete_clip {"clip_id", "mode": "gap" or "ripple"}, cut_fillers {"mode"}, \
cut_silences {"threshold_ms", "padding_ms"}, edit_word {"segment_id", "word", "text"}, \
delete_words {"segment_id", "first", "last"}, and others; what is missing or wrong in one is \
answered by its place."""

CallId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="A name for this call that you choose. Call again with the same one if the "
        "answer was lost: within a day it is not done twice.",
    ),
]
Version = Annotated[int, Field(description="The timeline's `version` that you have read.")]


class Changing:
    """Projects made, files brought and fetched, timelines edited, jobs cancelled."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._ask = access.ask

    @property
    def tools(self) -> list[Callable[..., Any]]:
        tools: list[Callable[..., Any]] = [
            self.create_project,
            self.copy_project,
            self.import_media,
            self.edit_timeline,
            self.undo_edit,
            self.redo_edit,
            self.cancel_job,
        ]
        if self._access.serving.folder is not None:
            tools += [self.upload_media, self.download_media]
        return tools

    def create_project(self, ctx: Context, name: str, call_id: CallId) -> Json:
        """Make an empty project."""
        named = self._access.name(ctx, "project", call_id)
        return self._ask(ctx, "POST", "/projects", body={"name": name}, name=named)

    def copy_project(
        self,
        ctx: Context,
        project_id: Id,
        name: str,
        call_id: CallId,
        media: Annotated[
            dict[str, str],
            Field(
                description="By the `media_file_id` of a placeholder, the id of what replaces it."
            ),
        ] = {},  # noqa: B006  # a default of the schema, which nobody changes
    ) -> Json:
        """Make a project of another as its template, with other media in the place of some."""
        named = self._access.name(ctx, "copy", project_id, call_id)
        body = {"name": name, "media": media}
        return self._ask(ctx, "POST", f"/projects/{project_id}/copies", body=body, name=named)

    def import_media(self, ctx: Context, project_id: Id, url: str, call_id: CallId) -> Json:
        """Fetch a file from the web into a project; its `status` is `ready` once it is usable.

        The URL leads to the file itself. `get_media` tells how far it is.
        """
        path = f"/projects/{project_id}/media/import"
        named = self._access.name(ctx, "import", project_id, call_id)
        body = {"url": self._access.import_url(url)}
        return dict(self._ask(ctx, "POST", path, body=body, name=named)["media"])

    def upload_media(self, ctx: Context, project_id: Id, path: str, call_id: CallId) -> Json:
        """Bring a file of this machine into a project; returns the media file, ready."""
        file = self._access.file(path)
        if not file.is_file():
            raise ToolError(f"{path} is no file.")
        named = self._access.name(ctx, "upload", project_id, call_id)
        client = self._access.client(ctx)
        try:
            begun = client.begin_upload(file, project_id, idempotency_key=named)
            client.upload(file, project_id, resume=begun.media_id)
        except AuteurError as exc:
            raise ToolError(str(exc)) from exc
        return self._ask(ctx, "GET", f"/media/{begun.media_id}")

    def download_media(self, ctx: Context, media_id: Id, path: str, replace: bool = False) -> Json:
        """Store a media file on this machine; `replace` what lies there, once all has come."""
        file = self._access.file(path)
        size = self._ask(ctx, "GET", f"/media/{media_id}")["file_size_bytes"]
        if file.exists() and not replace:
            if file.is_file() and file.stat().st_size == size:
                return {"path": path, "size_bytes": size}
            raise ToolError(f"{path} is there, and is another file.")
        try:
            self._access.client(ctx).download(media_id, file)
        except AuteurError as exc:
            raise ToolError(str(exc)) from exc
        return {"path": path, "size_bytes": file.stat().st_size}

    def edit_timeline(
        self,
        ctx: Context,
        project_id: Id,
        version: Version,
        operations: Annotated[
            list[dict[str, Any]],
            Field(min_length=1, max_length=MAX_OPERATIONS, description=OPERATIONS),
        ],
    ) -> Json:
        """Edit a timeline: all operations as one step that can be undone, or none.

        Refused with `stale_edl` where somebody has edited it since `version`: read it again then.
        """
        path = f"/projects/{project_id}/edl"
        body = {"operations": operations}
        named = self._access.name(ctx, "edit", project_id, version, operations)
        return brief(self._ask(ctx, "PATCH", path, body=body, name=named, version=version))

    def undo_edit(self, ctx: Context, project_id: Id, version: Version) -> Json:
        """Take the last edit of a timeline back."""
        return self._step(ctx, project_id, "undo", version)

    def redo_edit(self, ctx: Context, project_id: Id, version: Version) -> Json:
        """Make the edit again that was undone last."""
        return self._step(ctx, project_id, "redo", version)

    def _step(self, ctx: Context, project_id: Id, way: str, version: int) -> Json:
        named = self._access.name(ctx, way, project_id, version)
        path = f"/projects/{project_id}/edl/{way}"
        return brief(self._ask(ctx, "POST", path, name=named, version=version))

    def cancel_job(self, ctx: Context, job_id: Id, without_refund: bool = False) -> Json:
        """Stop a job. It is refunded, but for what was begun after the free cancels of a day."""
        body = {"without_refund": without_refund}
        job = self._ask(ctx, "GET", f"/jobs/{job_id}")
        if job["status"] == "cancelled":
            return job
        return self._ask(ctx, "POST", f"/jobs/{job_id}/cancel", body=body)


def brief(edited: Json) -> Json:
    """An edit's answer without its patch: who wants the timeline reads it."""
    return {name: value for name, value in edited.items() if name != "patch"}
