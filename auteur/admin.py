"""What the admin's rooms share: its titles, links, read-only pages, and actions with a reason.

Nothing is added or deleted by hand. What staff do to jobs and balances goes through the functions
that everybody else uses, and is recorded with who and why.
"""

import json
import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, ClassVar, cast
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME, AdminForm
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.views.main import ERROR_FLAG, ORDER_VAR, ChangeList
from django.contrib.admin.widgets import AdminTextareaWidget
from django.core.paginator import Paginator
from django.db import DataError, models, transaction
from django.db.models import Q, QuerySet, Value
from django.db.models.lookups import GreaterThanOrEqual
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import smart_split

from auteur.api.problems import OUTAGES, Problem, UnavailableProblem
from auteur.database.ordering import TimeAtUtc

logger = logging.getLogger(__name__)

admin.site.site_header = admin.site.site_title = "Auteur"
admin.site.index_title = "Administration"
admin.site.site_url = None  # the API has no front page

EMPTY = "-"
MAX_JSON_CHARS = 50_000
"""Most that a page shows of one JSON value: transcripts of long recordings are megabytes."""
MAX_REASON_CHARS = 500
MOST_COUNTED = 10_000
"""Rows of a list; what is longer can be narrowed, and is not sorted by columns."""
MAX_SELECTED = 200
"""Most objects of one action: their ids travel through the confirming page."""
MAX_SEARCH_LENGTH = 200
"""Characters of a search in a list."""
MAX_SEARCH_WORDS = 10
"""Words of a search: PostgreSQL compares each with each searched column of each row."""
CONFIRMED = "confirmed"
FROM_OBJECT = "from_object"
COMPARISONS = frozenset({"exact", "in", "isnull", "isempty", "gte", "lt", "year", "month", "day"})
"""Those of filters and links. What `startswith` and `regex` find spells a value out."""

PRE_STYLE = (
    "white-space:pre-wrap;overflow-wrap:anywhere;overflow:auto;margin:0;"
    "min-width:40em;max-height:32em"
)
BADGE_STYLE = "color:#fff;border-radius:4px;padding:1px 7px;white-space:nowrap;background:"

GREY, BLUE, GREEN, RED, BROWN = "#5b6570", "#1f6fb2", "#22763b", "#b3261e", "#8a5a00"


# --- Pieces of pages --------------------------------------------------------------------------


def link(model: str, pk: Any, text: Any = None) -> str:
    """A link to an object's page, by the model's label; ``model`` is like ``jobs.Job``."""
    if pk is None:
        return EMPTY
    return format_html('<a href="{}">{}</a>', page_of(model, pk), pk if text is None else text)


def list_link(model: str, text: str, **filters: Any) -> SafeString:
    """A link to a model's list with the given filters."""
    url = reverse(f"admin:{_url_name(model)}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(filters), text)


def page_of(model: str, pk: Any) -> str:
    """The address of an object's page."""
    return reverse(f"admin:{_url_name(model)}_change", args=(pk,))


def _url_name(model: str) -> str:
    return model.lower().replace(".", "_")


def pretty_json(value: Any) -> str:
    """JSON to be read, as text that no browser takes for HTML, cut at ``MAX_JSON_CHARS``."""
    if value is None:
        return EMPTY
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) > MAX_JSON_CHARS:
        text = f"{text[:MAX_JSON_CHARS]}\n… and {len(text) - MAX_JSON_CHARS} characters more"
    return format_html('<pre style="{}">{}</pre>', PRE_STYLE, text)


def badge(text: str, colour: str) -> SafeString:
    """A word on a coloured ground."""
    return format_html('<span style="{}{}">{}</span>', BADGE_STYLE, colour, text)


def two_lines(first: Any, second: Any) -> SafeString:
    """A cell of a list, with something smaller below."""
    return format_html('{}<div class="small quiet">{}</div>', first, second or "")


class SelectedFilter(admin.FieldListFilter):
    """Narrows a list to one related object; shown only while it does.

    Django's own filter on a foreign key would offer every user there is.
    """

    def __init__(self, field: Any, request: HttpRequest, params: Any, *args: Any, **kwargs: Any):
        self.lookup = f"{kwargs['field_path']}__{field.target_field.name}__exact"
        super().__init__(field, request, params, *args, **kwargs)
        self.foreign_key = cast("models.ForeignKey[Any, Any]", field)
        related = self.foreign_key.related_model._meta
        self.is_named = request.user.has_perm(f"{related.app_label}.view_{related.model_name}")

    def expected_parameters(self) -> list[str | None]:
        """The one parameter, the same that Django's own filter has."""
        return [self.lookup]

    def has_output(self) -> bool:
        return self.lookup in self.used_parameters

    def choices(self, changelist: ChangeList) -> Any:
        all_of_them = changelist.get_query_string(remove=[self.lookup])
        yield {"selected": False, "query_string": all_of_them, "display": "All"}
        here = changelist.get_query_string()
        yield {"selected": True, "query_string": here, "display": self._selected()}

    def _selected(self) -> str:
        related = self.foreign_key.related_model._default_manager
        value = self.used_parameters[self.lookup]
        if not self.is_named:
            return "the one that is selected"
        found = related.filter(**{f"{self.foreign_key.target_field.name}__in": value}).first()
        return str(found) if found else "unknown"


class RecentFilter(admin.DateFieldListFilter):
    """By time, with the index of `TimeAtUtc`."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        found = super().queryset(request, queryset)
        given = self.used_parameters.get(self.lookup_kwarg_since)
        if found is None or not given:
            return queryset if found is None else found
        since = self.field.to_python(given[-1] if isinstance(given, list) else given)
        return found.filter(
            GreaterThanOrEqual(TimeAtUtc(self.field_path), TimeAtUtc(Value(since, self.field)))
        )


# --- Lists ------------------------------------------------------------------------------------


def _counted(rows: QuerySet[Any]) -> int:
    return int(rows.order_by().values("pk")[: MOST_COUNTED + 1].count())


class BoundedPaginator(Paginator):
    """Counts no further than ``MOST_COUNTED`` rows, and has no pages beyond them."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        found = _counted(rows) if isinstance(rows, QuerySet) else len(rows)
        self.has_more = found > MOST_COUNTED
        return min(found, MOST_COUNTED)


def search_error(term: str) -> str | None:
    """Return why a search is refused, or None."""
    if len(term) > MAX_SEARCH_LENGTH:
        return f"A search has at most {MAX_SEARCH_LENGTH} characters: nothing was searched."
    if len(list(smart_split(term))) > MAX_SEARCH_WORDS:  # as Django splits it
        return f"A search has at most {MAX_SEARCH_WORDS} words: nothing was searched."
    return None


class StaffChangeList(ChangeList):
    """A list that reads no more the more rows there are: long ones cannot be sorted by columns."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if error := search_error(self.query):
            messages.error(request, error)
        if getattr(self.paginator, "has_more", False):
            self.title = f"{self.title} (the first of more than {MOST_COUNTED:,})"

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """By the columns that are asked for, where all rows can be read for it."""
        if ORDER_VAR in self.params and _counted(queryset) > MOST_COUNTED:
            del self.params[ORDER_VAR]
        return super().get_ordering(request, queryset)


# --- Pages ------------------------------------------------------------------------------------


class StaffAdmin(admin.ModelAdmin):
    """Objects that staff see and, as far as fields are not read-only, change."""

    id_search_fields: ClassVar[tuple[str, ...]] = ("pk",)
    """What a UUID in the search box is compared with."""
    identity_fields: ClassVar[tuple[str, ...]] = ("owner",)
    """What shows who a client is: for those who may see users."""
    content_fields: ClassVar[tuple[str, ...]] = ()
    """What clients typed and made: for those with a permission for it."""
    by_lately: ClassVar[bool] = False
    """True if the whole list has an index of `TimeAtUtc`; lists of one client have their own."""
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False  # a second count of the whole table, at each look

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StaffChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Read the list; a filter that holds nonsense leads back to it, as Django has it.

        Django itself takes only some of the errors for errors of the query string.
        """
        try:
            return super().get_changelist_instance(request)
        except (DataError, OverflowError, ValueError) as exc:
            if not request.GET.keys() - {ERROR_FLAG}:
                raise
            raise IncorrectLookupParameters from exc

    def get_ordering(self, request: HttpRequest) -> Any:
        """The newest first."""
        narrowed = any(name.startswith(("user__", "project__")) for name in request.GET)
        if self.by_lately and not narrowed:
            return [TimeAtUtc("created_at").desc()]
        return super().get_ordering(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never: things come into being through the API."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Never: what must go, goes through its domain function."""
        return False

    def hidden_fields(self, request: HttpRequest) -> set[str]:
        """What is not for whoever asks."""
        identity = () if _sees_clients(request) else self.identity_fields
        content = () if request.user.has_perm("accounts.view_content") else self.content_fields
        return {*identity, *content}

    def get_list_display(self, request: HttpRequest) -> Any:
        """Without what is not for them."""
        hidden = self.hidden_fields(request)
        return [name for name in super().get_list_display(request) if name not in hidden]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Without what is not for them."""
        hidden = self.hidden_fields(request)
        return [
            (title, {**options, "fields": shown})
            for title, options in super().get_fieldsets(request, obj)
            if (shown := [name for name in options["fields"] if name not in hidden])
        ]

    def get_search_fields(self, request: HttpRequest) -> Any:
        """None that would tell who a client is by being found."""
        names = super().get_search_fields(request)
        if _sees_clients(request):
            return names
        return [name for name in names if not name.startswith("user__")] or ["pk"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find by id, with an index, what is an id; all else by ``search_fields``."""
        if search_error(search_term):
            return queryset.none(), False
        try:
            wanted = UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        conditions = Q()
        for field in self.id_search_fields:
            conditions |= Q(**{field: wanted})
        return queryset.filter(conditions), False

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """What filters, links and searches ask: Django would take any column, hidden or not."""
        column, _, comparison = lookup.rpartition("__")
        return (column if comparison in COMPARISONS else lookup) in self._filtered_by(request)

    def _filtered_by(self, request: Any) -> set[str]:
        names = {*self.id_search_fields, *filter(None, [self.date_hierarchy])}
        filters: Any = self.get_list_filter(request)
        for each in filters:
            if isinstance(each, type):
                names.add(cast(Any, each).parameter_name)
            else:
                name = each if isinstance(each, str) else each[0]
                names |= {name, f"{name}__id"}
        return names

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the changed columns only: the others may have moved since the page was shown."""
        names = {field.name for field in self.opts.concrete_fields}
        changed = names.intersection(form.changed_data)
        obj.save(update_fields=sorted(changed | names.intersection(["updated_at"])))


def _sees_clients(request: HttpRequest) -> bool:
    return request.user.has_perm("accounts.view_user")


class ReadOnlyAdmin(StaffAdmin):
    """Objects whose columns nobody edits."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):
    """Rows to be read on another object's page."""

    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PartInline(ReadOnlyInline):
    """Rows that are part of the object: who may see it, sees them."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """As for the object."""
        return self.admin_site.get_model_admin(self.parent_model).has_view_permission(request)


# --- Actions that ask for a reason ------------------------------------------------------------


class ReasonForm(forms.Form):
    """Why; subclasses ask for more."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARS,
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        help_text="Kept in the history, beside your name.",
    )


class OwnObjectProblem(Problem):
    """What is one's own, another member of staff has to look at."""

    status_code = 403
    default_code = "own_object"
    default_detail = "This is yours, ask a colleague: nobody gives credits to themselves."


Perform = Callable[[HttpRequest, Any, Mapping[str, Any]], str]
"""Does an action to one object and says what was done; raises a ``Problem`` where it cannot."""


def ask_identity(request: HttpRequest, *, then: str | None = None) -> HttpResponse | None:
    """The page on which staff show who they are, if they have not done so lately."""
    site: Any = admin.site  # accounts.staff.site, a room above
    return cast("HttpResponse | None", site.ask_identity(request, then=then))


class ConfirmedChanges(StaffAdmin):
    """Rights, or whose account pays, are changed here: whoever saves has shown who they are."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page of an object."""
        asked = ask_identity(request) if request.method == "POST" else None
        return asked or super().changeform_view(request, object_id, form_url, extra_context)


class ConfirmedActions(StaffAdmin):
    """Actions on selected objects, after a page that names them and asks for a reason."""

    change_form_template = "admin/change_form_with_actions.html"

    def summary(self, obj: Any) -> str:
        """What the confirming page says about an object, beside its name."""
        return ""

    def applies(self, action: str, obj: Any) -> bool:
        """Whether the object's own page offers an action."""
        return True

    def confirm(
        self,
        request: HttpRequest,
        queryset: QuerySet[Any],
        *,
        action: str,
        form_class: type[ReasonForm],
        perform: Perform,
        moves_money: bool = False,
    ) -> HttpResponse | None:
        """The confirming page, or, once confirmed, the action on each object by itself.

        What ``moves_money`` is for those alone who have shown lately who they are.
        """
        confirmed = CONFIRMED in request.POST
        if confirmed:  # the objects that were shown, even if they left the filtered list since
            ids = request.POST.getlist(ACTION_CHECKBOX_NAME)
            queryset = self.get_queryset(request).filter(pk__in=ids)
        objects = list(queryset[: MAX_SELECTED + 1])
        if len(objects) > MAX_SELECTED:
            self.message_user(request, f"Select at most {MAX_SELECTED} at once.", messages.ERROR)
            return None
        then = self._return_url(request, objects)
        if moves_money and (asked := ask_identity(request, then=then)):
            return asked
        form = form_class(request.POST if confirmed else None)
        if not form.is_valid():
            return self._confirming_page(request, objects, action, form)
        for obj in objects:
            self._perform(request, obj, perform, form.cleaned_data)
        if FROM_OBJECT in request.POST and objects:
            return HttpResponseRedirect(page_of(self.opts.label, objects[0].pk))
        return None

    def owner_id(self, obj: Any) -> Any:
        """Whose it is: nobody acts on what is their own."""
        return getattr(obj, "user_id", obj.pk)

    def _perform(
        self, request: HttpRequest, obj: Any, perform: Perform, given: Mapping[str, Any]
    ) -> None:
        name = f"{self.opts.verbose_name} {obj}"
        try:
            if self.owner_id(obj) == request.user.pk:
                raise OwnObjectProblem
            with transaction.atomic():
                done = perform(request, obj, given)
                self.log_change(request, obj, f"{done} Reason: {given['reason']}")
        except Problem as problem:
            self.message_user(request, f"{name}: {_why(problem)}", messages.ERROR)
        except OUTAGES as exc:
            logger.warning("an action of staff failed: %s", type(exc).__name__)
            detail = UnavailableProblem.default_detail
            self.message_user(request, f"{name}: {detail}", messages.ERROR)
        else:
            self.message_user(request, f"{name}: {done}", messages.SUCCESS)

    def _confirming_page(
        self, request: HttpRequest, objects: list[Any], action: str, form: ReasonForm
    ) -> HttpResponse:
        # Django's layout of forms in the admin; it takes any form, its types say less.
        layout = AdminForm(cast(Any, form), [(None, {"fields": list(form.fields)})], {})
        context = {
            **self.admin_site.each_context(request),
            "title": self._label(action),
            "opts": self.opts,
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "confirmed": CONFIRMED,
            "from_object": FROM_OBJECT if FROM_OBJECT in request.POST else None,
            "objects": [
                (obj, page_of(self.opts.label, obj.pk), self.summary(obj)) for obj in objects
            ],
            "fieldset": next(iter(layout)),
            "return_url": self._return_url(request, objects),
        }
        status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
        return TemplateResponse(request, "admin/confirm_action.html", context, status=status)

    def _label(self, action: str) -> str:
        found = self.get_action(action)
        return str(found[2]) if found else action

    def _return_url(self, request: HttpRequest, objects: list[Any]) -> str:
        if FROM_OBJECT in request.POST and objects:
            return page_of(self.opts.label, objects[0].pk)
        return request.get_full_path()

    def render_change_form(
        self,
        request: HttpRequest,
        context: dict[str, Any],
        add: bool = False,
        change: bool = False,
        form_url: str = "",
        obj: Any = None,
    ) -> HttpResponse:
        """The object's page, with a button for each action that applies to it."""
        context["object_actions"] = [
            (name, label)
            for name, (_, _, label) in self._actions(request).items()
            if obj is not None and self.applies(name, obj)
        ]
        context["action_checkbox_name"] = ACTION_CHECKBOX_NAME
        context["from_object"] = FROM_OBJECT
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _actions(self, request: HttpRequest) -> Mapping[str, Any]:
        return dict(self.get_actions(request) or {})


def staff_id(request: HttpRequest) -> UUID:
    """Who acts."""
    pk: UUID = cast(models.Model, request.user).pk
    return pk


def by_staff(request: HttpRequest) -> str:
    """Who acts, as job events say it: clients may read those, so there is no address in them."""
    return f"staff:{staff_id(request)}"


def _why(problem: Problem) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in problem.extra.items())
    return f"{problem.detail} ({figures})" if figures else str(problem.detail)
