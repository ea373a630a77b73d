"""Pictures of mails for the documents: ``python -m tests.support.mail_pictures docs/images``.

Each mail as a real Chromium draws it: wide and narrow, by day and by night, and without its style sheet, as mail
programs show it that throw the sheet away.
"""

import base64
import re
import shutil
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from notifications.look import Look
from notifications.overrides.builtin import builtin_draft
from notifications.overrides.sandbox import write
from notifications.overrides.variables import find_kind, moment
from notifications.rendering import Rendered, render_mail
from todoenbalance.subscriptions import register_composers

PRACTICE, COLOUR = "Nutrición Nora", "#8a2f5d"
WIDE, NARROW = 700, 360
_SHOWN = (("light", WIDE), ("dark", WIDE), ("light", NARROW), ("dark", NARROW))
_NOT_HERE = {"meeting_url", "local_when"}
"""What an example has besides, and one visit has not: it is at the practice, and its client lives with its clock."""
_STYLE_SHEET = re.compile(r"<style>.*?</style>", re.DOTALL)


def mails() -> dict[str, Rendered]:
    """The mails of the pictures, by file name."""
    until = moment(days=7)("es")
    invitation: dict[str, Any] = {
        "first_name": "Pilar",
        "can_reply": True,
        "email": "pilar@example.com",
        "invitation_url": "https://nora.example.com/admin/accept-invitation?token=example",
        "valid_until": until,
    }
    return {
        "mail-confirmation": _builtin("appointment_confirmed"),
        "mail-reminder": _own(),
        "mail-invitation": render_mail("staff_invitation", "es", PRACTICE, invitation, COLOUR),
        "mail-receipt": _builtin("document_issued"),
    }


def _values(kind: str) -> dict[str, Any]:
    declared = find_kind(kind)
    assert declared is not None
    values = next(declared.examples("es"))
    return values | dict.fromkeys(_NOT_HERE & values.keys())


def _builtin(kind: str) -> Rendered:
    return render_mail(kind, "es", PRACTICE, _values(kind), COLOUR)


def _own() -> Rendered:
    """The reminder with a sentence of the practice's own."""
    kind = find_kind("appointment_reminder")
    assert kind is not None
    draft = builtin_draft(kind.kind, "es")
    details = "{{ appointment_details }}"
    body = draft.body.replace(details, f"Trae tu diario de comidas, por favor.\n\n{details}")
    values = _values(kind.kind) | {"preferences_url": "https://nora.example.com/mail-preferences/example"}
    return write(type(draft)(draft.subject, body), kind, "es", PRACTICE, values, Look.of(COLOUR))


def shoot(browser: Browser, html: str, scheme: Any, width: int) -> bytes:
    """One mail, as long as it is."""
    context = browser.new_context(viewport={"width": width, "height": 200}, color_scheme=scheme)
    page = context.new_page()
    page.set_content(html)
    overflow = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow <= 0, f"{overflow} px too wide at {width}"
    taken = page.screenshot(full_page=True)
    context.close()
    return taken


def sheet(browser: Browser, html: str, to: Path) -> None:
    """All pictures of a mail side by side, at half their size."""
    images = "".join(
        f'<img src="data:image/png;base64,{base64.b64encode(shoot(browser, html, scheme, width)).decode()}"'
        f' width="{width // 2}">'
        for scheme, width in _SHOWN
    )
    style = "margin:0;padding:16px;background:#c9d2cd;display:flex;gap:16px;align-items:flex-start"
    page = browser.new_page(viewport={"width": WIDE + NARROW + 80, "height": 100})
    page.set_content(f'<body style="{style}">{images}</body>')
    page.wait_for_function("[...document.images].every((one) => one.complete)")
    page.screenshot(path=to, full_page=True)
    page.close()


def main(folder: Path) -> None:
    """Make all of them."""
    register_composers()
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-gpu"])
        for name, mail in mails().items():
            sheet(browser, mail.html, folder / f"{name}.png")
        sheet(browser, _STYLE_SHEET.sub("", _own().html), folder / "mail-without-styles.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
