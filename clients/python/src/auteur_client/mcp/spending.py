"""The tool that spends credits."""

from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from auteur_client.mcp.access import Access, Feature, Json
from auteur_client.mcp.reading import slug

CAPS = ("credits_per_day", "credits_in_all")
UNCAPPED = (
    "This session may not spend: nothing caps it. Ask with an API key that has `credits_in_all` "
    "or `credits_per_day` (`auteur mcp key --credits 20`), or start the server with --uncapped."
)


class Spending:
    """Work that costs credits: by its quote, within the cap of the session's key."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @property
    def tools(self) -> list[Callable[..., Any]]:
        return [self.run_feature]

    def run_feature(
        self,
        ctx: Context,
        type: Feature,
        parameters: dict[str, Any],
        quote_id: Annotated[str, Field(min_length=1, description="Of `quote_feature`.")],
    ) -> Json:
        """Have AI work done: the job, which goes on by itself; `wait_for_job` waits for its end.

        It costs what `quote_feature` said for the same parameters, or less; where it fails, that is
        refunded. Called again with the same quote it is the same job, and costs nothing more.
        """
        body = {**self._access.job_parameters(parameters), "quote_id": quote_id}
        self._check_cap(ctx)
        submitted = self._access.ask(
            ctx,
            "POST",
            f"/jobs/{slug(type)}",
            body=body,
            name=self._access.name(ctx, "job", type, quote_id),
        )
        return self._access.ask(ctx, "GET", f"/jobs/{submitted['job_id']}")

    def _check_cap(self, ctx: Context) -> None:
        if self._access.serving.uncapped:
            return
        key = self._access.ask(ctx, "GET", "/credits").get("key")
        if not key or all(key[cap] is None for cap in CAPS):
            raise ToolError(UNCAPPED)
