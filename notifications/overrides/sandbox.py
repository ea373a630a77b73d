"""Mails that practices wrote: what they may use, and writing them without trust.

Three walls. The checks let through an allow-list of the template language in which the work is bounded by the length
of what was written (no calculation that repeats text, no assignment, no loop within a loop, no filter that grows).
The environment is Jinja's immutable sandbox, which forbids internals should a check be wrong. And what comes out is
counted while it is written, by size and time.
"""

import difflib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from html import escape as html_escape
from typing import Any

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, nodes
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from markupsafe import Markup

from notifications import blocks
from notifications.blocks import drawn_with, is_web_address
from notifications.formats import language_of
from notifications.look import Look
from notifications.overrides.problems import Part, TemplateRefusedError, Trouble
from notifications.overrides.syntax import JOINED, PARAGRAPH, STANDALONE, to_jinja
from notifications.overrides.variables import PARTS, PARTS_OF_EACH, OverridableKind, Shape, Variable
from notifications.rendering import Rendered, frame, install_blocks, paragraph_filter, render_expression

SUBJECT_MOST, BODY_MOST = 200, 20_000
"""Characters that a practice may write."""
OUTPUT_MOST = 200_000
"""Characters of a body. Gmail cuts a mail off at about a hundred kilobytes."""
SECONDS_MOST = 2.0
NUMBER_MOST = 10**9
"""Python does not write numbers of any length."""
_DEPTH_MOST = 25
_FILTERS = frozenset({"upper", "lower", "capitalize", "title", "trim", "length", "first", "last", "default", "d"})
_TESTS = frozenset({"defined", "undefined", "none", "true", "false"})
_FUNCTIONS = frozenset({*STANDALONE, "link"})
_LOOP = ("first", "last", "index")
_OPERATORS = (nodes.And, nodes.Or, nodes.Not, nodes.Compare, nodes.Operand, nodes.CondExpr, nodes.Concat)
_PLAIN = (
    nodes.Template,
    nodes.Output,
    nodes.TemplateData,
    nodes.If,
    nodes.List,
    nodes.Tuple,
    nodes.Dict,
    nodes.Pair,
    *_OPERATORS,
)
_INVISIBLE = frozenset(
    chr(code) for code in (*range(9), 11, 12, *range(14, 32), 127, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A mail as a practice wrote it."""

    subject: str
    body: str


class _LinkError(Exception):
    """A link that leads elsewhere than to a page."""


# ---- checks


class _Checks:
    """Walks one part's syntax tree and notes what may not be there."""

    def __init__(self, part: Part, kind: OverridableKind) -> None:
        self.part: Part = part
        self.kind = kind
        self.troubles: list[Trouble] = []
        self._blocks = frozenset(one.name for one in kind.blocks) if part == "body" else frozenset()

    def note(self, node: nodes.Node, code: str, **arguments: Any) -> None:
        """Something is wrong there."""
        self.troubles.append(Trouble(self.part, code, node.lineno, arguments))

    def walk(self, node: nodes.Node, scope: Mapping[str, Variable | str], depth: int, *, inline: bool) -> None:
        """``scope``: names of a loop's own. ``inline``: inside of a paragraph (or the subject)."""
        if depth > _DEPTH_MOST:
            self.note(node, "template_too_deep")
            return
        inner, within = scope, inline
        children: Iterable[nodes.Node] = node.iter_child_nodes()
        if isinstance(node, nodes.For):
            inner, children = self._loop(node, scope)
        elif isinstance(node, nodes.FilterBlock):
            within = True
            children = node.body
            if node.filter.name != PARAGRAPH or node.filter.node is not None:
                self.note(node, "template_not_allowed", what="filter")
        elif isinstance(node, nodes.Filter):
            # What is to be trimmed away could be the end of a tag of ours: only blanks are.
            if node.name not in _FILTERS or (node.name == "trim" and node.args):
                self.note(node, "template_not_allowed", what=f"| {node.name}")
        elif isinstance(node, nodes.Test):
            if node.name not in _TESTS:
                self.note(node, "template_not_allowed", what=f"is {node.name}")
        elif isinstance(node, nodes.Call):
            children = self._call(node, inline=inline)
        elif isinstance(node, nodes.Getattr | nodes.Getitem):
            children = self._part_of(node, scope)
        elif isinstance(node, nodes.Name):
            self._name(node, scope, inline=inline)
        elif isinstance(node, nodes.Const):
            self._constant(node)
        elif not isinstance(node, _PLAIN):
            self.note(node, "template_not_allowed", what=type(node).__name__.lower())
            return
        if isinstance(node, nodes.Output):
            self._words_of(node, scope)
        for child in children:
            self.walk(child, inner, depth + 1, inline=within)

    def _loop(
        self, node: nodes.For, scope: Mapping[str, Variable | str]
    ) -> tuple[Mapping[str, Variable | str], list[nodes.Node]]:
        """A loop goes over one of the lists, and has none inside."""
        known = self.kind.names.get(node.iter.name) if isinstance(node.iter, nodes.Name) else None
        is_list = known is not None and known.shape in PARTS_OF_EACH
        if not is_list or not isinstance(node.target, nodes.Name) or node.recursive or "loop" in scope:
            self.note(node, "template_not_allowed", what="for")
            return scope, []
        assert known is not None  # noqa: S101 - said above
        inner = {**scope, node.target.name: known, "loop": "loop"}
        tests = [node.test] if node.test is not None else []
        return inner, [*tests, *node.body, *node.else_]

    def _call(self, node: nodes.Call, *, inline: bool) -> list[nodes.Node]:
        given: list[nodes.Node] = list(node.args)
        if node.kwargs or node.dyn_args is not None or node.dyn_kwargs is not None:
            self.note(node, "template_not_allowed", what="*")
        called = node.node
        if isinstance(called, nodes.Getattr) and called.attr == "get" and isinstance(called.node, nodes.Dict):
            return [called.node, *given]
        name = called.name if isinstance(called, nodes.Name) else "()"
        if name == JOINED:
            return given
        if name not in _FUNCTIONS:
            self.note(node, "template_not_allowed", what=f"{name}()")
        elif inline and (name in STANDALONE or self.part == "subject"):
            self.note(
                node, "template_not_alone" if self.part == "body" else "template_not_allowed", name=name, what=name
            )
        elif given and isinstance(given[0], nodes.Const) and not is_web_address(given[0].value):
            self.note(node, "template_link")
        return given

    def _part_of(self, node: nodes.Getattr | nodes.Getitem, scope: Mapping[str, Variable | str]) -> list[nodes.Node]:
        """``when.day``, ``dates[0].day``, ``loop.last``: the parts that there are."""
        if isinstance(node, nodes.Getitem):
            if (
                not isinstance(node.arg, nodes.Const)
                or not isinstance(node.arg.value, int)
                or not isinstance(node.node, nodes.Name)
            ):
                self.note(node, "template_not_allowed", what="[…]")
            return [node.node]
        name, known = self._parts_known(node.node, scope)
        if known and node.attr not in known:
            self.note(node, "template_unknown_part", name=name, part=node.attr, known=", ".join(known))
        elif not known and name is not None:
            self.note(node, "template_not_allowed", what=f"{name}.{node.attr}")
        return [node.node]

    def _parts_known(self, node: nodes.Node, scope: Mapping[str, Variable | str]) -> tuple[str | None, tuple[str, ...]]:
        """What a node is called and which parts it has; no name: it is noted elsewhere."""
        if isinstance(node, nodes.Name):
            found = scope.get(node.name)
            if found == "loop":
                return node.name, _LOOP
            if isinstance(found, Variable):
                return node.name, PARTS_OF_EACH[found.shape]
            variable = self.kind.names.get(node.name)
            if variable is None and node.name not in (*_FUNCTIONS, *self._blocks):
                return None, ()
            return node.name, PARTS.get(variable.shape, ()) if variable else ()
        if isinstance(node, nodes.Getitem) and isinstance(node.node, nodes.Name):
            variable = self.kind.names.get(node.node.name)
            return (node.node.name, PARTS_OF_EACH.get(variable.shape, ())) if variable else (None, ())
        if isinstance(node, nodes.Getattr) and node.attr == "until":
            return "until", PARTS[Shape.WHEN]
        return "…", ()

    def _name(self, node: nodes.Name, scope: Mapping[str, Variable | str], *, inline: bool) -> None:
        name = node.name
        if name in self._blocks:
            if inline:
                self.note(node, "template_not_alone", name=name)
            return
        if name in scope or name in self.kind.names:
            return
        if name in _FUNCTIONS or name == JOINED:
            self.note(node, "template_not_allowed", what=name)
            return
        guess = next(iter(difflib.get_close_matches(name, [*self.kind.names, *self._blocks], 1)), None)
        self.note(node, "template_unknown_variable", name=name, guess=guess)

    def _constant(self, node: nodes.Const) -> None:
        """Words that can be sent, also where they are typed as escapes (``"\\ud800"``); numbers of a usual size."""
        value = node.value
        if isinstance(value, str):
            if not _INVISIBLE.isdisjoint(value) or any("\ud800" <= one <= "\udfff" for one in value):
                self.note(node, "template_control_character")
        elif isinstance(value, int | float) and not abs(value) <= NUMBER_MOST:
            self.note(node, "template_number")

    def _words_of(self, node: nodes.Output, scope: Mapping[str, Variable | str]) -> None:
        """What is printed has to be words: ``{{ when }}`` and ``{{ dates }}`` are none."""
        for child in node.nodes:
            if not isinstance(child, nodes.Name):
                continue
            found = scope.get(child.name) or self.kind.names.get(child.name)
            if not isinstance(found, Variable):
                continue
            known = PARTS_OF_EACH[found.shape] if child.name in scope else PARTS.get(found.shape, ())
            if known:
                words = ", ".join(f"{child.name}.{part}" for part in known)
                self.note(child, "template_no_words", name=child.name, known=words)
            elif found.shape in PARTS_OF_EACH:
                self.note(child, "template_no_words", name=child.name, known=f"{child.name}[0]…")


# ---- environments


def _joined(*pieces: Any) -> str | None:
    """Words around variables: nothing if one of these is missing. Markup stays, the rest is escaped with it."""
    if any(piece is None or piece == "" for piece in pieces):
        return None
    return Markup("").join(pieces) if any(isinstance(piece, Markup) for piece in pieces) else "".join(map(str, pieces))


def _to_pages_only(draw: Callable[..., Any]) -> Callable[..., Any]:
    def drawn(url: Any, *more: Any) -> Any:
        if not is_web_address(url):
            raise _LinkError
        return draw(url, *more)

    return drawn


def _rows_to_pages_only(draw: Callable[..., Any]) -> Callable[..., Any]:
    def drawn(rows: Any) -> Any:
        if any(url and not is_web_address(url) for _label, url in rows):
            raise _LinkError
        return draw(rows)

    return drawn


def _environment(*, html: bool) -> ImmutableSandboxedEnvironment:
    made = ImmutableSandboxedEnvironment(
        autoescape=html,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: "" if value is None else value,
        cache_size=0,
    )
    filters = {name: made.filters[name] for name in _FILTERS}
    made.filters = filters | {PARAGRAPH: paragraph_filter(html=html)}
    made.tests = {name: made.tests[name] for name in _TESTS}
    made.globals = {}
    install_blocks(made, html=html)
    made.globals |= {
        JOINED: _joined,
        "button": _to_pages_only(blocks.html_button if html else blocks.text_button),
        "links": _rows_to_pages_only(blocks.html_links if html else blocks.text_links),
    }
    return made


_text, _html = _environment(html=False), _environment(html=True)


def _parse(source: str, part: Part, kind: OverridableKind) -> nodes.Template:
    """The checked syntax tree. Raises :class:`TemplateRefusedError`."""
    limit = SUBJECT_MOST if part == "subject" else BODY_MOST
    if len(source) > limit:
        raise TemplateRefusedError([Trouble(part, "template_too_long", None, {"limit": limit})])
    for line, words in enumerate(source.split("\n"), 1):
        if not _INVISIBLE.isdisjoint(words):
            raise TemplateRefusedError([Trouble(part, "template_control_character", line)])
    jinja = source if part == "subject" else to_jinja(source, [one.name for one in kind.blocks])
    checks = _Checks(part, kind)
    try:
        tree = _text.parse(jinja)
        checks.walk(tree, {}, 0, inline=part == "subject")
    except TemplateSyntaxError as refusal:
        trouble = Trouble(part, "template_syntax", refusal.lineno, {"reason": _safe_reason(refusal)})
        raise TemplateRefusedError([trouble]) from refusal
    except ValueError as refusal:  # of Python, which does not read numbers of any length either
        raise TemplateRefusedError([Trouble(part, "template_number")]) from refusal
    except RecursionError as refusal:
        raise TemplateRefusedError([Trouble(part, "template_too_deep")]) from refusal
    if checks.troubles:
        raise TemplateRefusedError(sorted(checks.troubles, key=lambda one: one.line or 0))
    return tree


def _safe_reason(refusal: TemplateSyntaxError) -> str:
    """Jinja's reason without the names that this module puts in."""
    reason = (refusal.message or "").replace(PARAGRAPH, "p").partition(" Jinja was looking for")[0]
    return reason[:200]


@lru_cache(maxsize=256)
def _compiled(source: str, part: Part, kind: "_Kept", html: bool) -> Template:
    tree = _parse(source, part, kind.kind)
    if html:
        for data in tree.find_all(nodes.TemplateData):
            data.data = html_escape(
                data.data, quote=False
            )  # what a practice types is words, also where it looks like markup
    environment = _html if html else _text
    try:
        code = environment.compile(tree, name=part, filename=None)
    except TemplateSyntaxError as refusal:  # names that the language keeps for itself are only seen here
        trouble = Trouble(part, "template_syntax", refusal.lineno, {"reason": _safe_reason(refusal)})
        raise TemplateRefusedError([trouble]) from refusal
    except (SyntaxError, MemoryError, RecursionError) as refusal:
        raise TemplateRefusedError([Trouble(part, "template_too_deep")]) from refusal
    return Template.from_code(environment, code, environment.globals)


class _Kept:
    """A kind as a key of the cache."""

    def __init__(self, kind: OverridableKind) -> None:
        self.kind = kind

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kept) and other.kind is self.kind

    def __hash__(self) -> int:
        return id(self.kind)


def _written(source: str, part: Part, kind: OverridableKind, values: Mapping[str, Any], *, html: bool) -> str:
    """Raises :class:`TemplateRefusedError`."""
    pieces: list[str] = []
    size, until = 0, time.monotonic() + SECONDS_MOST
    try:
        template = _compiled(source, part, _Kept(kind), html)  # which writes already what has no variables in it
        for piece in template.root_render_func(template.new_context(dict(values))):
            size += len(piece)
            if size > OUTPUT_MOST or time.monotonic() > until:
                raise TemplateRefusedError([Trouble(part, "template_too_much")])
            pieces.append(piece)
    except _LinkError as refusal:
        raise TemplateRefusedError([Trouble(part, "template_link")]) from refusal
    except UndefinedError as refusal:
        missing = Trouble(part, "template_failed", None, {"reason": "a value is missing"})
        raise TemplateRefusedError([missing]) from refusal
    except (
        SecurityError,
        TemplateError,
        TypeError,
        ValueError,
        AttributeError,
        LookupError,
        ArithmeticError,
    ) as refusal:
        # The exception's own text may quote a value, and values are about people.
        wrong = Trouble(part, "template_failed", None, {"reason": type(refusal).__name__})
        raise TemplateRefusedError([wrong]) from refusal
    return "".join(pieces)


def write(
    draft: Draft, kind: OverridableKind, locale: str, practice_name: str, values: Mapping[str, Any], look: Look
) -> Rendered:
    """The mail with these values. Raises :class:`TemplateRefusedError`, whatever is wrong with it."""
    language = language_of(locale)
    given: dict[str, Any] = {**values, "practice_name": practice_name, "language": language}
    with drawn_with(look):
        subject = _written(draft.subject, "subject", kind, given, html=False)
        bodies = [
            _written(draft.body, "body", kind, given | _blocks(draft, kind, given, html=html), html=html)
            for html in (False, True)
        ]
    if not subject.strip():
        raise TemplateRefusedError([Trouble("subject", "template_empty")])
    if not bodies[0].strip():
        raise TemplateRefusedError([Trouble("body", "template_empty")])
    _check_said(kind, given, " ".join(bodies[0].split()))
    return frame(subject, bodies[0], Markup(bodies[1]), given, look)  # noqa: S704 - escaped by its own environment


def _blocks(draft: Draft, kind: OverridableKind, values: dict[str, Any], *, html: bool) -> dict[str, Any]:
    """The ready-made pieces that the draft names."""
    made = {
        one.name: render_expression(one.expression, values, html=html) for one in kind.blocks if one.name in draft.body
    }
    return {name: Markup(text) for name, text in made.items()} if html else dict(made)  # noqa: S704 - of our own templates


def _check_said(kind: OverridableKind, values: Mapping[str, Any], text: str) -> None:
    """Raises :class:`TemplateRefusedError` if something that the mail must say is not in it."""
    for group in kind.must_say:
        wanted = [found for name in group for found in _values_of(name, values)]
        if wanted and not any(" ".join(str(one).split()) in text for one in wanted):
            raise TemplateRefusedError([Trouble("body", "template_missing", None, {"any_of": list(group)})])


def _values_of(name: str, values: Mapping[str, Any]) -> Iterator[Any]:
    """What a dotted name stands for, if there is something; of a list the last one's, so that none is left out."""
    first, _dot, part = name.partition(".")
    value = values.get(first)
    if isinstance(value, list):
        value = value[-1] if value else None
    if value is not None and value != "":
        yield getattr(value, part) if part else value


def check(draft: Draft, kind: OverridableKind, language: str, practice_name: str) -> list[Rendered]:
    """Every example written with it; the first one has everything. Raises :class:`TemplateRefusedError`."""
    troubles: list[Trouble] = []
    parts: tuple[tuple[Part, str], ...] = (("subject", draft.subject), ("body", draft.body))
    for part, source in parts:
        try:
            _parse(source, part, kind)
        except TemplateRefusedError as refusal:
            troubles += refusal.troubles
    if troubles:
        raise TemplateRefusedError(troubles)
    look = Look.of(None)
    return [write(draft, kind, language, practice_name, values, look) for values in kind.examples(language)]
