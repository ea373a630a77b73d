"""The development mailbox over HTTP."""

from dataclasses import replace
from html.parser import HTMLParser

import httpx

from notifications.mailbox import Mailbox
from notifications.port import Attachment, Mail
from tests.conftest import HttpFactory
from tests.support.problems import assert_problem
from todoenbalance.app import create_app
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import Environment
from todoenbalance.kit.tenancy import TenantContext

JSON = {"Accept": "application/json"}


def a_mail(subject: str = "Hola") -> Mail:
    return Mail(
        id=new_id(),
        to="ana@example.com",
        subject=subject,
        text="Ve a https://demo.example.com/verify-email?token=a&b=1 <ya>",
        html='<p>Ve a <a href="https://demo.example.com/?a=1&amp;b=2">aquí</a></p>',
        sender_name="Consulta",
        sender_address="no-reply@example.com",
        headers={"Content-Language": "es"},
        attachments=(Attachment("cita.ics", "text/calendar; method=REQUEST; charset=utf-8", b"BEGIN:VCALENDAR\r\n"),),
    )


class Frames(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[dict[str, str | None]] = []
        self.links: list[str | None] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "iframe":
            self.frames.append(dict(attrs))
        if tag == "a":
            self.links.append(dict(attrs)["href"])


class TestJson:
    async def test_lists_what_the_practice_mailed_newest_first(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        mails = [a_mail("uno"), a_mail("dos")]
        for mail in mails:
            await Mailbox(runtime.database, practice).send(mail)
        answer = await http(practice).get("/dev/mailbox", headers=JSON)
        items = answer.json()["items"]
        assert [item["subject"] for item in items] == ["dos", "uno"]
        assert set(items[0]) == {"id", "to", "subject", "text", "html", "headers", "attachments", "created_at"}
        assert items[0]["to"] == "ana@example.com"
        assert items[0]["attachments"] == [
            {"filename": "cita.ics", "content_type": "text/calendar; method=REQUEST; charset=utf-8"}
        ]
        assert items[0]["headers"]["From"] == "Consulta <no-reply@example.com>"

    async def test_a_repeated_message_is_there_once(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        mail = a_mail()
        box = Mailbox(runtime.database, practice)
        assert await box.send(mail) == await box.send(replace(mail, subject="otra vez"))
        items = (await http(practice).get("/dev/mailbox", headers=JSON)).json()["items"]
        assert [item["subject"] for item in items] == ["Hola"]

    async def test_each_host_shows_its_own(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext, other_practice: TenantContext
    ) -> None:
        theirs, ours = a_mail("de la consulta"), a_mail("de la plataforma")
        await Mailbox(runtime.database, practice).send(theirs)
        await Mailbox(runtime.database, None).send(ours)
        assert (await http(other_practice).get("/dev/mailbox", headers=JSON)).json() == {"items": []}
        platform = (await http().get("/dev/mailbox", headers=JSON)).json()["items"]
        assert str(ours.id) in [item["id"] for item in platform]
        assert str(theirs.id) not in [item["id"] for item in platform]
        file = f"/dev/mailbox/{theirs.id}/attachments/cita.ics"
        for client in (http(other_practice), http()):
            assert_problem(await client.get(file), 404, "not_found")


class TestPage:
    async def test_shows_the_text_with_its_links_and_the_html_in_a_sandbox(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        mail = a_mail("<script>alert(1)</script>")
        await Mailbox(runtime.database, practice).send(mail)
        answer = await http(practice).get("/dev/mailbox", headers={"Accept": "text/html,*/*"})
        assert answer.headers["content-type"].startswith("text/html")
        assert "script-src" not in answer.headers["content-security-policy"]
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        page = Frames()
        page.feed(answer.text)
        assert "script" not in page.tags
        assert "https://demo.example.com/verify-email?token=a&b=1" in page.links
        assert f"/dev/mailbox/{mail.id}/attachments/cita.ics" in page.links
        [frame] = page.frames
        assert frame["sandbox"] == "allow-popups allow-popups-to-escape-sandbox"
        assert frame["srcdoc"] is not None
        assert mail.html in frame["srcdoc"]

    async def test_speaks_the_readers_language(self, http: HttpFactory, practice: TenantContext) -> None:
        for locale, words in (("es", "Todavía no hay ningún mensaje."), ("en", "There is no message yet.")):
            answer = await http(practice).get("/dev/mailbox", headers={"Accept-Language": locale})
            assert words in answer.text


class TestAttachment:
    async def test_is_downloaded_as_it_was_attached(
        self, http: HttpFactory, runtime: Runtime, practice: TenantContext
    ) -> None:
        mail = a_mail()
        await Mailbox(runtime.database, practice).send(mail)
        answer = await http(practice).get(f"/dev/mailbox/{mail.id}/attachments/cita.ics")
        assert answer.content == b"BEGIN:VCALENDAR\r\n"
        assert answer.headers["content-type"] == "text/calendar; method=REQUEST; charset=utf-8"
        assert answer.headers["content-disposition"].startswith("attachment")

    async def test_an_unknown_one_is_not_found(self, http: HttpFactory, practice: TenantContext) -> None:
        assert_problem(await http(practice).get(f"/dev/mailbox/{new_id()}/attachments/x.ics"), 404, "not_found")


async def test_it_is_not_there_in_production(runtime: Runtime, practice: TenantContext) -> None:
    # Settings refuse this combination; the endpoint does not rely on that.
    settings = runtime.settings.model_copy(update={"environment": Environment.PRODUCTION})
    app = create_app(replace(runtime, settings=settings))
    for host in (f"{practice.slug}.localhost", "localhost"):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{host}") as client:
            assert_problem(await client.get("/dev/mailbox", headers=JSON), 404, "not_found")
