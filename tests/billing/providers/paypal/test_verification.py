"""Who is believed to be PayPal: an authority, a certificate and a key are made here, and everything else is refused."""

import itertools
import json
import zlib
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from billing.accounts.models import PaymentAccount
from billing.accounts.service import load_access
from billing.providers.paypal.adapter import PayPalProvider
from billing.providers.paypal.certificates import MAX_BYTES, Trust, UntrustedCertificateError, read_certificate
from billing.providers.paypal.verification import ASKED_A_MINUTE, MAX_AGE, MAX_AHEAD, VERIFY_PATH
from billing.providers.port import InvalidSignatureError, OutcomeUnknownError
from tests.support.providers.paypal.signing import CERTIFICATES_PATH, Signer
from tests.support.providers.paypal_server import PayPalServer
from todoenbalance.kit import clock
from todoenbalance.kit.runtime import Runtime
from todoenbalance.kit.settings import PaymentMode
from todoenbalance.kit.tenancy import TenantContext

CERTIFICATE = f"{CERTIFICATES_PATH}CERT-360caa42-fca2a594-1d93a270"
BODY = json.dumps({"id": "WH-1", "event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": {"id": "C1"}}).encode()


class Post:
    """PayPal's side: signs a body for the practice's webhook and hands it over."""

    def __init__(self, server: PayPalServer, provider: PayPalProvider, webhook_id: str) -> None:
        self.server, self.provider, self.webhook_id = server, provider, webhook_id

    def headers(
        self, body: bytes = BODY, *, signer: Signer | None = None, at: str | None = None, **changes: Any
    ) -> dict[str, str]:
        signer = signer or self.server.world.signer
        webhook_id = changes.pop("webhook_id", self.webhook_id)
        made = signer.headers(body, webhook_id, at or self.server.url, transmission_id="t-1", **changes)
        return {name.lower(): value for name, value in made.items()}

    async def refusal(self, headers: Mapping[str, str], body: bytes = BODY) -> str:
        """Why it is not believed."""
        with pytest.raises(InvalidSignatureError) as caught:
            await self.provider.read_webhook(headers, body)
        return caught.value.code

    def asked(self) -> int:
        """How often anything was asked of PayPal's host, for certificates too."""
        return len(self.server.page_calls)


@pytest.fixture
def post(paypal_server: PayPalServer, provider: PayPalProvider, account: PaymentAccount) -> Post:
    return Post(paypal_server, provider, str(account.webhook_ref))


def test_the_body_of_these_tests_is_an_event_of_paypals(paypal_server: PayPalServer) -> None:
    """What is off its contract fails at the server's end."""
    event = json.loads(BODY)
    paypal_server.world.check("event", event)
    paypal_server.world.check("capture", event["resource"])


class TestSignature:
    async def test_a_genuine_one_is_read(self, post: Post) -> None:
        event = await post.provider.read_webhook(post.headers(), BODY)
        assert (event.event_id, event.object_ref, event.is_live) == ("WH-1", "C1", False)

    async def test_the_certificate_is_fetched_once(self, post: Post) -> None:
        for _ in range(3):
            await post.provider.read_webhook(post.headers(), BODY)
        assert post.asked() == 1

    async def test_an_altered_body_is_not(self, post: Post) -> None:
        assert await post.refusal(post.headers(), BODY.replace(b"C1", b"C2")) == "wrong_signature"

    @pytest.mark.parametrize(
        "name", ["transmission-id", "transmission-time", "transmission-sig", "auth-algo", "cert-url"]
    )
    async def test_each_header_is_needed(self, post: Post, name: str) -> None:
        headers = post.headers()
        del headers[f"paypal-{name}"]
        await post.refusal(headers)

    async def test_another_transmission_under_the_same_signature_is_not(self, post: Post) -> None:
        assert await post.refusal(post.headers() | {"paypal-transmission-id": "t-2"}) == "wrong_signature"

    async def test_an_event_of_another_practices_webhook_is_not_ours(self, post: Post) -> None:
        assert await post.refusal(post.headers(webhook_id="W000OTHER")) == "wrong_signature"

    async def test_another_algorithm_is_none(self, post: Post) -> None:
        assert await post.refusal(post.headers() | {"paypal-auth-algo": "SHA1withRSA"}) == "wrong_algorithm"

    @pytest.mark.parametrize("off", [-MAX_AGE - timedelta(minutes=1), MAX_AHEAD + timedelta(minutes=1)])
    async def test_a_time_out_of_bounds_is_refused(self, post: Post, off: timedelta) -> None:
        moment = (clock.now() + off).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (await post.refusal(post.headers(moment=moment))).startswith("signed_")
        assert post.asked() == 0

    async def test_the_last_repetition_of_paypals_three_days_still_counts(self, post: Post) -> None:
        moment = (clock.now() - timedelta(days=3)).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert (await post.provider.read_webhook(post.headers(moment=moment), BODY)).event_id == "WH-1"

    @pytest.mark.parametrize(
        "body", [b"", b"[]", b"null", b"{", b'{"id": 1, "event_type": "x"}', b"\xff", b"[" * 50_000]
    )
    async def test_what_is_no_event_is_refused_although_signed(self, post: Post, body: bytes) -> None:
        assert await post.refusal(post.headers(body), body) == "malformed_body"

    async def test_what_we_do_not_act_on_is_no_known_event(self, post: Post) -> None:
        for content in (
            {"id": "WH-2", "event_type": "BILLING.PLAN.CREATED", "resource": {"id": "P1"}},
            {"id": "WH-3", "event_type": "PAYMENT.CAPTURE.COMPLETED", "resource": {"id": "../../x"}},
            {"id": "WH-4", "event_type": "PAYMENT.CAPTURE.COMPLETED"},
        ):
            body = json.dumps(content).encode()
            event = await post.provider.read_webhook(post.headers(body), body)
            assert (event.is_known, event.object_ref) == (False, None)

    async def test_the_simulator_is_believed_by_test_accounts_outside_production_only(
        self, post: Post, paypal_side: Runtime, practice: TenantContext, account: PaymentAccount
    ) -> None:
        headers = post.headers(webhook_id="WEBHOOK_ID")
        assert (await post.provider.read_webhook(headers, BODY)).event_id == "WH-1"
        access = await load_access(paypal_side, practice, "paypal", account.id)
        live = PayPalProvider(paypal_side, replace(access, mode=PaymentMode.LIVE))
        strict = PayPalProvider(paypal_side, replace(access, webhook_ref="WEBHOOK_ID"))
        for one in (live, strict):
            with pytest.raises(InvalidSignatureError):
                await one.read_webhook(headers, BODY)


class TestChecksum:
    async def test_another_body_with_the_same_checksum_passes_the_signature(self, post: Post) -> None:
        # That is PayPal's weakness, and why nothing in an event is believed; test_paying holds what comes of it.
        forged = with_checksum_of(BODY, BODY.replace(b"COMPLETED", b"DENIED"))
        assert forged != BODY
        event = await post.provider.read_webhook(post.headers(), forged)
        assert event.event_type == "PAYMENT.CAPTURE.DENIED"


def with_checksum_of(genuine: bytes, other: bytes) -> bytes:
    """``other`` padded with blanks and tabs so that its CRC32 is that of ``genuine``."""
    places = 64
    base = other + b" " * places
    wanted = zlib.crc32(genuine) ^ zlib.crc32(base)
    # What each place changes in the checksum when its blank becomes a tab.
    pivots: dict[int, tuple[int, int]] = {}
    for place in range(places):
        changed = bytearray(base)
        changed[len(other) + place] = 9
        effect, used = zlib.crc32(changed) ^ zlib.crc32(base), 1 << place
        while effect:
            top = effect.bit_length()
            if top not in pivots:
                pivots[top] = (effect, used)
                break
            effect, used = effect ^ pivots[top][0], used ^ pivots[top][1]
    used = 0
    while wanted:
        effect, by = pivots[wanted.bit_length()]
        wanted, used = wanted ^ effect, used ^ by
    padded = bytearray(base)
    for place in range(places):
        if used >> place & 1:
            padded[len(other) + place] = 9
    assert zlib.crc32(padded) == zlib.crc32(genuine)
    return bytes(padded)


class TestCertificateAddress:
    @pytest.mark.parametrize(
        "url",
        [
            "http://api.paypal.com{path}",
            "https://evil.example.com{path}",
            "https://api.paypal.com.evil.example.com{path}",
            "https://evil.example.com/?x=https://api.paypal.com{path}",
            "https://api.paypal.com@evil.example.com{path}",
            "https://user@api.paypal.com{path}",
            "https://api.paypal.com:8443{path}",
            "https://api.paypal.com:443{path}",
            "https://API.paypal.com{path}",
            "https://api.paypal.com./v1/notifications/certs/CERT-1",
            "https://api.paypal.com/v1/notifications/certs/../../x",
            "https://api.paypal.com/v1/notifications/certs/CERT-1/x",
            "https://api.paypal.com{path}?a=b",
            "https://api.paypal.com{path}#a",
            "https://api.paypal.com{path}\n",
            "https://www.paypal.com{path}",
            "https://api.sandbox.paypal.com{path}",
            "https://[::1{path}",
            "//api.paypal.com{path}",
            "file://api.paypal.com{path}",
            "",
            "https://api.paypal.com/v1/notifications/certs/" + "A" * 600,
        ],
    )
    def test_only_paypals_own_hosts_of_the_mode_are_asked(self, url: str) -> None:
        assert not Trust.public(PaymentMode.LIVE).allows(url.replace("{path}", CERTIFICATE))

    def test_each_mode_has_its_hosts(self) -> None:
        live, test = Trust.public(PaymentMode.LIVE), Trust.public(PaymentMode.TEST)
        for host in ("api.paypal.com", "api-m.paypal.com"):
            assert live.allows(f"https://{host}{CERTIFICATE}")
            assert not test.allows(f"https://{host}{CERTIFICATE}")
        for host in ("api.sandbox.paypal.com", "api-m.sandbox.paypal.com"):
            assert test.allows(f"https://{host}{CERTIFICATE}")

    async def test_another_host_is_never_asked(self, post: Post, paypal_server: PayPalServer) -> None:
        other = paypal_server.url.replace("127.0.0.1", "localhost")
        assert await post.refusal(post.headers(at=other)) == "certificate_address"
        assert post.asked() == 0


class TestCertificate:
    def trust(self, signer: Signer) -> Trust:
        from cryptography import x509

        root = x509.load_pem_x509_certificate(signer.ca_pem)
        return Trust("https", frozenset({"api.paypal.com"}), lambda _served: [root])

    def refusal(self, signer: Signer, trust: Trust | None = None, pem: bytes | None = None) -> str:
        with pytest.raises(UntrustedCertificateError) as caught:
            read_certificate(pem if pem is not None else signer.certificate_pem, trust or self.trust(signer))
        return caught.value.code

    def test_one_below_a_root_that_we_know_with_a_name_of_paypals_is_good(self) -> None:
        signer = Signer()
        key = read_certificate(signer.certificate_pem, self.trust(signer))
        assert key.good_from < clock.now() < key.good_until

    def test_one_that_is_over_is_not(self) -> None:
        assert self.refusal(Signer(valid_for=timedelta(days=-1))) == "certificate_over"

    @pytest.mark.parametrize(
        "name", ["certs.example.com", "paypal.com.example.com", "evilpaypal.com", "127.0.0.1", "*.paypal.com"]
    )
    def test_one_for_another_name_is_not(self, name: str) -> None:
        assert self.refusal(Signer(subject=name)) == "certificate_name"

    def test_one_of_another_authority_is_not(self) -> None:
        assert self.refusal(Signer(ca="nobody"), self.trust(Signer())) == "certificate_chain"

    def test_the_public_roots_are_there(self) -> None:
        assert len(Trust.public(PaymentMode.LIVE).roots_of([])) > 50

    def test_one_that_nobody_public_vouches_for_is_not(self) -> None:
        assert self.refusal(Signer(), Trust.public(PaymentMode.LIVE)) == "certificate_chain"

    @pytest.mark.parametrize("pem", [b"", b"x", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
    def test_what_is_none_is_not(self, pem: bytes) -> None:
        assert self.refusal(Signer(), pem=pem) == "certificate_unreadable"

    def test_a_long_chain_is_not(self) -> None:
        signer = Signer()
        assert self.refusal(signer, pem=signer.certificate_pem * 6) == "certificate_unreadable"


class TestFetching:
    @pytest.mark.parametrize("signer", [Signer(subject="certs.example.com"), Signer(valid_for=timedelta(days=-1))])
    async def test_a_bad_certificate_is_refused_and_not_asked_for_again(
        self, post: Post, paypal_server: PayPalServer, signer: Signer
    ) -> None:
        paypal_server.world.signer = signer
        codes = {await post.refusal(post.headers()) for _ in range(3)}
        assert codes <= {"certificate_name", "certificate_over"}
        assert post.asked() == 1

    async def test_no_redirect_is_followed(self, post: Post, paypal_server: PayPalServer) -> None:
        paypal_server.certificate_answer = (302, b"", {"Location": f"{paypal_server.url}{CERTIFICATE}"})
        assert await post.refusal(post.headers()) == "certificate_not_there"
        assert post.asked() == 1

    async def test_a_huge_answer_is_not_read_to_its_end(self, post: Post, paypal_server: PayPalServer) -> None:
        paypal_server.certificate_answer = (200, b"A" * (MAX_BYTES + 1), {})
        assert await post.refusal(post.headers()) == "certificate_too_large"

    async def test_while_paypal_does_not_answer_nothing_is_decided(
        self, post: Post, paypal_server: PayPalServer
    ) -> None:
        paypal_server.certificate_answer = (503, b"", {})
        with pytest.raises(OutcomeUnknownError):
            await post.provider.read_webhook(post.headers(), BODY)

    async def test_many_names_are_not_many_questions(self, post: Post, paypal_server: PayPalServer) -> None:
        paypal_server.certificate_answer = (404, b"", {})
        for number in range(40):
            headers = post.headers() | {"paypal-cert-url": f"{paypal_server.url}{CERTIFICATES_PATH}CERT-{number}"}
            with pytest.raises((InvalidSignatureError, OutcomeUnknownError)):
                await post.provider.read_webhook(headers, BODY)
        assert post.asked() == 30


class TestPayPalsOwnWord:
    @pytest.fixture
    def asking(self, paypal_side: Runtime, post: Post, provider: PayPalProvider) -> Post:
        """Where PayPal may be asked, and the certificate can't be judged here."""
        paypal = paypal_side.settings.providers.paypal.model_copy(update={"asks_about_signatures": True})
        providers = paypal_side.settings.providers.model_copy(update={"paypal": paypal})
        settings = paypal_side.settings.model_copy(update={"providers": providers})
        post.provider = PayPalProvider(replace(paypal_side, settings=settings), provider._access)
        post.server.certificate_answer = (503, b"", {})
        return post

    async def test_it_is_asked_with_the_very_bytes(self, asking: Post) -> None:
        body = b'{ "resource":{"id":"C1","amount":1.0},  "event_type":"PAYMENT.CAPTURE.COMPLETED","id":"WH-1"}'
        assert (await asking.provider.read_webhook(asking.headers(body), body)).object_ref == "C1"
        (asked,) = asking.server.requests(VERIFY_PATH)
        assert asked.raw.endswith(b'"webhook_event": ' + body + b"}")

    async def test_its_no_is_a_no(self, asking: Post) -> None:
        assert await asking.refusal(asking.headers(), BODY.replace(b"C1", b"C2")) == "wrong_signature"

    @pytest.mark.parametrize("body", [b'{}, "webhook_id": "W1"', b'{"a":1}, "verification": {}', b"[1]"])
    async def test_a_body_can_add_nothing_to_the_question(self, asking: Post, body: bytes) -> None:
        assert await asking.refusal(asking.headers(body), body) == "malformed_body"
        assert asking.server.requests(VERIFY_PATH) == []

    async def test_it_is_asked_so_often_and_no_more(self, asking: Post) -> None:
        for _ in itertools.repeat(None, ASKED_A_MINUTE + 5):
            with pytest.raises((InvalidSignatureError, OutcomeUnknownError)):
                await asking.provider.read_webhook(asking.headers(), BODY.replace(b"C1", b"C2"))
        assert len(asking.server.requests(VERIFY_PATH)) == ASKED_A_MINUTE

    async def test_another_host_is_no_question(self, asking: Post) -> None:
        headers = asking.headers(at="https://evil.example.com")
        assert await asking.refusal(headers) == "certificate_address"
        assert asking.server.requests(VERIFY_PATH) == []
