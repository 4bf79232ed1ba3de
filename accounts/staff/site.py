"""The admin's site: who is let in how far, and the pages on which staff show who they are."""

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
AGAIN = "Show that it is you, then do it again."
TOO_MANY = "There were too many wrong codes. Try again later."
WRONG = "This is not right."

guarded = method_decorator([never_cache, csrf_protect, sensitive_post_parameters()])


class StaffSite(admin.AdminSite):
    """Django's, with a second factor, idle sessions that end, and a record of refusals."""

    login_form = StaffLogin
    index_template = "admin/staff_index.html"

    # Who is let in

    def has_permission(self, request: HttpRequest) -> bool:
        """Staff whose session has all that is asked of it."""
        return self._is_staff(request) and sessions.is_complete(request)

    def _is_staff(self, request: HttpRequest) -> bool:
        return super().has_permission(request)

    def admin_view(self, view: Any, cacheable: bool = False) -> Any:
        """As Django's; who is refused is recorded, who is there is noticed."""
        inner = super().admin_view(view, cacheable)

        def watched(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if self._is_staff(request):
                sessions.refresh_idle_timeout(request)
            try:
                return inner(request, *args, **kwargs)
            except PermissionDenied:
                events.record_event(EventKind.REFUSED, user_id=request.user.pk, request=request)
                raise

        return update_wrapper(watched, inner)

    def login(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Ask for the password, and then for what else is missing."""
        if self._is_staff(request) and not sessions.is_complete(request):
            return HttpResponseRedirect(_with_next("admin:second_factor", _next(request)))
        response = super().login(request, extra_context)
        if request.method == "POST" and isinstance(response, HttpResponseRedirect):
            sessions.mark_verified(request)
        return response

    def logout(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        """As Django's, recorded."""
        events.record_event(EventKind.SIGNED_OUT, user_id=request.user.pk, request=request)
        return super().logout(request, extra_context)

    def password_change(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> Any:
        """Of oneself; the old password is asked for, and not for guessing."""
        return self.ask_identity(request) or super().password_change(request, extra_context)

    def ask_identity(self, request: HttpRequest, *, then: str | None = None) -> HttpResponse | None:
        """Nothing, or the way to the page that asks who it is; ``then`` is where to go after."""
        if sessions.is_recently_verified(request):
            return None
        messages.info(request, AGAIN)
        return HttpResponseRedirect(_with_next("admin:identity", then or request.get_full_path()))

    # Pages

    def get_urls(self) -> list[URLPattern | URLResolver]:
        """Django's, after our own: its last one takes whatever is left."""
        return [
            path("second-factor/", self.second_factor, name="second_factor"),
            path("second-factor/enrol/", self.enrol, name="enrol"),
            path("identity/", self.admin_view(self.identity), name="identity"),
            *super().get_urls(),
        ]

    @guarded
    def second_factor(self, request: HttpRequest) -> HttpResponse:
        """Ask for a code after the password; who has no app is led to enrolling one."""
        if not self._is_staff(request):
            return HttpResponseRedirect(reverse("admin:login"))
        if SIGN_OUT in request.POST:
            auth.logout(request)
            return HttpResponseRedirect(reverse("admin:login"))
        user = sessions.get_user(request)
        if not second_factor.is_enrolled(user):
            return HttpResponseRedirect(_with_next("admin:enrol", _next(request)))
        form = CodeForm(request.POST or None)
        if form.is_valid() and self._is_verified(request, form):
            return HttpResponseRedirect(_next(request))
        return self._page(request, "admin/second_factor.html", form, title="Second factor")

    def _is_verified(self, request: HttpRequest, form: CodeForm) -> bool:
        user = sessions.get_user(request)
        try:
            device = second_factor.verify_code(request, user=user, code=form.cleaned_data["code"])
        except second_factor.TooManyFailuresError:
            form.add_error(None, TOO_MANY)
            return False
        if device is None:
            form.add_error("code", WRONG)
            return False
        _verified_by(request, device)
        return True

    @guarded
    def enrol(self, request: HttpRequest) -> HttpResponse:
        """Show a new secret, and use it once the app has made a code of it."""
        if not self._is_staff(request):
            return HttpResponseRedirect(reverse("admin:login"))
        user = sessions.get_user(request)
        if second_factor.is_enrolled(user):
            if not self.has_permission(request):
                return HttpResponseRedirect(_with_next("admin:second_factor", _next(request)))
            if asked := self.ask_identity(request):
                return asked
        if request.method == "POST":
            return self._enrol(request)
        device = second_factor.begin_enrolment(user)
        request.session[sessions.ENROLLING] = device.pk
        return self._enrolling(request, device, CodeForm())

    def _enrol(self, request: HttpRequest) -> HttpResponse:
        user, device_id = sessions.get_user(request), request.session.get(sessions.ENROLLING)
        form = CodeForm(request.POST)
        code = form.cleaned_data["code"] if form.is_valid() else ""
        try:
            enrolled = second_factor.complete_enrolment(
                request, user=user, device_id=device_id, code=code
            )
            if enrolled is None:
                if form.is_valid():
                    form.add_error("code", WRONG)
                device = second_factor.get_pending_device(user, device_id)
                return self._enrolling(request, device, form)
        except second_factor.NotBeingEnrolledError:
            messages.info(request, "This was begun anew elsewhere. Scan the new code.")
            return HttpResponseRedirect(request.get_full_path())
        device, codes = enrolled
        _verified_by(request, device)
        return self._page(
            request,
            "admin/recovery_codes.html",
            form,
            title="Recovery codes",
            codes=codes,
            next_url=_next(request),
        )

    def _enrolling(
        self, request: HttpRequest, device: Authenticator, form: CodeForm
    ) -> HttpResponse:
        secret = b32encode(device.plain_secret).decode()
        label = quote(f"{ISSUER}:{request.user.get_username()}")
        address = f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': ISSUER})}"
        return self._page(
            request,
            "admin/enrol.html",
            form,
            title="Set up your second factor",
            picture=segno.make(address, micro=False).svg_data_uri(scale=5),
            secret=" ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
        )

    @guarded
    def identity(self, request: HttpRequest) -> HttpResponse:
        """Ask again who it is, before money and rights."""
        form = IdentityForm(request.POST or None)
        if form.is_valid() and self._is_confirmed(request, form):
            return HttpResponseRedirect(_next(request))
        return self._page(request, "admin/identity.html", form, title="Is it you?")

    def _is_confirmed(self, request: HttpRequest, form: IdentityForm) -> bool:
        user, given = sessions.get_user(request), form.cleaned_data["given"]
        try:
            if second_factor.confirm_identity(request, user=user, given=given):
                sessions.mark_verified(request)
                return True
        except second_factor.TooManyFailuresError:
            form.add_error(None, TOO_MANY)
        else:
            form.add_error("given", WRONG)
        return False

    def _page(
        self, request: HttpRequest, template: str, form: Form, **context: Any
    ) -> HttpResponse:
        everywhere = self.each_context(request) | {NEXT: _next(request), "form": form}
        return TemplateResponse(request, template, everywhere | context)


def _verified_by(request: HttpRequest, device: Any) -> None:
    django_otp.login(request, device)
    request.session.pop(sessions.ENROLLING, None)
    sessions.mark_verified(request)


def _next(request: HttpRequest) -> str:
    """Where they wanted to go, if it is ours."""
    wanted = request.POST.get(NEXT) or request.GET.get(NEXT) or ""
    is_ours = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if is_ours else reverse("admin:index")


def _with_next(view: str, wanted: str) -> str:
    return f"{reverse(view)}?{urlencode({NEXT: wanted})}"
