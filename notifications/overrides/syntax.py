"""How a practice writes a mail: paragraphs between blank lines, tables as lists, and what stands on a line of its own.

::

    Hola, {{ first_name }}:

    Te esperamos.
    - Día: {{ when.day }}
    - Hora: {{ when.time }} ({{ when.zone }})
    {{ button(appointment_url, "Ver la cita") }}

:func:`to_jinja` makes the template of it line by line, so that an error's line is the line that was typed.
:func:`from_builtin` writes our own templates that way, so that a practice begins with them.
"""

import re
from collections.abc import Iterator, Sequence

PARAGRAPH = "_paragraph"
"""The filter around a paragraph. Its name can't be typed: the checks refuse it, and every filter of that use."""
JOINED = "_joined"
"""The function of a row that has words around its variables: without a variable's value there is no row."""
STANDALONE = ("button", "facts", "links")

_TAG = r"{%(?:(?!%}).)*%}"
# What is read here was typed by anybody who may write mails: each of these reads a line once, whatever stands in it.
_ROW = re.compile(r"(?!.*{[%#])[ \t]*-[ \t]+(?P<label>[^:{}\n]{1,80}):[ \t]*(?P<value>\S.*)\Z")
_OPENING = re.compile(r"{[%#{]")
_CLOSING = {"{%": "%}", "{#": "#}", "{{": "}}"}
_REST_OF_LINE = re.compile(r"[ \t]*$", re.MULTILINE)


def to_jinja(source: str, blocks: Sequence[str] = ()) -> str:
    """The template; ``blocks`` are the names of ready-made pieces."""
    made, end = [], 0
    for begins, ends in _lines_alone(source, (*STANDALONE, *blocks)):
        made += [_words(source[end:begins]), source[begins:ends]]
        end = ends
    return "".join([*made, _words(source[end:])])


def _lines_alone(source: str, names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where lines are that hold nothing but tags, comments and outputs of ``names``, which may go over several.

    Goes from one mark to the next and never back.
    """
    called = re.compile(rf"{{{{\s*(?:{'|'.join(re.escape(name) for name in names)})\b")
    position, run = 0, None
    while found := _OPENING.search(source, position):
        close = source.find(_CLOSING[found.group()], found.end())
        if close < 0:
            return  # the template language will say so
        before = source[position : found.start()]
        indent = before.rpartition("\n")[2]
        if indent.strip(" \t") or (found.group() == "{{" and not called.match(source, found.start())):
            run = None
        elif position == 0 or "\n" in before:
            run = found.start() - len(indent)
        position = close + 2
        rest = _REST_OF_LINE.match(source, position)
        if rest is not None and run is not None:
            yield run, rest.end()
            run = None


def _words(text: str) -> str:
    """Paragraphs and rows of what stands between the lines of their own."""
    made: list[str] = []
    for is_row, lines in _runs(text.split("\n")):
        if is_row is None:
            made += lines
        elif is_row:
            rows = [_row(line) for line in lines]
            rows[0] = "{{ facts([" + rows[0]
            rows[-1] += "]) }}"
            made += rows
        else:
            content = [line.strip() for line in lines]
            content[0] = f"{{% filter {PARAGRAPH} %}}" + content[0]
            content[-1] += "{% endfilter %}"
            made += content
    return "\n".join(made)


def _runs(lines: Sequence[str]) -> Iterator[tuple[bool | None, list[str]]]:
    """Lines that belong together, and whether they are rows; None: blank ones."""
    run: list[str] = []
    kind: bool | None = None
    for line in lines:
        now = None if not line.strip() else _ROW.match(line) is not None
        if run and now is not kind:
            yield kind, run
            run = []
        kind = now
        run.append(line)
    if run:
        yield kind, run


def _row(line: str) -> str:
    found = _ROW.match(line)
    assert found is not None  # noqa: S101 - the run consists of such lines
    pieces = []
    rest = 0
    value = found["value"].rstrip(" \t")
    while (begins := value.find("{{", rest)) >= 0 and (ends := value.find("}}", begins + 2)) >= 0:
        if begins > rest:
            pieces.append(_quoted(value[rest:begins]))
        pieces.append(f"({value[begins + 2 : ends].strip()})")
        rest = ends + 2
    if rest < len(value):
        pieces.append(_quoted(value[rest:]))
    said = pieces[0] if len(pieces) == 1 else f"{JOINED}({', '.join(pieces)})"
    return f"({_quoted(found['label'].strip())}, {said}),"


def _quoted(text: str) -> str:
    """As a string of the template language."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


# ---- from our own templates


def from_builtin(body: str, expressions: dict[str, str]) -> str:
    """One of our own bodies as a practice would write it; ``expressions`` has the names of ready-made pieces by what
    they call."""
    body = re.sub(r"{% import .*? %}\n?", "", body)
    body = re.sub(r"{{ facts\(\[(.*?)\]\) }}", lambda found: _rows_of(found[1]), body, flags=re.DOTALL)
    for expression, name in expressions.items():
        body = body.replace("{{ " + expression + " }}", "{{ " + name + " }}")
    body = re.sub(r"{% filter p %}(.*?){% endfilter %}", r"\n\1\n", body, flags=re.DOTALL)
    body = re.sub(r"\n{3,}", "\n\n", body)
    # Tags on lines of their own are parting enough.
    body = re.sub(rf"^((?:{_TAG})+)\n\n", r"\1\n", body, flags=re.MULTILINE)
    return re.sub(rf"\n\n(?=(?:{_TAG})+$)", r"\n", body, flags=re.MULTILINE).strip() + "\n"


def _rows_of(rows: str) -> str:
    return "\n" + "".join(f"- {_label(row)}: {_value(row)}\n" for row in _split(rows, ",") if row.strip()) + "\n"


def _label(row: str) -> str:
    return _parts(row)[0].strip().strip('"')


def _value(row: str) -> str:
    expression = _parts(row)[1].strip()
    pieces = [piece.strip() for piece in _split(expression, "~")]
    if len(pieces) == 1 or any(" if " in piece for piece in pieces):
        return "{{ " + expression + " }}"
    return "".join(piece[1:-1] if piece.startswith('"') else "{{ " + piece + " }}" for piece in pieces)


def _parts(row: str) -> list[str]:
    """Label and expression of ``("Label", expression)``."""
    return _split(row.strip()[1:-1], ",")


def _split(text: str, mark: str) -> list[str]:
    """At each ``mark`` outside of strings and brackets."""
    parts, depth, is_string = [""], 0, False
    for character in text:
        if character == '"':
            is_string = not is_string
        elif not is_string:
            depth += (character in "([{") - (character in ")]}")
        if character == mark and depth == 0 and not is_string:
            parts.append("")
        else:
            parts[-1] += character
    return parts
