"""Amounts of money in the guides follow from the prices of GPUs and features in the code."""

from collections.abc import Iterator

import pytest

from auteur.help.features import compute_price, list_own_features
from auteur.help.links import ROOT
from gpu_tasks.runtime.contract import GpuClass
from gpu_tasks.runtime.prices import USD_PER_SECOND

ON_GPUS = {
    feature.slug: feature
    for feature in list_own_features()
    if feature.contract.gpu is not GpuClass.CPU
}
ACTIVE_USER_DAYS = 300 * 30


def rows(page: str, head: str) -> Iterator[list[str]]:
    """Yield the cells of each row of the table whose head begins with a text."""
    text = (ROOT / "docs" / page).read_text().partition(f"\n| {head}")[2]
    assert text, f"{page} has no table with {head}"
    for line in text.partition("\n\n")[0].splitlines()[2:]:
        yield [cell.strip(" *") for cell in line.strip("|").split("|")]


def number(text: str) -> float:
    return float(text.replace(",", ""))


def test_the_most_that_a_call_costs():
    table = {cells[0]: cells[1:] for cells in rows("real-models.md", "feature | GPU |")}
    assert set(table) - {"render, compression"} == set(ON_GPUS)
    for slug, feature in ON_GPUS.items():
        contract, usd = feature.contract, USD_PER_SECOND[feature.contract.gpu]
        gpu, price, limit, maximum = table[slug]
        assert (gpu, number(price)) == (contract.gpu.value, usd)
        assert number(limit) == contract.time_limit_seconds
        assert number(maximum) == pytest.approx(usd * contract.time_limit_seconds, abs=0.005)


def test_what_a_typical_job_costs():
    table = {cells[0]: cells[1:] for cells in rows("real-models.md", "feature | typical job |")}
    assert set(table) == set(ON_GPUS)
    for slug, feature in ON_GPUS.items():
        _, seconds, usd, _ = table[slug]
        expected = USD_PER_SECOND[feature.contract.gpu] * number(seconds)
        assert number(usd) == pytest.approx(expected, abs=0.0005)


def test_what_a_thousand_users_cost():
    *jobs, total = rows("operations.md", "job | per active user")
    sums = [0.0, 0.0, 0.0]
    for name, per_day, a_month, gpu, seconds, usd, credits_each, credits_a_month in jobs:
        count = number(a_month)
        assert count == pytest.approx(ACTIVE_USER_DAYS * number(per_day)), name
        expected = count * number(seconds) * USD_PER_SECOND[GpuClass(gpu)]
        assert number(usd) == pytest.approx(expected, abs=0.5), name
        assert number(credits_a_month) == count * number(credits_each), name
        sums = [
            a + b for a, b in zip(sums, (count, expected, number(credits_a_month)), strict=True)
        ]
    assert number(total[2]) == sums[0]
    assert number(total[5]) == pytest.approx(sums[1], abs=0.5)
    assert number(total[7]) == sums[2]


@pytest.mark.parametrize(
    ("slug", "amount", "in_table"),
    [
        ("transcription", 10 * 60_000, "transcription, 10 minutes"),
        ("tts", 500, "tts, 500 letters"),
        ("image-generation", 1, "image-generation, 1 picture"),
        ("audio-generation", 10, "audio-generation, 10 s"),
        ("lip-sync", 30_000, "lip-sync, 30 s"),
        ("video-generation", 5, "video-generation, 5 s"),
        ("render", 3 * 60_000, "render, 3 minutes"),
    ],
)
def test_the_credits_of_a_job_of_the_thousand(slug, amount, in_table):
    table = {cells[0]: cells for cells in rows("operations.md", "job | per active user")}
    (feature,) = (feature for feature in list_own_features() if feature.slug == slug)
    assert number(table[in_table][6]) == compute_price(feature, amount)
