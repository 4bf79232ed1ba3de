"""A page for each feature, made from its declaration and a recorded request and response."""

import json
from functools import cache
from inspect import getfile
from pathlib import Path
from typing import Any

from django.test.utils import override_settings

from auteur.help import codes, snippets
from auteur.help.links import ROOT
from auteur.help.markdown import (
    format_code,
    format_duration,
    format_json,
    format_table,
    format_tabs,
)
from jobs.estimates.price_text import price_text
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.http.catalogue import describe_feature

DECLARED = ROOT / "jobs" / "features"
EXAMPLES = ROOT / "docs" / "examples" / "features"
ENGINES = ("production", "draft")
OPTIONAL = ("project_id", "quote_id", "callback_url")
"""Parameters of all features. The page that lists them explains them."""
BOUNDS = {
    "min_value": "at least {}",
    "max_value": "at most {}",
    "min_length": "{} characters or more",
    "max_length": "up to {} characters",
}
EXAMPLE_UNITS = (1, 2, 5)
"""The numbers of tariff units for which the price table has rows."""
UNITS = {"sec": "s", "count": ""}

Json = dict[str, Any]


def read_example(feature: Feature) -> Json:
    """Return the request and the job that ``make docs-examples`` has recorded of the feature.

    Raise ``FileNotFoundError`` with the command that writes it.
    """
    path = EXAMPLES / f"{feature.slug}.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. Run .venv/bin/python -m auteur.devstack examples "
            f"--feature {feature.slug} to write it."
        )
    request_and_job: Json = json.loads(path.read_text())
    return request_and_job


def list_own_features() -> list[Feature]:
    """Return the features of Auteur itself, without those of plugins."""
    all_features = sorted(features().values(), key=lambda feature: feature.slug)
    return [feature for feature in all_features if Path(getfile(type(feature))).parent == DECLARED]


@cache
def build_pages() -> dict[str, str]:
    """Return the pages by their paths on the site, the index first."""
    own_features = list_own_features()
    return {"feature/index.md": _build_index(own_features)} | {
        f"feature/{feature.slug}.md": _build_page(feature) for feature in own_features
    }


def _build_index(own_features: list[Feature]) -> str:
    rows = [
        (
            f"[{feature.slug}]({feature.slug}.md)",
            feature.summary,
            price_text(feature),
            feature.plan or "any",
        )
        for feature in own_features
    ]
    common = describe_feature(own_features[0])["parameters"]
    return (
        "# Features\n\n"
        "`POST /jobs/<feature>` starts a [job](../jobs.md). `POST /jobs/<feature>/estimate` "
        "returns its price. Each started unit counts. This page shows default prices and limits. "
        "`GET /features` returns those of your installation, and the features that it offers.\n\n"
        + format_table(("feature", "what it does", "price", "plan"), rows)
        + "## Parameters that all features take\n\n"
        + format_table(
            ("name", "what it is"),
            [(f"`{name}`", common[name]["description"]) for name in OPTIONAL if name in common],
        )
        + "Every submission takes an `Idempotency-Key`: the same request with the same key creates "
        "no second job.\n"
    )


def _build_page(feature: Feature) -> str:
    recorded = read_example(feature)
    plan = f"It needs the plan `{feature.plan}`. " if feature.plan else ""
    parts = [
        f"# {feature.slug}\n\n{feature.summary}. {plan}`POST /jobs/{feature.slug}`, in a batch "
        f"`type: {feature.name}`.\n\n",
        format_tabs(snippets.build_snippets(feature.slug, recorded["request"])),
        "## Parameters\n\n",
        _build_parameter_table(feature),
        "All features also take [these](index.md#parameters-that-all-features-take).\n\n",
        "## Price\n\n",
        _build_price(feature, recorded),
        "## What it answers\n\n",
        _build_answer(recorded["job"]),
        "## Engines\n\n",
        _build_engine_table(feature),
        "## Errors\n\n",
        codes.format_problem_table(
            codes.read_contract()["paths"][f"/jobs/{feature.slug}"]["post"], "../errors.md"
        ),
        "An accepted job that fails has the reason in its `error` "
        "([codes](../errors.md#errors-of-jobs)), and is refunded.\n",
    ]
    return "".join(parts)


def _build_answer(job: Json) -> str:
    engine = (job["output_data"] or {}).get("engine", {}).get("name", "its")
    accepted = {"job_id": job["id"], "credits_cost": job["credits_cost"]}
    return (
        "`202`, with the job's id and price:\n\n"
        + format_code("json", json.dumps(accepted)[:-1] + ", …}")
        + f"When the job has completed, `GET /jobs/{job['id']}` returns the result. The {engine} "
        f"engine made this one. Its lists are cut to three items.\n\n" + format_json(job)
    )


def _build_parameter_table(feature: Feature) -> str:
    by_engine = []
    for engine in ENGINES:
        with _use_engine(feature, engine):
            by_engine.append(describe_feature(feature)["parameters"])
    in_production, in_draft = by_engine
    rows = [
        (
            f"`{name}`",
            _format_default(parameter),
            _describe_limits(parameter, in_draft[name]),
            parameter["description"],
        )
        for name, parameter in in_production.items()
        if name not in OPTIONAL or parameter["required"]
    ]
    return format_table(("name", "default", "values", "meaning"), rows)


def _use_engine(feature: Feature, engine: str) -> override_settings:
    return override_settings(INFERENCE_ENGINES={feature.name: engine})


def _format_default(parameter: Json) -> str:
    if parameter["required"]:
        return "**required**"
    return f"`{json.dumps(parameter['default'])}`" if "default" in parameter else "—"


def _describe_limits(parameter: Json, draft_parameter: Json) -> str:
    parts = [_describe_type(parameter)]
    for bound, text in BOUNDS.items():
        if bound in parameter:
            parts.append(
                text.format(f"{parameter[bound]:,}" if "length" in bound else parameter[bound])
            )
    if "longest_ms" in parameter:
        draft_limit = draft_parameter["longest_ms"]
        note = (
            f" (drafts: {format_duration(draft_limit)})"
            if draft_limit != parameter["longest_ms"]
            else ""
        )
        parts.append(f"at most {format_duration(parameter['longest_ms'])}{note}")
    if parameter.get("consent"):
        parts.append(
            f"a {parameter['consent']} with a [consent](../privacy.md), if one is required"
        )
    return ", ".join(parts)


def _describe_type(parameter: Json) -> str:
    if "choices" in parameter:
        return " or ".join(f"`{choice}`" for choice in parameter["choices"])
    if "media_types" in parameter:
        suffix = " with sound" if parameter["with_sound"] else ""
        return f"id of {' or '.join(parameter['media_types'])}{suffix}"
    descriptions = {"project": "id of a project", "voice": "id of a voice", "string": "text"}
    return descriptions.get(parameter["type"], str(parameter["type"]))


def _format_credits(number: int) -> str:
    return f"{number} credit{'' if number == 1 else 's'}"


def _format_amount(unit: str, number: int) -> str:
    if unit == "ms":
        return format_duration(number)
    return f"{number:,} {UNITS.get(unit, unit)}".strip()


def _build_price(feature: Feature, recorded: Json) -> str:
    if not feature.measured:
        return "It is free.\n\n"
    unit, per = feature.unit
    amounts = sorted(
        {
            per * EXAMPLE_UNITS[0],
            per * EXAMPLE_UNITS[0] + 1,
            per * EXAMPLE_UNITS[1],
            per * EXAMPLE_UNITS[2],
        }
    )
    rows = [(_format_amount(unit, amount), compute_price(feature, amount)) for amount in amounts]
    job = recorded["job"]
    return (
        f"{price_text(feature).capitalize()} of `{feature.measured}`. Started units count in full. "
        f"The job below cost {_format_credits(job['credits_cost'])}.\n\n"
        + format_table((f"`{feature.measured}`", "credits"), rows)
        + f"`POST /jobs/{feature.slug}/estimate` with the same body returns the price beforehand. "
        "A job that is submitted with its `quote_id` costs no more.\n\n"
    )


def compute_price(feature: Feature, amount: int) -> int:
    """Return the price by the feature's own tariff for this amount of what it measures."""

    class FixedAmount(type(feature)):  # type: ignore[misc]
        def amount(self, parameters: Json) -> int:
            return int(parameters["amount"])

    return int(FixedAmount().price({"amount": amount}))


def _build_engine_table(feature: Feature) -> str:
    contract = feature.contract
    seconds = format_duration(contract.time_limit_seconds * 1000)
    models = "<br>".join(f"`{role}`: `{model}`" for role, model in contract.models.items())
    rows = [
        ("production", contract.gpu.value, seconds, models or "none"),
        ("draft", "CPU", seconds, "no downloaded ones"),
    ]
    return (
        format_table(("engine", "runs on", "longest call", "models"), rows)
        + "`output_data.engine` names the engine of a result. See [engines](../engines.md) for "
        "licences, and [real models](../real-models.md) for how to run production engines.\n\n"
    )
