"""Jobs as tasks that outlive a session: the extension Tasks of the protocol, SEP-2663.

https://modelcontextprotocol.io/extensions/tasks. A task's id is its job's, so nothing is kept here.
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
from auteur_client.mcp.untrusted import marked

IDENTIFIER = "io.modelcontextprotocol/tasks"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
VERSIONS = frozenset({"2026-07-28"})
"""Of the protocol, from the one on that tells capabilities with each request."""
POLL_MS = 2000
STATUS: dict[str, Literal["completed", "cancelled"]] = {
    "completed": "completed",
    "failed": "completed",  # of the extension's `failed` are errors of the protocol alone
    "cancelled": "cancelled",
}


class TaskParams(RequestParams):
    """Which task."""

    task_id: str = Field(alias="taskId", pattern=UUID)


class Tasks(Extension):
    """`run_feature` answers with a task where the client knows tasks."""

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
        """The job's task in the place of the job."""
        result = await call_next(ctx)
        if params.name != "run_feature" or not knows_tasks(ctx):
            return result
        if not isinstance(result, CallToolResult) or result.is_error:
            return result
        job = result.structured_content
        return {"resultType": "task", **task_of(job)} if job else result

    async def _get(self, ctx: ServerRequestContext[Any, Any], params: TaskParams) -> HandlerResult:
        job = await self._job(ctx, "GET", params.task_id)
        found = {"resultType": "complete", **task_of(job)}
        if found["status"] == "completed":
            found["result"] = result_of(job).model_dump(by_alias=True, exclude_none=True)
        return found

    async def _cancel(
        self, ctx: ServerRequestContext[Any, Any], params: TaskParams
    ) -> HandlerResult:
        job = await self._job(ctx, "GET", params.task_id)
        if job["status"] not in STATUS:
            await self._job(ctx, "POST", params.task_id, "/cancel")
        return {"resultType": "complete"}

    async def _update(
        self, ctx: ServerRequestContext[Any, Any], params: TaskParams
    ) -> HandlerResult:
        """Jobs ask nothing, so whatever is answered is passed over."""
        await self._job(ctx, "GET", params.task_id)
        return {"resultType": "complete"}

    async def _job(
        self, ctx: ServerRequestContext[Any, Any], method: str, task_id: str, below: str = ""
    ) -> Json:
        def ask() -> Json:
            return self._access.ask(Context(request_context=ctx), method, f"/jobs/{task_id}{below}")

        try:
            return await anyio.to_thread.run_sync(ask)
        except ToolError as exc:
            raise MCPError(code=INVALID_PARAMS, message=str(exc)) from exc


def knows_tasks(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether this request says that its client takes tasks."""
    told = (ctx.meta or {}).get(CAPABILITIES)
    known = told.get("extensions") if isinstance(told, dict) else None
    return ctx.protocol_version in VERSIONS and IDENTIFIER in (known or {})


def task_of(job: Json) -> Json:
    """A job as a task; it is kept for as long as the job is."""
    return {
        "taskId": job["id"],
        "status": STATUS.get(job["status"], "working"),
        "statusMessage": message_of(job),
        "createdAt": job["created_at"],
        "lastUpdatedAt": job["completed_at"] or job["started_at"] or job["created_at"],
        "ttlMs": None,
        "pollIntervalMs": POLL_MS,
    }


def message_of(job: Json) -> str:
    """Where it stands, in words."""
    if job["error"]:
        return f"{job['error']['code']}: {job['error']['message']}"
    if job["status"] in STATUS:
        return str(job["status"])
    return f"{job['stage'] or job['status']}, {job['progress']:.0%}"


def result_of(job: Json) -> CallToolResult:
    """What the call of the tool would have answered, had it waited."""
    result = CallToolResult(
        content=[TextContent(type="text", text=to_json(job).decode())],
        structured_content=job,
        is_error=job["status"] != "completed",
    )
    return marked(result)
