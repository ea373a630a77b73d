"""The tables of ``docs/mail-templates.md``: ``python -m tests.support.mail_variables`` writes them anew."""

from pathlib import Path

from notifications.overrides.schemas import VariableRead
from notifications.overrides.variables import OverridableKind, overridable_kinds
from todoenbalance.subscriptions import register_composers

DOCUMENT = Path(__file__).parents[2] / "docs" / "mail-templates.md"
_BEGIN = "held against the code by a test. -->\n"


def tables() -> str:
    """A section for each mail."""
    return "".join(_section(kind) for kind in overridable_kinds())


def _section(kind: OverridableKind) -> str:
    must = ", ".join("`" + "` / `".join(group) + "`" for group in kind.must_say)
    lines = [f"\n### `{kind.kind}`: {kind.title['en']}\n", f"Must say: {must}.\n"]
    if kind.blocks:
        lines += ["| ready-made piece | what |", "|---|---|"]
        lines += [f"| `{one.name}` | {one.meaning['en']} |" for one in kind.blocks] + [""]
    lines += ["| variable | meaning | example |", "|---|---|---|"]
    for variable in kind.variables:
        one = VariableRead.of(variable, "en")
        parts = f" (`.{'`, `.'.join(one.parts)}`)" if one.parts else ""
        lines.append(f"| `{one.name}`{'?' if one.optional else ''}{parts} | {one.meaning} | {one.example} |")
    return "\n".join(lines) + "\n"


def document() -> str:
    """The whole page as it has to be."""
    head, mark, _tables = DOCUMENT.read_text().partition(_BEGIN)
    return head + mark + tables()


if __name__ == "__main__":
    register_composers()
    DOCUMENT.write_text(document())
