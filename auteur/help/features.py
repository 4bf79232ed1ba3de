"""A page for each feature, from its declaration and from what it was once asked and answered."""

import json
from functools import cache
from inspect import getfile
from pathlib import Path
from typing import Any

from django.test.utils import override_settings

from auteur.help import codes, snippets
from auteur.help.links import ROOT
from auteur.help.markdown import duration, fenced, shown, table, tabs
from jobs.catalogue import describe_feature
from jobs.features.base import Feature
from jobs.features.registry import features
from jobs.price_text import price_text

DECLARED = ROOT / "jobs" / "features"
EXAMPLES = ROOT / "docs" / "examples" / "features"
ENGINES = ("production", "draft")
OPTIONAL = ("project_id", "quote_id", "callback_url")
"""Of all features; explained on the page that lists these."""
BOUNDS = {
    "min_value": "at least {}",
    "max_value": "at most {}",
    "min_length": "{} characters or more",
    "max_length": "up to {} characters",
}
STARTED = (1, 2, 5)
"""Units of the tariff that are reckoned with in the table of prices."""
UNITS = {"sec": "s", "count": ""}

Json = dict[str, Any]


def example(feature: Feature) -> Json:
    """Return the request and the job that ``make docs-examples`` has kept of the feature.

    Raises ``FileNotFoundError``, with the command that writes it.
    """
    path = EXAMPLES / f"{feature.slug}.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} is missing. Run .venv/bin/python -m auteur.devstack examples "
            f"--feature {feature.slug} to write it."
        )
    request_and_job: Json = json.loads(path.read_text())
    return request_and_job


def own() -> list[Feature]:
    """Those that Auteur has itself, not by a plugin of an installation."""
    known = sorted(features().values(), key=lambda feature: feature.slug)
    return [one for one in known if Path(getfile(type(one))).parent == DECLARED]


@cache
def pages() -> dict[str, str]:
    """The pages by their places on the site, that which lists them first."""
    known = own()
    return {"feature/index.md": _index(known)} | {
        f"feature/{feature.slug}.md": _page(feature) for feature in known
    }


def _index(known: list[Feature]) -> str:
    rows = [
        (
            f"[{feature.slug}]({feature.slug}.md)",
            feature.summary,
            price_text(feature),
            feature.plan or "any",
        )
        for feature in known
    ]
    common = describe_feature(known[0])["parameters"]
    return (
        "# Features\n\n"
        "`POST /jobs/<feature>` starts a [job](../jobs.md), `POST /jobs/<feature>/estimate` says "
        "its price. Each started unit counts. This page shows default prices and limits; "
        "`GET /features` shows those of your installation, and which features it offers.\n\n"
        + table(("feature", "what it does", "price", "plan"), rows)
        + "## Parameters that all features take\n\n"
        + table(
            ("name", "what it is"),
            [(f"`{name}`", common[name]["description"]) for name in OPTIONAL if name in common],
        )
        + "Every submission takes an `Idempotency-Key`: the same request with the same key makes "
        "no second job.\n"
    )


def _page(feature: Feature) -> str:
    kept = example(feature)
    plan = f"It needs the plan `{feature.plan}`. " if feature.plan else ""
    parts = [
        f"# {feature.slug}\n\n{feature.summary}. {plan}`POST /jobs/{feature.slug}`, in a batch "
        f"`type: {feature.name}`.\n\n",
        tabs(snippets.submission(feature.slug, kept["request"])),
        "## Parameters\n\n",
        _parameters(feature),
        "Besides: [what all features take](index.md#parameters-that-all-features-take).\n\n",
        "## Price\n\n",
        _price(feature, kept),
        "## What it answers\n\n",
        _answer(kept["job"]),
        "## Engines\n\n",
        _engines(feature),
        "## Errors\n\n",
        codes.problems(codes.contract()["paths"][f"/jobs/{feature.slug}"]["post"], "../errors.md"),
        "A job that was accepted and fails says why in its `error` "
        "([codes](../errors.md#errors-of-jobs)), and is refunded.\n",
    ]
    return "".join(parts)


def _answer(job: Json) -> str:
    engine = (job["output_data"] or {}).get("engine", {}).get("name", "its")
    accepted = {"job_id": job["id"], "credits_cost": job["credits_cost"]}
    return (
        "`202`, with the job's id and price:\n\n"
        + fenced("json", json.dumps(accepted)[:-1] + ", …}")
        + f"When it is done, `GET /jobs/{job['id']}` has the result. This one was made by the "
        f"{engine} engine; of its lists, the first three items are shown.\n\n" + shown(job)
    )


def _parameters(feature: Feature) -> str:
    by_engine = []
    for engine in ENGINES:
        with _running(feature, engine):
            by_engine.append(describe_feature(feature)["parameters"])
    in_production, in_draft = by_engine
    rows = [
        (f"`{name}`", _needed(one), _limits(one, in_draft[name]), one["description"])
        for name, one in in_production.items()
        if name not in OPTIONAL or one["required"]
    ]
    return table(("name", "default", "what it may be", "meaning"), rows)


def _running(feature: Feature, engine: str) -> override_settings:
    return override_settings(INFERENCE_ENGINES={feature.name: engine})


def _needed(one: Json) -> str:
    if one["required"]:
        return "**required**"
    return f"`{json.dumps(one['default'])}`" if "default" in one else "—"


def _limits(one: Json, in_draft: Json) -> str:
    told = [_kind(one)]
    for bound, text in BOUNDS.items():
        if bound in one:
            told.append(text.format(f"{one[bound]:,}" if "length" in bound else one[bound]))
    if "longest_ms" in one:
        drafted = in_draft["longest_ms"]
        other = f" (drafts: {duration(drafted)})" if drafted != one["longest_ms"] else ""
        told.append(f"at most {duration(one['longest_ms'])}{other}")
    if one.get("consent"):
        told.append(f"a {one['consent']} that [consent](../privacy.md) covers, where that is asked")
    return ", ".join(told)


def _kind(one: Json) -> str:
    if "choices" in one:
        return " or ".join(f"`{choice}`" for choice in one["choices"])
    if "media_types" in one:
        sound = " with sound" if one["with_sound"] else ""
        return f"id of {' or '.join(one['media_types'])}{sound}"
    known = {"project": "id of a project", "voice": "id of a voice", "string": "text"}
    return known.get(one["type"], str(one["type"]))


def _credits(number: int) -> str:
    return f"{number} credit{'' if number == 1 else 's'}"


def _amount(unit: str, number: int) -> str:
    if unit == "ms":
        return duration(number)
    return f"{number:,} {UNITS.get(unit, unit)}".strip()


def _price(feature: Feature, kept: Json) -> str:
    if not feature.measured:
        return "It is free.\n\n"
    unit, per = feature.unit
    amounts = sorted({per * STARTED[0], per * STARTED[0] + 1, per * STARTED[1], per * STARTED[2]})
    rows = [(_amount(unit, each), price_of(feature, each)) for each in amounts]
    job = kept["job"]
    return (
        f"{price_text(feature).capitalize()} of `{feature.measured}`; a started unit counts whole. "
        f"The job below has cost {_credits(job['credits_cost'])}.\n\n"
        + table((f"`{feature.measured}`", "credits"), rows)
        + f"`POST /jobs/{feature.slug}/estimate` with the same body says it beforehand; submitted "
        "with its `quote_id`, the job costs no more.\n\n"
    )


def price_of(feature: Feature, amount: int) -> int:
    """What the feature's own tariff asks for so much of what it measures."""

    class Reckoned(type(feature)):  # type: ignore[misc]
        def amount(self, parameters: Json) -> int:
            return int(parameters["amount"])

    return int(Reckoned().price({"amount": amount}))


def _engines(feature: Feature) -> str:
    contract = feature.contract
    seconds = duration(contract.time_limit_seconds * 1000)
    models = "<br>".join(f"`{role}`: `{model}`" for role, model in contract.models.items())
    rows = [
        ("production", contract.gpu.value, seconds, models or "none"),
        ("draft", "CPU", seconds, "none that is downloaded"),
    ]
    return (
        table(("engine", "runs on", "longest call", "models"), rows)
        + "`output_data.engine` says which one made a result. Licences: "
        "[engines](../engines.md). How to run production engines: "
        "[real models](../real-models.md).\n\n"
    )
