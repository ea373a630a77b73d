"""What a sign-in's owner reads of the device that it was made with."""

import pytest

from todoenbalance.kit.security.devices import Device, describe_user_agent

MOZILLA = "Mozilla/5.0 "


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (MOZILLA + "(Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox, Windows"),
        (
            MOZILLA + "(Windows NT 10.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140 Safari/537.36 Edg/140",
            "Edge, Windows",
        ),
        (
            MOZILLA + "(iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1 Version/18.0 Mobile Safari/604.1",
            "Safari, iPhone",
        ),
        (MOZILLA + "(Linux; Android 15) AppleWebKit/537.36 Chrome/140 Mobile Safari/537.36", "Chrome, Android"),
        (MOZILLA + "(X11; Linux x86_64) AppleWebKit/537.36 Chrome/140 Safari/537.36", "Chrome, Linux"),
        ("python-httpx/0.28.1", "python-httpx/0.28.1"),
        ("", ""),
    ],
)
def test_browsers_are_named_and_programs_speak_for_themselves(user_agent: str, words: str) -> None:
    assert describe_user_agent(user_agent) == words


def test_what_no_page_should_show_is_left_out_and_the_rest_cut() -> None:
    device = Device.of("curl\x1b[31m\r\n" + "x" * 500, "2001:db8::1")
    assert device.user_agent.startswith("curl[31mx")
    assert len(device.user_agent) == 200
