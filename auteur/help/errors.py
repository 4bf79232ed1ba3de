"""The page of all errors by code, built from their classes."""

from auteur.core.api.problem_pages import list_problems
from auteur.help.markdown import format_table
from gpu_tasks.runtime.errors import POLICIES

INTRO = """# Errors

The API answers a refused request with a problem document (RFC 9457,
`application/problem+json`):

```json
{
  "type": "/problems#insufficient_credits",
  "title": "Payment Required",
  "status": 402,
  "code": "insufficient_credits",
  "detail": "…"
}
```

`code` is stable and for programs, `detail` is for people. `errors` lists errors of single values,
each with its `field`, `code` and `detail`. `type` links to [/problems](/problems), which has the
same texts as this page. [/docs](/docs) and the pages of [features](feature/index.md) list the
errors of each operation.

"""
OF_JOBS = """## Errors of jobs

A failed job has the reason in its `error`: `code` and `message`. Its credits are refunded
([limits](jobs.md#refunds-and-credits-on-failure)).

"""


def build_page() -> str:
    """Return the page: problems, then the errors of jobs."""
    parts = [INTRO, "## Problems\n\n"]
    for problem in list_problems():
        statuses = ", ".join(map(str, problem.statuses))
        parts.append(f"### {problem.code}\n\n**{statuses}** {problem.meaning}\n\n")
        if problem.details:
            parts.append(f"> {problem.details}\n\n")
    parts.append(OF_JOBS)
    rows = [
        (
            f"`{code.value}`",
            policy.message,
            _format_boolean(policy.retried),
            _format_boolean(policy.retryable),
        )
        for code, policy in POLICIES.items()
    ]
    parts.append(
        format_table(("code", "message", "repeated automatically", "worth a retry by you"), rows)
    )
    return "".join(parts)


def _format_boolean(value: bool) -> str:
    return "yes" if value else "no"
