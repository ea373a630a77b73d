"""The adapter against a gateway that holds every request against the documented contract."""

import logging
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from notifications.catalogue import Channel
from notifications.texting.encoding import count_segments, fit, is_gsm7
from notifications.texting.gateway import MOST_ANSWER_BYTES, Gateway
from notifications.texting.port import TextMessage, TextRejectedError, TextUnavailableError
from tests.support.providers.text_gateway import TOKEN, TextGateway
from todoenbalance.kit.ids import new_id
from todoenbalance.kit.settings import Settings
from todoenbalance.kit.text_settings import TextSettings

NUMBER = "+34611222333"
STATUS_URL = "http://localhost:8000/webhooks/texts/t_abcdefghij"

GOOD = {
    "adapter": "gateway",
    "url": "https://gateway.example/messages",
    "token": "t",
    "signing_keys": "whsec_" + "A" * 44,
}


def message() -> TextMessage:
    return TextMessage(new_id(), Channel.SMS, NUMBER, "Núñez: recordatorio de tu cita, sábado 6 de marzo", "es")


def adapter(gateway: TextGateway, **values: Any) -> Gateway:
    return Gateway(gateway.settings(**values), STATUS_URL)


async def test_a_message_is_taken_once_however_often_it_is_handed_over(gateway: TextGateway) -> None:
    one = message()
    gateway.faults.lose_answer()
    with pytest.raises(TextUnavailableError) as lost:
        await adapter(gateway).send(one)
    assert lost.value.__context__ is None  # the error of the library holds the request, and the request the token
    reference = await adapter(gateway).send(replace(one, text="in other words"))
    [taken] = gateway.messages.values()
    assert (taken.reference, taken.copies) == (reference, 2)
    assert taken.body == {
        "id": str(one.id),
        "channel": "sms",
        "to": NUMBER,
        "text": one.text,
        "language": "es",
        "status_url": STATUS_URL,
    }


@pytest.mark.parametrize("status", [400, 410, 413, 415, 422])
async def test_what_is_refused_is_final_and_quotes_nothing(gateway: TextGateway, status: int) -> None:
    gateway.faults.answer(status, body={"code": "unknown_number", "detail": NUMBER})
    with pytest.raises(TextRejectedError) as caught:
        await adapter(gateway).send(message())
    assert str(caught.value) == f"the gateway answered {status}, unknown_number"


@pytest.mark.parametrize(
    ("status", "headers", "delay"),
    [
        (429, {"Retry-After": "120"}, 120.0),
        (503, {"Retry-After": "999999"}, 3600.0),
        (503, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, None),
        (500, {}, None),
        (408, {}, None),
        (409, {}, None),
        (401, {}, None),
        (404, {}, None),
        (302, {"Location": "http://127.0.0.1:9/"}, None),
    ],
)
async def test_later(
    gateway: TextGateway,
    caplog: pytest.LogCaptureFixture,
    status: int,
    headers: dict[str, str],
    delay: float | None,
) -> None:
    caplog.set_level(logging.DEBUG)
    gateway.faults.answer(status, headers=headers, body={"code": f"Not a code: {NUMBER}"})
    with pytest.raises(TextUnavailableError) as caught:
        await adapter(gateway).send(message())
    assert (str(caught.value), caught.value.delay_seconds) == (f"the gateway answered {status}", delay)
    assert len(gateway.exchanges) == 1  # no redirect was followed
    for secret in (TOKEN, NUMBER, "recordatorio"):
        assert secret not in caplog.text


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"not json", b'{"reference": "two\\nlines"}', b'{"reference": 7}', b"[" * 9000]
)
async def test_what_was_taken_is_taken_whatever_is_said_of_it(gateway: TextGateway, body: bytes) -> None:
    gateway.faults.answer(202, body=body)
    assert await adapter(gateway).send(message()) == ""


async def test_an_endless_answer_is_not_read_to_its_end(gateway: TextGateway) -> None:
    gateway.faults.answer(400, body=b'{"code": "' + b"x" * MOST_ANSWER_BYTES * 50 + b'"}')
    with pytest.raises(TextRejectedError, match=r"^the gateway answered 400$"):
        await adapter(gateway).send(message())


async def test_a_wrong_token_or_key_is_our_fault_and_tried_again(gateway: TextGateway) -> None:
    for wrong in ({"token": "other"}, {"signing_keys": "whsec_" + "A" * 44}):
        with pytest.raises(TextUnavailableError, match=r"40[13]"):
            await adapter(gateway, **wrong).send(message())
    assert gateway.messages == {}


async def test_nobody_there(gateway: TextGateway) -> None:
    with pytest.raises(TextUnavailableError, match=r"^ConnectError$"):
        await adapter(gateway, url="http://127.0.0.1:9/messages").send(message())


class TestSegments:
    @pytest.mark.parametrize(
        ("text", "count"),
        [
            ("a" * 160, 1),
            ("a" * 161, 2),
            ("a" * 306, 2),
            ("a" * 307, 3),
            ("€" * 80, 1),
            ("€" * 81, 2),
            ("á" * 70, 1),
            ("á" * 71, 2),
            ("😀" * 35, 1),
            ("😀" * 36, 2),
        ],
    )
    def test_as_the_standard_counts(self, text: str, count: int) -> None:
        assert count_segments(text) == count

    def test_accents_go_only_where_that_saves_a_segment(self) -> None:
        short = "Nutrición: sábado a las 10:00"
        assert fit(short) == short
        long = "Nutrición Peñalba: recordatorio de tu cita, sábado 6 de marzo a las 10:00 — mañana"
        assert fit(long) == "Nutricion Peñalba: recordatorio de tu cita, sabado 6 de marzo a las 10:00 - mañana"
        assert count_segments(long) == 2
        assert count_segments(fit(long)) == 1
        assert fit(long + " 你好") == long + " 你好"
        assert is_gsm7("ñÑüàèéìòù¿¡")


class TestSettings:
    def problem(self, *, is_production: bool = True, has_mailbox: bool = False, **values: str) -> str | None:
        settings = TextSettings.model_validate(GOOD | values)
        return settings.find_problem(is_production=is_production, has_mailbox=has_mailbox)

    def test_off_needs_nothing_and_a_whole_gateway_starts(self) -> None:
        assert TextSettings().find_problem(is_production=True, has_mailbox=False) is None
        assert self.problem() is None
        assert self.problem(url="http://127.0.0.1:9/m", is_production=False) is None
        assert self.problem(adapter="mailbox", is_production=False, has_mailbox=True) is None

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("url", "http://gateway.example/messages"),
            ("url", "https://u:p@gateway.example/messages"),
            ("url", "https://gateway.example/messages?key=secret"),
            ("url", "https://[half/"),
            ("url", ""),
            ("token", ""),
            ("token", "two lines\n"),
            ("signing_keys", ""),
            ("signing_keys", "whsec_QUJD"),
            ("signing_keys", "A" * 44),
            ("signing_keys", "whsec_!!!!"),
            ("adapter", "mailbox"),
        ],
    )
    def test_half_of_one_does_not_and_no_secret_is_quoted(self, field: str, value: str) -> None:
        problem = TextSettings.model_validate(GOOD | {field: value}).find_problem(is_production=True, has_mailbox=False)
        assert problem is not None
        assert problem.startswith(field)
        assert not value or value == "mailbox" or value not in problem

    def test_nor_does_the_process(self, settings: Settings) -> None:
        whole = {**settings.model_dump(), "texts": GOOD}
        assert Settings.model_validate(whole).texts.is_on
        with pytest.raises(ValidationError, match=r"texts\.token: needed"):
            Settings.model_validate(whole | {"texts": GOOD | {"token": ""}})
