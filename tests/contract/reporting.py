"""Says at the head and at the foot of a test run which contracts it was checked against; hooks for a conftest."""

import pytest

from tests.contract.places import VARIABLE, MissingContractsError, official_folder

LACK = (
    "PayPal and SendGrid were checked against the project's own descriptions (tests/contract/own), not against the "
    f"official documents: name their folder in {VARIABLE}"
)


def pytest_configure() -> None:
    """A run whose contracts were to be there, and aren't, doesn't begin."""
    try:
        official_folder()
    except MissingContractsError as error:
        raise pytest.UsageError(f"{VARIABLE}: {error}") from error


def pytest_report_header() -> str:
    """One line at the head of the run."""
    folder = official_folder()
    return f"contracts: the providers' own, in {folder}" if folder else f"contracts: {LACK}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One more at its foot, where something is lacking."""
    if official_folder() is None:
        terminalreporter.write_sep("=", "contracts", yellow=True)
        terminalreporter.write_line(f"warning: {LACK}", yellow=True)
