"""The failure of this package."""


class BenchmarkError(Exception):
    """A measurement can't be made or is worth nothing; the text is one line that says why."""
