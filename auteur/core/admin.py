"""Shared parts of the admin: titles, links, read-only pages, and actions with a reason.

Staff add and delete nothing by hand. Their actions on jobs and balances call the same functions as
the API, and are recorded with the member of staff and the reason.
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

from auteur.core.api.problems import OUTAGES, Problem, UnavailableProblem
from auteur.core.database.ordering import TimeAtUtc

logger = logging.getLogger(__name__)

admin.site.site_header = admin.site.site_title = "Auteur"
admin.site.index_title = "Administration"
admin.site.site_url = None  # The API has no front page.

EMPTY = "-"
MAX_JSON_CHARS = 50_000
"""How much a page shows of one JSON value. Transcripts of long recordings are megabytes."""
MAX_REASON_CHARS = 500
MAX_COUNTED = 10_000
"""The most rows of a list. Longer lists can be narrowed, but not sorted by columns."""
MAX_SELECTED = 200
"""The most objects of one action. Their ids travel through the confirming page."""
MAX_SEARCH_LENGTH = 200
"""Characters of a search in a list."""
MAX_SEARCH_WORDS = 10
"""Words of a search. PostgreSQL compares each with each searched column of each row."""
CONFIRMED = "confirmed"
FROM_OBJECT = "from_object"
COMPARISONS = frozenset({"exact", "in", "isnull", "isempty", "gte", "lt", "year", "month", "day"})
"""The lookups of filters and links. `startswith` and `regex` could reveal a value bit by bit."""

PRE_STYLE = (
    "white-space:pre-wrap;overflow-wrap:anywhere;overflow:auto;margin:0;"
    "min-width:40em;max-height:32em"
)
BADGE_STYLE = "color:#fff;border-radius:4px;padding:1px 7px;white-space:nowrap;background:"

GREY, BLUE, GREEN, RED, BROWN = "#5b6570", "#1f6fb2", "#22763b", "#b3261e", "#8a5a00"


# --- Pieces of pages --------------------------------------------------------------------------


def link(model: str, pk: Any, text: Any = None) -> str:
    """Return a link to an object's page. ``model`` is a label such as ``jobs.Job``."""
    if pk is None:
        return EMPTY
    return format_html('<a href="{}">{}</a>', get_page_url(model, pk), pk if text is None else text)


def list_link(model: str, text: str, **filters: Any) -> SafeString:
    """Return a link to a model's list with the given filters."""
    url = reverse(f"admin:{_url_name(model)}_changelist")
    return format_html('<a href="{}?{}">{}</a>', url, urlencode(filters), text)


def get_page_url(model: str, pk: Any) -> str:
    """Return the address of an object's page."""
    return reverse(f"admin:{_url_name(model)}_change", args=(pk,))


def _url_name(model: str) -> str:
    return model.lower().replace(".", "_")


def pretty_json(value: Any) -> str:
    """Return JSON in a readable form, HTML-escaped and cut at ``MAX_JSON_CHARS``."""
    if value is None:
        return EMPTY
    text = json.dumps(value, indent=2, ensure_ascii=False)
    if len(text) > MAX_JSON_CHARS:
        text = f"{text[:MAX_JSON_CHARS]}\n… and {len(text) - MAX_JSON_CHARS} characters more"
    return format_html('<pre style="{}">{}</pre>', PRE_STYLE, text)


def badge(text: str, colour: str) -> SafeString:
    """Return a word on a coloured background."""
    return format_html('<span style="{}{}">{}</span>', BADGE_STYLE, colour, text)


def two_lines(first: Any, second: Any) -> SafeString:
    """Return a cell of a list, with smaller text below."""
    return format_html('{}<div class="small quiet">{}</div>', first, second or "")


class SelectedFilter(admin.FieldListFilter):
    """A filter that narrows a list to one related object; shown only while it is used.

    Django's own filter on a foreign key would offer every user there is.
    """

    def __init__(self, field: Any, request: HttpRequest, params: Any, *args: Any, **kwargs: Any):
        self.lookup = f"{kwargs['field_path']}__{field.target_field.name}__exact"
        super().__init__(field, request, params, *args, **kwargs)
        self.foreign_key = cast("models.ForeignKey[Any, Any]", field)
        related = self.foreign_key.related_model._meta
        self.is_named = request.user.has_perm(f"{related.app_label}.view_{related.model_name}")

    def expected_parameters(self) -> list[str | None]:
        """Return the one parameter, which has the name of Django's own filter."""
        return [self.lookup]

    def has_output(self) -> bool:
        return self.lookup in self.used_parameters

    def choices(self, changelist: ChangeList) -> Any:
        unfiltered = changelist.get_query_string(remove=[self.lookup])
        yield {"selected": False, "query_string": unfiltered, "display": "All"}
        current = changelist.get_query_string()
        yield {"selected": True, "query_string": current, "display": self._get_selected_name()}

    def _get_selected_name(self) -> str:
        related = self.foreign_key.related_model._default_manager
        value = self.used_parameters[self.lookup]
        if not self.is_named:
            return "the selected object"
        selected = related.filter(**{f"{self.foreign_key.target_field.name}__in": value}).first()
        return str(selected) if selected else "unknown"


class RecentFilter(admin.DateFieldListFilter):
    """A filter by time that uses the index of `TimeAtUtc`."""

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        rows = super().queryset(request, queryset)
        lower_bounds = self.used_parameters.get(self.lookup_kwarg_since)
        if rows is None or not lower_bounds:
            return queryset if rows is None else rows
        lower_bound = lower_bounds[-1] if isinstance(lower_bounds, list) else lower_bounds
        since = self.field.to_python(lower_bound)
        return rows.filter(
            GreaterThanOrEqual(TimeAtUtc(self.field_path), TimeAtUtc(Value(since, self.field)))
        )


# --- Lists ------------------------------------------------------------------------------------


def _count_up_to_limit(rows: QuerySet[Any]) -> int:
    return int(rows.order_by().values("pk")[: MAX_COUNTED + 1].count())


class BoundedPaginator(Paginator):
    """A paginator that counts at most ``MAX_COUNTED`` rows and has no pages beyond them."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        number = _count_up_to_limit(rows) if isinstance(rows, QuerySet) else len(rows)
        self.has_more = number > MAX_COUNTED
        return min(number, MAX_COUNTED)


def search_error(term: str) -> str | None:
    """Return why a search is refused, or None."""
    if len(term) > MAX_SEARCH_LENGTH:
        return f"A search has at most {MAX_SEARCH_LENGTH} characters. Shorten it."
    if len(list(smart_split(term))) > MAX_SEARCH_WORDS:  # Django splits searches in this way.
        return f"A search has at most {MAX_SEARCH_WORDS} words. Shorten it."
    return None


class StaffChangeList(ChangeList):
    """A list that reads a bounded number of rows. Long lists cannot be sorted by columns."""

    def __init__(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        super().__init__(request, *args, **kwargs)
        if error := search_error(self.query):
            messages.error(request, error)
        if getattr(self.paginator, "has_more", False):
            self.title = f"{self.title} (the first of more than {MAX_COUNTED:,})"

    def get_ordering(self, request: HttpRequest, queryset: QuerySet[Any]) -> Any:
        """Return the requested order, unless the list is too long to be sorted."""
        if ORDER_VAR in self.params and _count_up_to_limit(queryset) > MAX_COUNTED:
            del self.params[ORDER_VAR]
        return super().get_ordering(request, queryset)


# --- Pages ------------------------------------------------------------------------------------


class StaffAdmin(admin.ModelAdmin):
    """A model that staff see and, where fields are not read-only, change."""

    id_search_fields: ClassVar[tuple[str, ...]] = ("pk",)
    """The fields that a UUID in the search box is compared with."""
    identity_fields: ClassVar[tuple[str, ...]] = ("owner",)
    """Fields that identify a client. They need the permission to see users."""
    content_fields: ClassVar[tuple[str, ...]] = ()
    """Fields with clients' content. They need a permission of their own."""
    has_time_index: ClassVar[bool] = False
    """True if the whole list uses the index of `TimeAtUtc`. Lists of a client have their own."""
    list_per_page = 50
    paginator = BoundedPaginator
    show_full_result_count = False  # It would count the whole table again for each page.

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        return StaffChangeList

    def get_changelist_instance(self, request: HttpRequest) -> ChangeList:
        """Return the list. Redirect to it if a filter has an invalid value, as Django does.

        Django itself treats only some of these errors as errors of the query string.
        """
        try:
            return super().get_changelist_instance(request)
        except (DataError, OverflowError, ValueError) as exc:
            if not request.GET.keys() - {ERROR_FLAG}:
                raise
            raise IncorrectLookupParameters from exc

    def get_ordering(self, request: HttpRequest) -> Any:
        """Return the order, newest first."""
        is_narrowed = any(name.startswith(("user__", "project__")) for name in request.GET)
        if self.has_time_index and not is_narrowed:
            return [TimeAtUtc("created_at").desc()]
        return super().get_ordering(request)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Return False: objects are created through the API only."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return False: domain functions delete objects."""
        return False

    def hidden_fields(self, request: HttpRequest) -> set[str]:
        """Return the fields that the requesting member of staff may not see."""
        identity = () if _can_see_users(request) else self.identity_fields
        content = () if request.user.has_perm("accounts.view_content") else self.content_fields
        return {*identity, *content}

    def get_list_display(self, request: HttpRequest) -> Any:
        """Return the columns without the hidden ones."""
        hidden = self.hidden_fields(request)
        return [name for name in super().get_list_display(request) if name not in hidden]

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the fieldsets without hidden fields."""
        hidden = self.hidden_fields(request)
        return [
            (title, {**options, "fields": visible})
            for title, options in super().get_fieldsets(request, obj)
            if (visible := [name for name in options["fields"] if name not in hidden])
        ]

    def get_search_fields(self, request: HttpRequest) -> Any:
        """Return the search fields, without those by which a search would identify a client."""
        names = super().get_search_fields(request)
        if _can_see_users(request):
            return names
        return [name for name in names if not name.startswith("user__")] or ["pk"]

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Search by id, with an index, if the term is a UUID; else by ``search_fields``."""
        if search_error(search_term):
            return queryset.none(), False
        try:
            object_id = UUID(search_term.strip())
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
        conditions = Q()
        for field in self.id_search_fields:
            conditions |= Q(**{field: object_id})
        return queryset.filter(conditions), False

    def lookup_allowed(self, lookup: str, value: Any, request: Any = None) -> bool:
        """Return True for lookups of our filters, links and searches.

        Django would allow any column, hidden or not.
        """
        column, _, comparison = lookup.rpartition("__")
        return (column if comparison in COMPARISONS else lookup) in self._list_filter_columns(
            request
        )

    def _list_filter_columns(self, request: Any) -> set[str]:
        names = {*self.id_search_fields, *filter(None, [self.date_hierarchy])}
        filters: Any = self.get_list_filter(request)
        for list_filter in filters:
            if isinstance(list_filter, type):
                names.add(cast(Any, list_filter).parameter_name)
            else:
                name = list_filter if isinstance(list_filter, str) else list_filter[0]
                names |= {name, f"{name}__id"}
        return names

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Write the changed columns only, because others may have changed in the meantime."""
        names = {field.name for field in self.opts.concrete_fields}
        changed = names.intersection(form.changed_data)
        obj.save(update_fields=sorted(changed | names.intersection(["updated_at"])))


def _can_see_users(request: HttpRequest) -> bool:
    return request.user.has_perm("accounts.view_user")


class ReadOnlyAdmin(StaffAdmin):
    """A model whose columns nobody edits."""

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyInline(admin.TabularInline):
    """Read-only rows on another object's page."""

    can_delete = False
    extra = 0

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class PartInline(ReadOnlyInline):
    """Rows that are part of the object: whoever may see the object may see them."""

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Return the permission to see the object."""
        return self.admin_site.get_model_admin(self.parent_model).has_view_permission(request)


# --- Actions that ask for a reason ------------------------------------------------------------


class ReasonForm(forms.Form):
    """A form that asks for a reason. Subclasses add fields."""

    reason = forms.CharField(
        max_length=MAX_REASON_CHARS,
        widget=AdminTextareaWidget(attrs={"rows": 3}),
        help_text="It is stored in the history, with your name.",
    )


class OwnObjectProblem(Problem):
    """The object belongs to the acting member of staff, so a colleague must act on it."""

    status_code = 403
    default_code = "own_object"
    default_detail = "This object is your own, so you cannot act on it. Ask a colleague."


Perform = Callable[[HttpRequest, Any, Mapping[str, Any]], str]
"""Performs an action on one object, and returns a sentence about it or raises a ``Problem``."""


def ask_identity(request: HttpRequest, *, then: str | None = None) -> HttpResponse | None:
    """Return the page that asks staff to confirm their identity, or None if they just did."""
    site: Any = admin.site  # It is accounts.staff.site, which this layer does not know.
    return cast("HttpResponse | None", site.ask_identity(request, then=then))


class ConfirmedChanges(StaffAdmin):
    """A model with rights or payers. Staff must confirm their identity before they save it."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Return the page of an object, or the one that asks for identity before a change."""
        identity_page = ask_identity(request) if request.method == "POST" else None
        return identity_page or super().changeform_view(request, object_id, form_url, extra_context)


class ConfirmedActions(StaffAdmin):
    """A model with actions on selected objects, each confirmed with a reason on a page."""

    change_form_template = "admin/change_form_with_actions.html"

    def summary(self, obj: Any) -> str:
        """Return what the confirming page shows of an object beside its name."""
        return ""

    def is_applicable(self, action: str, obj: Any) -> bool:
        """Return True if the object's own page offers the action."""
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
        """Return the confirming page, or perform the confirmed action on each object by itself.

        An action that ``moves_money`` requires that the member of staff has lately confirmed their
        identity.
        """
        is_confirmed = CONFIRMED in request.POST
        if is_confirmed:  # An object that was listed counts even if the filter excludes it now.
            ids = request.POST.getlist(ACTION_CHECKBOX_NAME)
            queryset = self.get_queryset(request).filter(pk__in=ids)
        objects = list(queryset[: MAX_SELECTED + 1])
        if len(objects) > MAX_SELECTED:
            self.message_user(request, f"Select at most {MAX_SELECTED} objects.", messages.ERROR)
            return None
        return_url = self._get_return_url(request, objects)
        if moves_money and (identity_page := ask_identity(request, then=return_url)):
            return identity_page
        form = form_class(request.POST if is_confirmed else None)
        if not form.is_valid():
            return self._render_confirmation(request, objects, action, form)
        for obj in objects:
            self._perform_action(request, obj, perform, form.cleaned_data)
        if FROM_OBJECT in request.POST and objects:
            return HttpResponseRedirect(get_page_url(self.opts.label, objects[0].pk))
        return None

    def owner_id(self, obj: Any) -> Any:
        """Return the id of the object's owner, who may not act on it."""
        return getattr(obj, "user_id", obj.pk)

    def _perform_action(
        self, request: HttpRequest, obj: Any, perform: Perform, values: Mapping[str, Any]
    ) -> None:
        name = f"{self.opts.verbose_name} {obj}"
        try:
            if self.owner_id(obj) == request.user.pk:
                raise OwnObjectProblem
            with transaction.atomic():
                result = perform(request, obj, values)
                self.log_change(request, obj, f"{result} Reason: {values['reason']}")
        except Problem as problem:
            self.message_user(request, f"{name}: {_format_problem(problem)}", messages.ERROR)
        except OUTAGES as exc:
            logger.warning("an action of staff failed: %s", type(exc).__name__)
            detail = UnavailableProblem.default_detail
            self.message_user(request, f"{name}: {detail}", messages.ERROR)
        else:
            self.message_user(request, f"{name}: {result}", messages.SUCCESS)

    def _render_confirmation(
        self, request: HttpRequest, objects: list[Any], action: str, form: ReasonForm
    ) -> HttpResponse:
        # AdminForm is Django's form layout in the admin. It accepts any form, unlike its types.
        layout = AdminForm(cast(Any, form), [(None, {"fields": list(form.fields)})], {})
        context = {
            **self.admin_site.each_context(request),
            "title": self._get_label(action),
            "opts": self.opts,
            "action": action,
            "action_checkbox_name": ACTION_CHECKBOX_NAME,
            "confirmed": CONFIRMED,
            "from_object": FROM_OBJECT if FROM_OBJECT in request.POST else None,
            "objects": [
                (obj, get_page_url(self.opts.label, obj.pk), self.summary(obj)) for obj in objects
            ],
            "fieldset": next(iter(layout)),
            "return_url": self._get_return_url(request, objects),
        }
        status = HTTPStatus.BAD_REQUEST if form.is_bound else HTTPStatus.OK
        return TemplateResponse(request, "admin/confirm_action.html", context, status=status)

    def _get_label(self, action: str) -> str:
        action_tuple = self.get_action(action)
        return str(action_tuple[2]) if action_tuple else action

    def _get_return_url(self, request: HttpRequest, objects: list[Any]) -> str:
        if FROM_OBJECT in request.POST and objects:
            return get_page_url(self.opts.label, objects[0].pk)
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
        """Return the object's page, with a button for each action that applies to it."""
        context["object_actions"] = [
            (name, label)
            for name, (_, _, label) in self._get_action_choices(request).items()
            if obj is not None and self.is_applicable(name, obj)
        ]
        context["action_checkbox_name"] = ACTION_CHECKBOX_NAME
        context["from_object"] = FROM_OBJECT
        return super().render_change_form(request, context, add, change, form_url, obj)

    def _get_action_choices(self, request: HttpRequest) -> Mapping[str, Any]:
        return dict(self.get_actions(request) or {})


def staff_id(request: HttpRequest) -> UUID:
    """Return the id of the acting member of staff."""
    pk: UUID = cast(models.Model, request.user).pk
    return pk


def get_actor(request: HttpRequest) -> str:
    """Return the actor for job events. Clients may read those, so it contains no email address."""
    return f"staff:{staff_id(request)}"


def _format_problem(problem: Problem) -> str:
    figures = ", ".join(f"{name} {value}" for name, value in problem.extra.items())
    return f"{problem.detail} ({figures})" if figures else str(problem.detail)
