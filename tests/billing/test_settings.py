"""Settings of billing: what cannot work stops the start, and says why."""

import json
import os
import subprocess
import sys

import pytest
from django.apps import apps
from django.core.exceptions import ImproperlyConfigured

from auteur.devstack.processes import BASE_DIR
from jobs.orchestrator import further

ON = {
    "STRIPE_SECRET_KEY": "sk_test_1",
    "STRIPE_WEBHOOK_SECRETS": "whsec_1, whsec_2",
    "BILLING_RETURN_URL": "https://editor.example.com",
}
STARTER = '{"starter": {"price": "price_1", "credits": 5}}'
REFUSED = [
    ({"STRIPE_SECRET_KEY": "sk_test_1"}, "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS"),
    ({"STRIPE_WEBHOOK_SECRETS": "whsec_1"}, "STRIPE_SECRET_KEY and STRIPE_WEBHOOK_SECRETS"),
    (ON | {"BILLING_RETURN_URL": ""}, "BILLING_RETURN_URL must begin with https://"),
    (ON | {"STRIPE_API_URL": "stripe"}, "STRIPE_API_URL must begin with https://"),
    (
        ON | {"STRIPE_SECRET_KEY": "sk_live_1", "STRIPE_API_URL": "http://localhost"},
        "STRIPE_SECRET_KEY would be sent in the open",
    ),
    ({"BILLING_CURRENCY": "dollars"}, "BILLING_CURRENCY must be like usd."),
    ({"BILLING_GRACE_DAYS": "-1"}, "BILLING_GRACE_DAYS must be from 0 to 60."),
    ({"BILLING_GRACE_DAYS": "61"}, "BILLING_GRACE_DAYS must be from 0 to 60."),
    ({"BILLING_PLANS": "starter"}, "BILLING_PLANS is no JSON"),
    ({"BILLING_PLANS": "[]"}, "BILLING_PLANS must be like"),
    ({"BILLING_PACKS": '{"small": []}'}, "BILLING_PACKS must be like"),
    ({"BILLING_PACKS": '{"small": {"price": "p"}}'}, "BILLING_PACKS: small needs a price"),
    (
        {"BILLING_PACKS": '{"small": {"price": "p q", "credits": 5}}'},
        "BILLING_PACKS: small: a price is the id",
    ),
    *(
        ({"BILLING_PACKS": f'{{"small": {{"price": "p", "credits": {number}}}}}'}, "credits are")
        for number in ("0", "10000001", "true", '"5"', "1.5")
    ),
    ({"BILLING_PLANS": STARTER, "BILLING_PACKS": STARTER}, "name a price twice"),
]
TAKEN = [
    ON,
    {"BILLING_PLANS": STARTER, "BILLING_GRACE_DAYS": "60"},
    {"BILLING_PACKS": '{"small": {"price": "p", "credits": 10000000}}'},
    {"BILLING_PLANS": '{"pro": [{"price": "a", "credits": 1}, {"price": "b", "credits": 2}]}'},
]
SCRIPT = """
import json, os, runpy, sys
for changes in json.load(sys.stdin):
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        runpy.run_path("auteur/settings.py", run_name="auteur.settings")
        print("")
    except Exception as exc:
        print(f"{type(exc).__name__}: {exc}".replace(chr(10), " "))
    os.environ.clear()
    os.environ.update(before)
"""


def test_what_cannot_work_stops_the_start() -> None:
    cases = [*(changes for changes, _ in REFUSED), *TAKEN]
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        cwd=BASE_DIR,
        env={**os.environ, "PYTHONPATH": str(BASE_DIR)},
        input=json.dumps(cases),
        capture_output=True,
        text=True,
        check=True,
    )
    said = done.stdout.splitlines()
    for (changes, why), line in zip(REFUSED, said, strict=False):
        assert line.startswith("ImproperlyConfigured: "), (changes, line)
        assert why in line, changes
    assert said[len(REFUSED) :] == [""] * len(TAKEN)


def test_plans_that_there_are_not_stop_the_start(settings) -> None:
    settings.BILLING_PLANS = {"gold": [("price_1", 5)]}
    with pytest.raises(ImproperlyConfigured, match="BILLING_PLANS names gold: use starter, pro"):
        apps.get_app_config("accounts").ready()


def test_the_orchestrator_works_on_it_where_something_is_sold(settings, monkeypatch) -> None:
    monkeypatch.setattr(further, "WORK", [])
    settings.BILLING_PLANS = {}
    settings.STRIPE_SECRET_KEY = ""
    apps.get_app_config("accounts").ready()
    assert further.WORK == []
    settings.STRIPE_SECRET_KEY = "sk_test_1"
    apps.get_app_config("accounts").ready()
    found = [work.__name__ for work, _ in further.WORK]
    assert found == ["work_on_billing", "find_missed_events"]
