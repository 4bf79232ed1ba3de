"""Query strings of every list: nonsense leads back to the list, and a search is bounded."""

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from auteur.core.admin import MAX_SEARCH_LENGTH, MAX_SEARCH_WORDS, StaffAdmin
from tests.admin.conftest import list_url, messages_of

LISTS = [model for model, page in admin.site._registry.items() if isinstance(page, StaffAdmin)]
NONSENSE = ("zz", "\0", "99999999999")
COMPARED = ("gte", "month")
YEARS = ("0", "10000", "99999999999")


@pytest.fixture(params=LISTS, ids=lambda model: model._meta.label_lower)
def model(request):
    """Each model that has a list."""
    return request.param


@pytest.fixture
def names(root, rf, model):
    """What the list may be narrowed by."""
    request = rf.get("/")
    request.user = root.user
    return sorted(admin.site.get_model_admin(model)._list_filter_columns(request))


def test_every_list_is_tested():
    assert LISTS
    assert len(LISTS) == len(admin.site._registry)


def test_nonsense_in_a_filter_is_no_error_of_ours(root, model, names):
    for name in names:
        for lookup in [name, *(f"{name}__{comparison}" for comparison in COMPARED)]:
            for value in NONSENSE:
                response = root.client.get(list_url(model), {lookup: value})
                is_redirected = response.status_code == 302
                assert is_redirected or response.status_code == 200, (lookup, value)
                assert not is_redirected or response.url == f"{list_url(model)}?e=1"


def test_a_year_that_is_none_leads_back_to_the_list(root, model, names):
    times = {
        name
        for name in names
        if name in {field.name for field in model._meta.get_fields()}
        and model._meta.get_field(name).get_internal_type() in {"DateField", "DateTimeField"}
    }
    for name in times:
        for year in YEARS:
            response = root.client.get(list_url(model), {f"{name}__year": year})
            assert response.status_code == 302, (name, year)
            assert response.url == f"{list_url(model)}?e=1"
    assert root.client.get(list_url(model), {"e": "1"}).status_code == 200


def test_nonsense_in_what_every_list_takes_is_no_error_of_ours(root, model):
    for name in ("p", "o", "q"):
        response = root.client.get(list_url(model), {name: "\0"})
        assert response.status_code in {200, 302}, name


class TestSearch:
    @pytest.mark.parametrize(
        "term", ["a" * MAX_SEARCH_LENGTH, " ".join(["a"] * MAX_SEARCH_WORDS)], ids=["long", "words"]
    )
    def test_at_the_limit_is_searched(self, root, model, term):
        assert messages_of(root.client.get(list_url(model), {"q": term})) == []

    @pytest.mark.parametrize(
        ("term", "error"),
        [
            ("a" * (MAX_SEARCH_LENGTH + 1), f"{MAX_SEARCH_LENGTH} characters"),
            (" ".join(["a"] * (MAX_SEARCH_WORDS + 1)), f"{MAX_SEARCH_WORDS} words"),
        ],
        ids=["long", "words"],
    )
    def test_past_the_limit_is_refused_and_finds_nothing(self, root, house, model, term, error):
        with CaptureQueriesContext(connection) as captured:
            response = root.client.get(list_url(model), {"q": term})
        assert response.status_code == 200
        [message] = messages_of(response)
        assert error in message
        assert list(response.context["cl"].result_list) == []
        assert not any(term in query["sql"] or "LIKE" in query["sql"] for query in captured)

    def test_of_related_objects_is_bounded_too(self, root, house):
        query = {"app_label": "jobs", "model_name": "job", "field_name": "user"}
        url = reverse("admin:autocomplete")
        users = root.client.get(url, {**query, "term": "example"}).json()["results"]
        assert users
        long = " ".join(["e"] * (MAX_SEARCH_WORDS + 1))
        assert root.client.get(url, {**query, "term": long}).json()["results"] == []
