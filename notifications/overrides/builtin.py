"""Our own words for a mail, as a practice would have written them: where it begins to change them."""

from functools import lru_cache

from notifications.overrides.sandbox import Draft
from notifications.overrides.syntax import from_builtin
from notifications.overrides.variables import find_kind
from notifications.rendering import builtin_source


@lru_cache(maxsize=256)
def builtin_draft(kind: str, language: str) -> Draft:
    """The built-in mail. Raises ``LookupError`` for a kind that practices may not write."""
    declared = find_kind(kind)
    if declared is None:
        raise LookupError(kind)
    subject, body = builtin_source(kind, language)
    names = {one.expression: one.name for one in declared.blocks}
    return Draft(" ".join(subject.split()), from_builtin(body, names))
