"""Define the tools that change something and cost no credits."""

from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from auteur_client.errors import AuteurError
from auteur_client.mcp.access import Access, Id, Json

MAX_OPERATIONS = 500

OPERATIONS = """\
Each has an `op`: add_track {"track_id", "type": "video" or "audio", "name"}, add_clip \
{"track_id", "media_file_id", "start_ms", "in_point_ms", "out_point_ms"}, \
move_clip {"clip_id", "start_ms"}, \
trim_clip {"clip_id", "in_point_ms", "out_point_ms"}, split_clip {"clip_id", "at_ms"}, \
delete_clip {"clip_id", "mode": "gap" or "ripple"}, cut_fillers {"mode"}, \
cut_silences {"threshold_ms", "padding_ms"}, edit_word {"segment_id", "word", "text"}, \
delete_words {"segment_id", "first", "last"}, and others. The error for a \
wrong operation has its index."""

CallId = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        description="A name of your choice for this call. If the response was lost, call again "
        "with the same name: within a day, the call has no second effect.",
    ),
]
Version = Annotated[int, Field(description="The `version` of the timeline that you have read.")]


class ChangeTools:
    """The tools that create projects, transfer files, edit timelines and cancel jobs."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._request = access.request

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
        if self._access.options.folder is not None:
            tools += [self.upload_media, self.download_media]
        return tools

    def create_project(self, ctx: Context, name: str, call_id: CallId) -> Json:
        """Create an empty project."""
        key = self._access.build_key(ctx, "project", call_id)
        return self._request(ctx, "POST", "/projects", body={"name": name}, key=key)

    def copy_project(
        self,
        ctx: Context,
        project_id: Id,
        name: str,
        call_id: CallId,
        media: Annotated[
            dict[str, str],
            Field(
                description="The ids of the new media, by the `media_file_id` that each replaces."
            ),
        ] = {},  # noqa: B006  # a default of the schema, which is never changed
    ) -> Json:
        """Create a project from another as a template, with some of its media replaced."""
        key = self._access.build_key(ctx, "copy", project_id, call_id)
        body = {"name": name, "media": media}
        return self._request(ctx, "POST", f"/projects/{project_id}/copies", body=body, key=key)

    def import_media(self, ctx: Context, project_id: Id, url: str, call_id: CallId) -> Json:
        """Import a file from a URL into a project; its `status` is `ready` when it can be used.

        The URL must return the file itself. Poll with `get_media`.
        """
        path = f"/projects/{project_id}/media/import"
        key = self._access.build_key(ctx, "import", project_id, call_id)
        body = {"url": self._access.check_import_url(url)}
        return dict(self._request(ctx, "POST", path, body=body, key=key)["media"])

    def upload_media(self, ctx: Context, project_id: Id, path: str, call_id: CallId) -> Json:
        """Upload a file of this machine into a project and return the checked media file."""
        file = self._access.get_file(path)
        if not file.is_file():
            raise ToolError(f"{path} is not a file. Name an existing file.")
        key = self._access.build_key(ctx, "upload", project_id, call_id)
        client = self._access.get_client(ctx)
        try:
            upload = client.begin_upload(file, project_id, idempotency_key=key)
            client.upload(file, project_id, resume=upload.media_id)
        except AuteurError as exc:
            raise ToolError(str(exc)) from exc
        return self._request(ctx, "GET", f"/media/{upload.media_id}")

    def download_media(self, ctx: Context, media_id: Id, path: str, replace: bool = False) -> Json:
        """Download a media file to this machine; `replace` allows overwriting a file."""
        file = self._access.get_file(path)
        size = self._request(ctx, "GET", f"/media/{media_id}")["file_size_bytes"]
        if file.exists() and not replace:
            if file.is_file() and file.stat().st_size == size:
                return {"path": path, "size_bytes": size}
            raise ToolError(
                f"{path} already exists with another size. Set replace to overwrite it."
            )
        try:
            self._access.get_client(ctx).download(media_id, file)
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
        """Edit a timeline: apply all operations as one undoable step, or none of them.

        If the timeline has changed since `version`, the error is `stale_edl`: read it again.
        """
        path = f"/projects/{project_id}/edl"
        body = {"operations": operations}
        key = self._access.build_key(ctx, "edit", project_id, version, operations)
        return remove_patch(self._request(ctx, "PATCH", path, body=body, key=key, version=version))

    def undo_edit(self, ctx: Context, project_id: Id, version: Version) -> Json:
        """Undo the last edit of a timeline."""
        return self._step(ctx, project_id, "undo", version)

    def redo_edit(self, ctx: Context, project_id: Id, version: Version) -> Json:
        """Redo the edit that was undone last."""
        return self._step(ctx, project_id, "redo", version)

    def _step(self, ctx: Context, project_id: Id, direction: str, version: int) -> Json:
        key = self._access.build_key(ctx, direction, project_id, version)
        path = f"/projects/{project_id}/edl/{direction}"
        return remove_patch(self._request(ctx, "POST", path, key=key, version=version))

    def cancel_job(self, ctx: Context, job_id: Id, without_refund: bool = False) -> Json:
        """Cancel a job. It is refunded, unless it has begun and no free cancel remains."""
        body = {"without_refund": without_refund}
        job = self._request(ctx, "GET", f"/jobs/{job_id}")
        if job["status"] == "cancelled":
            return job
        return self._request(ctx, "POST", f"/jobs/{job_id}/cancel", body=body)


def remove_patch(edited: Json) -> Json:
    """Return the response to an edit without its patch."""
    return {name: value for name, value in edited.items() if name != "patch"}
