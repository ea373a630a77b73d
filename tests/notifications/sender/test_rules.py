"""Which names and addresses are taken, what is right in DNS, and what settings make sense."""

import pytest
from pydantic import ValidationError

from notifications.sender.addresses import read_address, read_name, shown_domain
from notifications.sender.records import Purpose, Record, RecordState, RecordType, dmarc_record, judge, spf_record
from todoenbalance.kit.errors import InvalidInputError
from todoenbalance.kit.mail_domain_settings import MailDomainSettings
from todoenbalance.kit.settings import Settings

SPF = spf_record("nuria.example", "_spf.mail.example")


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Of a platform with domains of its own."""
    mail = settings.mail.model_copy(update={"sender_address": "hello@mail.balance.example", "sender_name": "Bálance"})
    return settings.model_copy(update={"base_domain": "app.balance.example", "mail": mail})


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("Citas@Nuria.Example", "citas@nuria.example"),
        (" hola.qué@nuria.example", None),
        ("a+b_c@sub.nuria.example", "a+b_c@sub.nuria.example"),
        ("citas@ñúria.example", "citas@xn--ria-6ma9b.example"),
        ("citas@NÚRIA。example", "citas@xn--nria-qra.example"),
        ("citas@straße.example", "citas@xn--strae-oqa.example"),
    ],
)
def test_addresses_travel_in_one_form(given: str, address: str | None, settings: Settings) -> None:
    if address is None:
        with pytest.raises(InvalidInputError):
            read_address(given, settings)
        return
    assert read_address(given, settings)[0] == address
    assert address.isascii()
    # Once more changes nothing, and its owner recognises it.
    shown = f"{address.partition('@')[0]}@{shown_domain(address.partition('@')[2])}"
    assert read_address(shown, settings) == (address, address.partition("@")[2])


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("nuria@gmail.com", "sender_domain_free"),
        ("nuria@HOTMAIL.es", "sender_domain_free"),
        ("citas@balance.example", "sender_domain_platform"),  # above the platform's: its records would be ours to fear
        ("citas@app.balance.example", "sender_domain_platform"),
        ("citas@nuria.app.balance.example", "sender_domain_platform"),
        ("citas@MAIL.balance.example", "sender_domain_platform"),
        ("citas@example", "sender_address_malformed"),
        ("citas@127.0.0.1", "sender_address_malformed"),
        ("citas@[127.0.0.1]", "sender_address_malformed"),
        ("citas@nuria.example\r\nBcc: all@nuria.example", "sender_address_malformed"),
        ("citas\n@nuria.example", "sender_address_malformed"),
        ('"a b"@nuria.example', "sender_address_malformed"),
        ("a<b@nuria.example", "sender_address_malformed"),
        ("a..b@nuria.example", "sender_address_malformed"),
        ("citas@nuria..example", "sender_address_malformed"),
        ("citas@-nuria.example", "sender_address_malformed"),
        ("citas@nu_ria.example", "sender_address_malformed"),
        ("citas@*.example", "sender_address_malformed"),
        (f"citas@{'a.' * 110}example", "sender_address_malformed"),
        (f"{'a' * 65}@nuria.example", "sender_address_malformed"),
        ("@nuria.example", "sender_address_malformed"),
        ("nuria.example", "sender_address_malformed"),
    ],
)
def test_addresses_that_are_refused(given: str, kind: str, settings: Settings) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_address(given, settings)
    assert refused.value.errors[0]["type"] == kind


def test_what_only_looks_like_the_platforms_domain_is_somebody_elses(settings: Settings) -> None:
    assert read_address("citas@notbalance.example", settings)[1] == "notbalance.example"


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ("Nuria\r\nBcc: all@nuria.example", "sender_name_malformed"),
        ("help@bank.example", "sender_name_malformed"),
        ("Nuria \u202eesrever", "sender_name_malformed"),
        ("Nu\u200bria", "sender_name_malformed"),
        ("Balance", "sender_name_platform"),
        ("Soporte de B A L Á N C E", "sender_name_platform"),
        ("ｂａｌａｎｃｅ", "sender_name_platform"),
    ],
)
def test_names_that_are_refused(given: str, kind: str, settings: Settings) -> None:
    with pytest.raises(InvalidInputError) as refused:
        read_name(given, settings)
    assert refused.value.errors[0]["type"] == kind


def test_a_name_is_one_line(settings: Settings) -> None:
    assert read_name("  Clínica «Núñez»,\n Madrid ", settings) == "Clínica «Núñez», Madrid"


@pytest.mark.parametrize(
    ("values", "state", "value"),
    [
        ([], RecordState.MISSING, "v=spf1 include:_spf.mail.example ~all"),
        (["google-site-verification=x"], RecordState.MISSING, "v=spf1 include:_spf.mail.example ~all"),
        (["x", "v=spf1 mx include:_spf.mail.example -all"], RecordState.OK, "v=spf1 mx include:_spf.mail.example -all"),
        (["V=SPF1 +INCLUDE:_spf.mail.example"], RecordState.OK, "V=SPF1 +INCLUDE:_spf.mail.example"),
        (["v=spf1 mx -all"], RecordState.WRONG, "v=spf1 include:_spf.mail.example mx -all"),
        (["v=spf10 include:_spf.mail.example"], RecordState.MISSING, "v=spf1 include:_spf.mail.example ~all"),
        (["v=spf1 -include:_spf.mail.example"], RecordState.WRONG, None),
        # Two records are none (RFC 7208, 4.5).
        (["v=spf1 include:_spf.mail.example", "v=spf1 mx"], RecordState.WRONG, "v=spf1 include:_spf.mail.example"),
    ],
)
def test_spf_is_put_into_the_record_that_is_there(values: list[str], state: RecordState, value: str | None) -> None:
    judged = judge(SPF, values)
    assert judged.state is state
    assert value is None or judged.value == value
    # What is asked for is what will be right.
    assert state is not RecordState.MISSING or judge(SPF, [judged.value]).state is RecordState.OK
    assert Record.from_json(judged.to_json()) == judged


def test_other_records() -> None:
    cname = Record(Purpose.DKIM, RecordType.CNAME, "s1._domainkey.nuria.example", "key.mail.example")
    assert judge(cname, ["KEY.mail.example."]).state is RecordState.OK
    assert judge(cname, ["mail.example"]).state is RecordState.WRONG
    assert judge(cname, []).state is RecordState.MISSING
    assert judge(cname, None).state is RecordState.UNKNOWN
    dmarc = dmarc_record("nuria.example")
    assert judge(dmarc, ["v=DMARC1;p=reject"]).state is RecordState.OK
    assert judge(dmarc, ["v=DMARC1; p=none", "v=DMARC1; p=none"]).state is RecordState.WRONG
    assert judge(dmarc, ["v=spf1 -all"]).state is RecordState.MISSING
    assert not dmarc.is_required
    assert len(judge(cname, ["x" * 400] * 20).found or "") == 500


def test_settings() -> None:
    chosen = MailDomainSettings(resolvers="10.0.0.2, 10.0.0.3:5353,[::1]:5354, ::1")
    assert chosen.nameservers == [("10.0.0.2", 53), ("10.0.0.3", 5353), ("::1", 5354), ("::1", 53)]
    for wrong in (
        {"dkim_selector": "s1"},
        {"dkim_target": "key.mail.example"},
        {"resolvers": "dns.example"},
        {"resolvers": "10.0.0.2:x"},
        {"dkim_selector": "s1.x", "dkim_target": "key.mail.example"},
    ):
        with pytest.raises(ValidationError):
            MailDomainSettings.model_validate(wrong)
