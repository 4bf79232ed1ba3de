"""Present jobs as tasks that outlive a session: the protocol's extension Tasks, SEP-2663.

https://modelcontextprotocol.io/extensions/tasks. A task has the id of its job, so the server stores
nothing.
"""

from collections.abc import Sequence
from typing import Any, Literal

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    RequestParams,
    TextContent,
)
from pydantic import Field
from pydantic_core import to_json

from auteur_client.mcp.access import UUID, Access, Json
from auteur_client.mcp.untrusted import add_notice

IDENTIFIER = "io.modelcontextprotocol/tasks"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
VERSIONS = frozenset({"2026-07-28"})
"""The versions of the protocol in which each request has the client's capabilities."""
POLL_MS = 2000
STATUS: dict[str, Literal["completed", "cancelled"]] = {
    "completed": "completed",
    "failed": "completed",  # in the extension, `failed` means an error of the protocol
    "cancelled": "cancelled",
}


class TaskParams(RequestParams):
    """The id of a task."""

    task_id: str = Field(alias="taskId", pattern=UUID)


class Tasks(Extension):
    """An extension by which `run_feature` returns a task if the client supports tasks."""

    identifier = IDENTIFIER

    def __init__(self, access: Access) -> None:
        self._access = access

    def methods(self) -> Sequence[MethodBinding]:
        return [
            MethodBinding("tasks/get", TaskParams, self._get, VERSIONS),
            MethodBinding("tasks/cancel", TaskParams, self._cancel, VERSIONS),
            MethodBinding("tasks/update", TaskParams, self._update, VERSIONS),
        ]

    async def intercept_tool_call(
        self,
        params: CallToolRequestParams,
        ctx: ServerRequestContext[Any, Any],
        call_next: CallNext,
    ) -> HandlerResult:
        """Return a task instead of the job of `run_feature`."""
        result = await call_next(ctx)
        if params.name != "run_feature" or not supports_tasks(ctx):
            return result
        if not isinstance(result, CallToolResult) or result.is_error:
            return result
        job = result.structured_content
        return {"resultType": "task", **build_task(job)} if job else result

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: TaskParams) -> HandlerResult:
        job = await self._request_job(ctx, "GET", params.task_id)
        task = {"resultType": "complete", **build_task(job)}
        if task["status"] == "completed":
            task["result"] = build_result(job).model_dump(by_alias=True, exclude_none=True)
        return task

    async def _cancel(
        self, ctx: ServerRequestContext[Any, Any], params: TaskParams
    ) -> HandlerResult:
        job = await self._request_job(ctx, "GET", params.task_id)
        if job["status"] not in STATUS:
            await self._request_job(ctx, "POST", params.task_id, "/cancel")
        return {"resultType": "complete"}

    async def _update(
        self, ctx: ServerRequestContext[Any, Any], params: TaskParams
    ) -> HandlerResult:
        """Ignore an update, because jobs ask no questions; check only that the job exists."""
        await self._request_job(ctx, "GET", params.task_id)
        return {"resultType": "complete"}

    async def _request_job(
        self, ctx: ServerRequestContext[Any, Any], method: str, task_id: str, suffix: str = ""
    ) -> Json:
        def send() -> Json:
            return self._access.request(
                Context(request_context=ctx), method, f"/jobs/{task_id}{suffix}"
            )

        try:
            return await anyio.to_thread.run_sync(send)
        except ToolError as exc:
            raise MCPError(code=INVALID_PARAMS, message=str(exc)) from exc


def supports_tasks(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Return True if the client of this request supports tasks."""
    capabilities = (ctx.meta or {}).get(CAPABILITIES)
    extensions = capabilities.get("extensions") if isinstance(capabilities, dict) else None
    return ctx.protocol_version in VERSIONS and IDENTIFIER in (extensions or {})


def build_task(job: Json) -> Json:
    """Return a job as a task, which exists as long as the job."""
    return {
        "taskId": job["id"],
        "status": STATUS.get(job["status"], "working"),
        "statusMessage": build_message(job),
        "createdAt": job["created_at"],
        "lastUpdatedAt": job["completed_at"] or job["started_at"] or job["created_at"],
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }


def build_message(job: Json) -> str:
    """Return the status of a job as text."""
    if job["error"]:
        return f"{job['error']['code']}: {job['error']['message']}"
    if job["status"] in STATUS:
        return str(job["status"])
    return f"{job['stage'] or job['status']}, {job['progress']:.0%}"


def build_result(job: Json) -> CallToolResult:
    """Return an ended job as the result of the tool call."""
    result = CallToolResult(
        content=[TextContent(type="text", text=to_json(job).decode())],
        structured_content=job,
        is_error=job["status"] != "completed",
    )
    return add_notice(result)
