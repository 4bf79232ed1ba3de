"""Answer 404 for an unknown path below `/jobs`, with the names of similar features."""

from difflib import get_close_matches

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from auteur.core.api.problems import NotFoundProblem, Resource, problem_response
from jobs.features.registry import features

MAX_NAME_LENGTH = 50
"""A longer name is neither compared with the names of features nor repeated."""


@csrf_exempt
def answer_unknown_feature(request: HttpRequest, name: str) -> HttpResponse:
    """Return 404 with the features of similar names, as ``suggestions``."""
    code, suggestions = NotFoundProblem.default_code, list[str]()
    detail = "Not found: this is neither a feature nor the id of a job."
    if len(name) <= MAX_NAME_LENGTH:
        detail = f"Not found: {name!r} is neither a feature nor the id of a job."
        suggestions = get_close_matches(name, [feature.slug for feature in features().values()])
    if suggestions:
        detail += f" Did you mean {' or '.join(suggestions)}?"
    detail += "GET /features lists the features."
    resource = Resource.FEATURE.value
    return problem_response(404, code, detail, resource=resource, suggestions=suggestions)
