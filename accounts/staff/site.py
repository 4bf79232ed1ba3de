"""The admin's site: its access checks, and the pages on which staff prove their identity."""

from base64 import b32encode
from functools import update_wrapper
from typing import Any
from urllib.parse import quote, urlencode

import django_otp
import segno
from django.contrib import admin, auth, messages
from django.core.exceptions import PermissionDenied
from django.forms import Form
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, URLResolver, path, reverse
from django.utils.decorators import method_decorator
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.debug import sensitive_post_parameters

from accounts.staff import events, second_factor, sessions
from accounts.staff.forms import CodeForm, IdentityForm
from accounts.staff.login import StaffLogin
from accounts.staff.models import Authenticator, EventKind

NEXT = "next"
SIGN_OUT = "sign_out"
ISSUER = "Auteur"
AGAIN = "Confirm your identity, then repeat the action."
TOO_MANY = "There were too many wrong codes. Try again later."
WRONG = "This is wrong. Try again."

guarded = method_decorator([never_cache, csrf_protect, sensitive_post_parameters()])


class StaffSite(admin.AdminSite):
    """Django's admin site, with a second factor, an idle timeout and a record of refusals."""

    login_form = StaffLogin
    index_template = "admin/staff_index.html"

    # Access

    def has_permission(self, request: HttpRequest) -> bool:
        """Return True for staff whose session is complete."""
        return self._is_staff(request) and sessions.is_complete(request)

    def _is_staff(self, request: HttpRequest) -> bool:
        return super().has_permission(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """Wrap a view as Django does; refresh the idle timeout and record refusals."""
        checked_view = super().admin_view(view, cacheable)

        def recorded_view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if self._is_staff(request):
                sessions.refresh_idle_timeout(request)
            try:
                return checked_view(request, *args, **kwargs)
            except PermissionDenied:
                events.record_event(EventKind.REFUSED, user_id=request.user.pk, request=request)
                raise

        return update_wrapper(recorded_view, checked_view)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password, and then redirect to the second factor if that is missing."""
        if self._is_staff(request) and not sessions.is_complete(request):
            return HttpResponseRedirect(
                _build_url_with_next("admin:second_factor", _get_next_url(request))
            )
        response = super().login(request, extra_context)
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            sessions.mark_verified(request)
        return response

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """Sign out as Django does, and record it."""
        events.record_event(EventKind.SIGNED_OUT, user_id=request.user.pk, request=request)
        return super().logout(request, extra_context)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Change one's own password, after a recent proof of identity."""
        return self.ask_identity(request) or super().password_change(request, extra_context)

    def ask_identity(self, request: HttpRequest, *, then: str | None = None) -> HttpResponse | None:
        """Return a redirect to the identity page, or None after a recent proof of identity.

        ``then`` is the URL to continue with; by default it is the current one.
        """
        if sessions.is_recently_verified(request):
            return None
        messages.info(request, AGAIN)
        return HttpResponseRedirect(
            _build_url_with_next("admin:identity", then or request.get_full_path())
        )

    # Pages

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Return our URLs and then Django's, whose last pattern matches everything."""
        return [
            path("second-factor/", self.second_factor, name="second_factor"),
            path("second-factor/enrol/", self.enrol, name="enrol"),
            path("identity/", self.admin_view(self.identity), name="identity"),
            *super().get_urls(),
        ]

    @guarded
    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code after the password; redirect users without an app to its enrolment."""
        if not self._is_staff(request):
            return HttpResponseRedirect(reverse("admin:login"))
        if SIGN_OUT in request.POST:
            auth.logout(request)
            return HttpResponseRedirect(reverse("admin:login"))
        user = sessions.get_user(request)
        if not second_factor.is_enrolled(user):
            return HttpResponseRedirect(_build_url_with_next("admin:enrol", _get_next_url(request)))
        form = CodeForm(request.POST or None)
        if form.is_valid() and self._verify_form(request, form):
            return HttpResponseRedirect(_get_next_url(request))
        return self._render_page(request, "admin/second_factor.html", form, title="Second factor")

    def _verify_form(self, request: HttpRequest, form: CodeForm) -> bool:
        user = sessions.get_user(request)
        try:
            device = second_factor.verify_code(request, user=user, code=form.cleaned_data["code"])
        except second_factor.TooManyFailuresError:
            form.add_error(None, TOO_MANY)
            return False
        if device is None:
            form.add_error("code", WRONG)
            return False
        _sign_in_with_device(request, device)
        return True

    @guarded
    def enrol(self, request: HttpRequest) -> HttpResponse:
        """Show a new secret, and enrol the app once it has generated a right code."""
        if not self._is_staff(request):
            return HttpResponseRedirect(reverse("admin:login"))
        user = sessions.get_user(request)
        if second_factor.is_enrolled(user):
            if not self.has_permission(request):
                return HttpResponseRedirect(
                    _build_url_with_next("admin:second_factor", _get_next_url(request))
                )
            if redirect := self.ask_identity(request):
                return redirect
        if request.method == "POST":
            return self._complete_enrolment(request)
        device = second_factor.begin_enrolment(user)
        request.session[sessions.ENROLLING] = device.pk
        return self._render_enrolment(request, device, CodeForm())

    def _complete_enrolment(self, request: HttpRequest) -> HttpResponse:
        user, device_id = sessions.get_user(request), request.session.get(sessions.ENROLLING)
        form = CodeForm(request.POST)
        code = form.cleaned_data["code"] if form.is_valid() else ""
        try:
            result = second_factor.complete_enrolment(
                request, user=user, device_id=device_id, code=code
            )
            if result is None:
                if form.is_valid():
                    form.add_error("code", WRONG)
                device = second_factor.get_pending_device(user, device_id)
                return self._render_enrolment(request, device, form)
        except second_factor.NotBeingEnrolledError:
            messages.info(
                request, "The enrolment was started again in another window. Scan the new code."
            )
            return HttpResponseRedirect(request.get_full_path())
        device, codes = result
        _sign_in_with_device(request, device)
        return self._render_page(
            request,
            "admin/recovery_codes.html",
            form,
            title="Recovery codes",
            codes=codes,
            next_url=_get_next_url(request),
        )

    def _render_enrolment(
        self, request: HttpRequest, device: Authenticator, form: CodeForm
    ) -> HttpResponse:
        secret = b32encode(device.plain_secret).decode()
        label = quote(f"{ISSUER}:{request.user.get_username()}")
        uri = f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': ISSUER})}"
        return self._render_page(
            request,
            "admin/enrol.html",
            form,
            title="Set up your second factor",
            picture=segno.make(uri, micro=False).svg_data_uri(scale=5),
            secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        )

    @guarded
    def identity(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code or the password again, before actions that move money or grant rights."""
        form = IdentityForm(request.POST or None)
        if form.is_valid() and self._confirm_form(request, form):
            return HttpResponseRedirect(_get_next_url(request))
        return self._render_page(
            request, "admin/identity.html", form, title="Confirm your identity"
        )

    def _confirm_form(self, request: HttpRequest, form: IdentityForm) -> bool:
        user, secret = sessions.get_user(request), form.cleaned_data["code_or_password"]
        try:
            if second_factor.confirm_identity(request, user=user, secret=secret):
                sessions.mark_verified(request)
                return True
        except second_factor.TooManyFailuresError:
            form.add_error(None, TOO_MANY)
        else:
            form.add_error("code_or_password", WRONG)
        return False

    def _render_page(
        self, request: HttpRequest, template: str, form: Form, **context: Any
    ) -> HttpResponse:
        base_context = self.each_context(request) | {NEXT: _get_next_url(request), "form": form}
        return TemplateResponse(request, template, base_context | context)


def _sign_in_with_device(request: HttpRequest, device: Any) -> None:
    django_otp.login(request, device)
    request.session.pop(sessions.ENROLLING, None)
    sessions.mark_verified(request)


def _get_next_url(request: HttpRequest) -> str:
    """Return the URL to continue with; the admin's index if it is on another host."""
    url = request.POST.get(NEXT) or request.GET.get(NEXT) or ""
    is_allowed = url_has_allowed_host_and_scheme(
        url, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return url if is_allowed else reverse("admin:index")


def _build_url_with_next(view: str, next_url: str) -> str:
    return f"{reverse(view)}?{urlencode({NEXT: next_url})}"
