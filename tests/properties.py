"""How long properties are looked at: a short fixed run in the suite, thousands of cases by night.

``HYPOTHESIS_PROFILE=long`` (`make properties`) draws other cases each time and shrinks what fails.
"""

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

LONG = os.environ.get("HYPOTHESIS_PROFILE") == "long"
COMMON: dict[str, Any] = {
    "deadline": None,
    "database": None,
    "derandomize": not LONG,
    "phases": [Phase.explicit, Phase.generate, *([Phase.shrink] if LONG else [])],
    "suppress_health_check": list(HealthCheck),
}


def examples(short: int, long: int) -> settings:
    """As many cases as each of the two runs affords."""
    return settings(max_examples=long if LONG else short, **COMMON)
