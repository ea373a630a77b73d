"""What practices write is data: it may say what is declared, and can do nothing else."""

import time
from dataclasses import replace
from typing import Any

import pytest

from notifications.formats import LANGUAGES
from notifications.look import Look, contrast
from notifications.overrides.builtin import builtin_draft
from notifications.overrides.problems import TemplateRefusedError
from notifications.overrides.sandbox import BODY_MOST, Draft, check, write
from notifications.overrides.syntax import to_jinja
from notifications.overrides.variables import OverridableKind, find_kind, overridable_kinds
from notifications.rendering import Rendered, render_mail
from tests.support.mails import assert_speaks

NAME = "Nutrición Nora"
NOWHERE = (
    "template_too_long",
    "template_syntax",
    "template_too_deep",
    "template_link",
    "template_number",
    "template_failed",
)
"""Troubles whose line is not known, or not the line where it begins."""
LOOK = Look.of("#1f6f54")
SUBJECT = "Tu cita: {{ service }}"
BODY = "Hola:\n\n{{ appointment_details }}\n{{ appointment_actions }}\n"


def reminder() -> OverridableKind:
    found = find_kind("appointment_reminder")
    assert found is not None
    return found


def refused(body: str, subject: str = SUBJECT) -> list[tuple[str, str, int | None]]:
    with pytest.raises(TemplateRefusedError) as refusal:
        check(Draft(subject, body), reminder(), "es", NAME)
    for trouble in refusal.value.troubles:
        assert trouble.sentence("es") != trouble.sentence("en")
    return [(one.part, one.code, one.line) for one in refusal.value.troubles]


def written(body: str, subject: str = SUBJECT, **changed: Any) -> Rendered:
    values = next(reminder().examples("es")) | changed
    return write(Draft(subject, body), reminder(), "es", NAME, values, LOOK)


def without_gaps(mail: Rendered) -> Rendered:
    return replace(mail, html="\n".join(line for line in mail.html.splitlines() if line))


def test_a_practice_begins_with_our_words_and_they_make_our_mail() -> None:
    for kind in overridable_kinds():
        for language in LANGUAGES:
            draft = builtin_draft(kind.kind, language)
            assert "filter" not in draft.body
            assert "import" not in draft.body
            first, *_rest = check(draft, kind, language, NAME)
            assert_speaks(
                language, first, NAME, "Ana Gil", "Leo Gil", "Nora Vidal", "Primera visita", "Bono de 5 sesiones"
            )
            for values in kind.examples(language):
                own = write(draft, kind, language, NAME, values, Look.of(None))
                ours = render_mail(kind.kind, language, NAME, values)
                assert without_gaps(own) == without_gaps(ours), (kind.kind, language, values)


def test_paragraphs_rows_and_lines_of_their_own() -> None:
    mail = written(
        "Querida {{ first_name }}:\n\nTe esperamos\nen la calle Mayor.\n"
        "- Día: {{ when.day }}\n- Hora: {{ when.time }} ({{ when.zone }})\n- Para: {{ for_whom }}, menor\n"
        '{% if price %}\nTrae {{ price }}.\n{% endif %}\n{{ button(cancel_url, "Cancelar") }}',
        for_whom=None,
    )
    assert mail.text.startswith(
        "Querida Ana:\n\nTe esperamos\nen la calle Mayor.\n\nDía: martes, 3 de marzo de 2026\n"
        "Hora: 10:30–11:15 (hora de Madrid, UTC+1)\n\nTrae 45,00\xa0€.\n\nCancelar:\nhttps://nora.example.com/a/example-cancel\n"
    )
    assert "Te esperamos<br>\nen la calle Mayor.</p>" in mail.html
    assert "Para" not in mail.text + mail.html
    assert mail.html.count("<table") == mail.html.count("</table>")


def test_a_template_has_the_lines_that_were_typed() -> None:
    typed = "Hola:\n\n- Día: {{ when.day }}\n- Hora: {{ when.time }}\n\n{{ button(\n  cancel_url,\n  'x') }}\nAdiós\n"
    assert len(to_jinja(typed).split("\n")) == len(typed.split("\n"))


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("{{ servce }}", "template_unknown_variable"),
        ("{{ when.dy }}", "template_unknown_part"),
        ("{{ when }}", "template_no_words"),
        ("{{ refund_steps }}", "template_no_words"),
        ("{{ service", "template_syntax"),
        ("{% if price %}", "template_syntax"),
        ("Mira {{ appointment_details }} aquí", "template_not_alone"),
        ("Pulsa {{ button(cancel_url, 'x') }}", "template_not_alone"),
        ("{{ button('javascript:alert(1)', 'x') }}", "template_link"),
        ("{{ button('data:text/html,x', 'x') }}", "template_link"),
        ("{{ link('mailto:a@b.c') }}", "template_link"),
        ("Dos: {{ link(service) }}", ""),
        ("{{ button(service, 'x') }}", "template_link"),
        ("{{ links([('x', service)]) }}", "template_link"),
        # ways out and ways to work for ever
        ("{% include 'es/client_password_reset.jinja' %}", "template_not_allowed"),
        ("{% import 'es/appointment_facts.jinja' as f %}", "template_not_allowed"),
        ("{% from 'x' import y %}", "template_not_allowed"),
        ("{% extends 'layout.html.jinja' %}", "template_not_allowed"),
        ("{% block body %}x{% endblock %}", "template_not_allowed"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "template_not_allowed"),
        ("{% call button() %}x{% endcall %}", "template_not_allowed"),
        ("{% set x = service %}", "template_not_allowed"),
        ("{% with x = service %}{{ x }}{% endwith %}", "template_not_allowed"),
        ("{% autoescape false %}{{ service }}{% endautoescape %}", "template_not_allowed"),
        ("{% filter upper %}x{% endfilter %}", "template_not_allowed"),
        ("{% for i in range(9999999) %}x{% endfor %}", "template_not_allowed"),
        ("{% for s in refund_steps recursive %}x{% endfor %}", "template_not_allowed"),
        ("{% for a in refund_steps %}{% for b in refund_steps %}x{% endfor %}{% endfor %}", "template_not_allowed"),
        ("{% for c in service %}x{% endfor %}", "template_not_allowed"),
        ("{{ service * 1000000000 }}", "template_not_allowed"),
        ("{{ 10 ** 1000000000 }}", "template_not_allowed"),
        ("{{ '%1000000000d' % 1 }}", "template_not_allowed"),
        ("{{ service | center(1000000000) }}", "template_not_allowed"),
        ("{{ service | replace('a', 'aaaaaaaaaa') }}", "template_not_allowed"),
        ("{{ service | safe }}", "template_not_allowed"),
        ("{{ service | attr('__class__') }}", "template_not_allowed"),
        ("{{ service is string }}", "template_not_allowed"),
        ("{{ service.__class__ }}", "template_not_allowed"),
        ("{{ when.__class__.__mro__ }}", "template_unknown_part"),
        ("{{ service['__class__'] }}", "template_not_allowed"),
        ("{{ service.format(1) }}", "template_not_allowed"),
        ("{{ button.__globals__ }}", "template_not_allowed"),
        ("{{ button }}", "template_not_allowed"),
        ("{{ self }}", "template_unknown_variable"),
        ("{{ cycler('a') }}", "template_not_allowed"),
        ("{{ namespace() }}", "template_not_allowed"),
        ("{{ lipsum(n=9999) }}", "template_not_allowed"),
        ("{{ (" + "(" * 3000 + "1" + ")" * 3000 + ") }}", "template_too_deep"),
        ("{{ " + "not " * 300 + "price }}", "template_too_deep"),
        ("{% if price %}" * 60 + "x" + "{% endif %}" * 60, "template_too_deep"),
        ("x" * BODY_MOST, "template_too_long"),
        ("a\x07b", "template_control_character"),
        ("a\u202eb", "template_control_character"),
        # words that no mail can hold, typed as escapes
        ('{{ "\\ud800" }}', "template_control_character"),
        ('{{ price | default("a\\x00b") }}', "template_control_character"),
        ('{{ "\\u202e" ~ service }}', "template_control_character"),
        # what the language itself can't read or write
        ("{{ " + "1" * 5000 + " }}", "template_number"),
        ("{{ 0x" + "f" * 5000 + " }}", "template_number"),
        ("{{ 1e999 }}", "template_number"),
        ("{% for loop in refund_steps %}x{% endfor %}", "template_syntax"),
        ("{{ {} | last }}", "template_failed"),
        ("{{ {[]: 1}.get(service) }}", "template_failed"),
        # the end of a tag of ours, and what comes after it within the tag
        ("{{ ('x' ~ link('https://a.example'))|trim('</a>elpmx.:htps') }} onclick=\"x\"", "template_not_allowed"),
    ],
)
def test_a_wrong_line_is_named(line: str, code: str) -> None:
    body = f"{BODY}\n{line}\n"
    if not code:
        assert check(Draft(SUBJECT, body), reminder(), "es", NAME)
        return
    found = refused(body)
    assert code in {one for _part, one, _line in found}, found
    if "autoescape" not in line and code not in NOWHERE:
        assert ("body", code, 6) in found


def test_all_that_is_wrong_is_said_at_once_with_a_guess() -> None:
    with pytest.raises(TemplateRefusedError) as refusal:
        check(Draft("{{ servicio }}", f"{BODY}{{{{ practicioner }}}}\n"), reminder(), "es", NAME)
    sentences = [one.sentence("es") for one in refusal.value.troubles]
    assert sentences == [
        "Línea 1: En este correo no hay ninguna variable «servicio». ¿Querías decir «service»?",
        "Línea 5: En este correo no hay ninguna variable «practicioner». ¿Querías decir «practitioner»?",
    ]


def test_a_reminder_keeps_the_way_out_whatever_the_values_are() -> None:
    assert refused("{{ appointment_details }}\n") == [("body", "template_missing", None)]
    assert refused("{{ appointment_actions }}\n") == [("body", "template_missing", None)]
    hidden = "{{ appointment_details }}\n{% if price %}\n{{ appointment_actions }}\n{% endif %}\n"
    assert refused(hidden) == [("body", "template_missing", None)]
    assert refused(BODY, subject="{% if price %}x{% endif %}") == [("subject", "template_empty", None)]


def test_markup_that_is_typed_is_words() -> None:
    mail = written(f'{BODY}<a href="javascript:x">Hola & <b>adiós</b></a><img src=x onerror=y>\n', service="<i>&")
    assert '<a href="javascript:x">Hola & <b>adiós</b></a>' in mail.text
    assert '&lt;a href="javascript:x"&gt;Hola &amp; &lt;b&gt;adiós&lt;/b&gt;&lt;/a&gt;&lt;img' in mail.html
    assert "&lt;i&gt;&amp;" in mail.html
    assert "<i>" not in mail.html


def test_a_subject_is_one_line_without_control_characters() -> None:
    mail = written(BODY, "Cita\r\nBcc: all@example.com {{ service }}", service="a\r\nX-Evil: 1\u2028\x00")
    assert mail.subject == "Cita Bcc: all@example.com a X-Evil: 1"


def test_the_costliest_that_is_let_through_is_cheap() -> None:
    loop = "{% for s in refund_steps %}{{ s.until.day | upper | title | trim }}{% endfor %}"
    costly = BODY + loop * ((BODY_MOST - len(BODY)) // len(loop))
    check(Draft(SUBJECT, costly), reminder(), "es", NAME)  # compiled
    begun = time.process_time()
    with_many = written(BODY + loop, refund_steps=next(reminder().examples("es"))["refund_steps"] * 100)
    assert len(with_many.html) < 30_000
    assert time.process_time() - begun < 2
    with pytest.raises(TemplateRefusedError) as refusal:
        written(costly, refund_steps=next(reminder().examples("es"))["refund_steps"] * 200)
    assert refusal.value.troubles[0].code == "template_too_much"


@pytest.mark.parametrize(
    "typed",
    [
        "- a: x" + " " * 19_000 + "y",
        "- a: x" + "{{" * 9_500,
        "{%\n" * 6_500,
        "{#\n" * 6_500 + "#}x",
        "{{button\n" * 2_000,
    ],
)
def test_what_is_typed_to_be_read_for_ever_is_read_at_once(typed: str) -> None:
    begun = time.process_time()
    to_jinja(typed)
    assert time.process_time() - begun < 0.2


def test_a_comment_may_go_over_lines_and_around_what_stands_alone() -> None:
    mail = written(f"{BODY}\nUno {{# dos\n{{{{ button(cancel_url, 'tres') }}}}\n#}} cuatro\n")
    assert "Uno  cuatro" in mail.text
    assert "tres" not in mail.text


@pytest.mark.parametrize("colour", ["#ffffff", "#000000", "#ffee00", "#1f6f54", "#7f7f7f", "#ff0000"])
def test_a_practices_colour_can_be_read_on_every_ground(colour: str) -> None:
    look = Look.of(colour)
    assert look.accent == colour
    assert contrast(look.accent, look.on_accent) >= 4.5
    assert contrast(look.text, "#ffffff") >= 4.5
    assert contrast(look.dark_text, "#1b2621") >= 4.5
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
