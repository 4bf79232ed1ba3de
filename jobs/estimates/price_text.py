"""Write a feature's price as a short text, such as "1 credit per 5 minutes"."""

from jobs.features.base import Feature

MS = {"ms": 1, "sec": 1000}
"""Milliseconds of each unit of time."""
TIMES = ((3_600_000, "hour"), (60_000, "minute"), (1000, "second"), (1, "millisecond"))


def price_text(feature: Feature) -> str:
    """Return the price per started unit, as the settings have it; "free" without a tariff."""
    if not feature.measured:
        return "free"
    rates = feature.rates
    base, rate = rates.get("base", 0), rates["credits"]
    if not rate:
        return _format_credits(base) if base else "free"
    text = f"{_format_credits(rate)} per {_format_unit(*feature.unit)}"
    return f"{_format_credits(base)} plus {text}" if base else text


def _format_unit(unit: str, per: int) -> str:
    if unit in MS:
        milliseconds = per * MS[unit]
        size, word = next((size, word) for size, word in TIMES if milliseconds % size == 0)
        per = milliseconds // size
    else:
        word = {"count": "result", "characters": "character"}.get(unit, unit)
    return word if per == 1 else f"{per:,} {word}s"


def _format_credits(number: int) -> str:
    return f"{number:,} credit{'' if number == 1 else 's'}"
