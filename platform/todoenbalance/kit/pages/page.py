"""One request for a page: who asks, in which language, and the forms that belong to them."""

from typing import Any
from uuid import UUID

from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from todoenbalance.kit.errors import ProblemError
from todoenbalance.kit.pages.environment import Pages
from todoenbalance.kit.pages.forms import Form
from todoenbalance.kit.pages.guard import TOKEN_FIELD, FormGuard
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.security.devices import Device
from todoenbalance.kit.web.context import context_of

_MAX_FIELDS = 500


class Page:
    """Base of each surface's page. ``session_id`` is the visitor's sign-in, None for an anonymous one."""

    def __init__(self, pages: Pages, request: Request, runtime: Runtime, session_id: UUID | None) -> None:
        self.pages = pages
        self.request = request
        self.runtime = runtime
        self.session_id = session_id
        self._guard = FormGuard(request, runtime, session_id)

    @property
    def locale(self) -> str:
        """The language to answer in."""
        return context_of(self.request).locale

    @property
    def request_id(self) -> str:
        """For audit trails."""
        return context_of(self.request).request_id

    @property
    def device(self) -> Device:
        """Where the request came from."""
        return context_of(self.request).device

    def values(self) -> dict[str, Any]:
        """What the surface's layout needs on every page."""
        return {}

    def t(self, message: str, **values: Any) -> str:
        """A sentence in the reader's language."""
        return self.pages.translate(self.locale, message, **values)

    def blank_form(self, **values: Any) -> Form:
        """A form to be shown, with what it holds at first; None is empty, lists are several choices."""
        return Form(
            self._sentence,
            {
                name: [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]
                for name, value in values.items()
                if value is not None
            },
        )

    async def read_form(self) -> Form:
        """The form that was sent. Raises :class:`FormNotOursError` if no page of ours can have sent it."""
        async with self.request.form(max_files=0, max_fields=_MAX_FIELDS) as data:
            form = Form.sent(self._sentence, data)
        self._guard.check(form.get(TOKEN_FIELD))
        return form

    def _sentence(self, kind: str, numbers: Any) -> str | None:
        return self.pages.sentence(self.locale, kind, numbers)

    def render(self, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
        """The page. It is nobody else's and no cache's."""
        given = {"page": self, "form_token": self._form_token, **self.values(), **values}
        response = HTMLResponse(
            self.pages.render(template, self.locale, given), status, headers={"Cache-Control": "no-store"}
        )
        self._guard.remember(response)
        return response

    def render_refused(self, template: str, form: Form, problem: ProblemError, **values: Any) -> HTMLResponse:
        """The form once more, with what is wrong with it."""
        response = self.render(template, status=form.refuse(problem, self.locale), form=form, **values)
        if problem.status == 429:
            response.headers.update(problem.headers)
        return response

    def _form_token(self) -> Markup:
        return Markup('<input type="hidden" name="{}" value="{}">').format(TOKEN_FIELD, self._guard.token())
