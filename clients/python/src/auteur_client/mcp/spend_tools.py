"""Define the tool that spends credits."""

from collections.abc import Callable
from typing import Annotated, Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import Field

from auteur_client.mcp.access import Access, Feature, Json
from auteur_client.mcp.read_tools import get_slug

CAPS = ("credits_per_day", "credits_in_all")
UNCAPPED = (
    "This session may not spend, because it has no spending cap. Use an API key with "
    "`credits_in_all` or `credits_per_day` (`auteur mcp key --credits 20`), or start the server "
    "with --uncapped."
)


class SpendTools:
    """The tool that runs features by quote, within the spending cap of the session's key."""

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
        quote_id: Annotated[
            str, Field(min_length=1, description="The `quote_id` of `quote_feature`.")
        ],
    ) -> Json:
        """Run an AI feature as a job and return the job; `wait_for_job` waits for its end.

        It costs at most the price that `quote_feature` returned for the same parameters, and is
        refunded if it fails. A second call with the same quote returns the same job at no cost.
        """
        body = {**self._access.check_parameters(parameters), "quote_id": quote_id}
        self._check_cap(ctx)
        submitted = self._access.request(
            ctx,
            "POST",
            f"/jobs/{get_slug(type)}",
            body=body,
            key=self._access.build_key(ctx, "job", type, quote_id),
        )
        return self._access.request(ctx, "GET", f"/jobs/{submitted['job_id']}")

    def _check_cap(self, ctx: Context) -> None:
        if self._access.options.uncapped:
            return
        key = self._access.request(ctx, "GET", "/credits").get("key")
        if not key or all(key[cap] is None for cap in CAPS):
            raise ToolError(UNCAPPED)
