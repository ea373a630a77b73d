"""Where the official documents are looked for."""

from pathlib import Path

import pytest

from tests.contract import places
from tests.contract.places import PAYPAL_FILES, SENDGRID_FILES, VARIABLE, MissingContractsError, official_folder
from tests.contract.reporting import pytest_configure, pytest_report_header


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that holds every document, by name at least."""
    for name in (*PAYPAL_FILES, *SENDGRID_FILES):
        (tmp_path / name).write_text("{}")
    return tmp_path


def test_the_setting_names_the_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(folder))

    assert official_folder() == folder.resolve()
    assert str(folder.resolve()) in pytest_report_header()


def test_a_folder_that_is_named_and_missing_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "none"))

    with pytest.raises(MissingContractsError):
        official_folder()
    with pytest.raises(pytest.UsageError, match=VARIABLE):
        pytest_configure()


def test_so_does_one_that_lacks_a_document(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / PAYPAL_FILES[0]).unlink()
    monkeypatch.setenv(VARIABLE, str(folder))

    with pytest.raises(MissingContractsError, match=PAYPAL_FILES[0]):
        official_folder()


def test_named_as_nothing_means_our_own_descriptions_and_the_run_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")

    assert official_folder() is None
    assert "the project's own descriptions" in pytest_report_header()


def test_not_named_the_folder_beside_the_checkout_is_taken_if_it_is_there(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside = tmp_path_factory.mktemp("beside")
    checkout = beside / "checkout"
    checkout.mkdir()
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(places, "CHECKOUT", checkout)

    assert official_folder() is None

    (beside / "shared").mkdir()
    folder.rename(beside / "shared" / "contracts")

    assert official_folder() == (beside / "shared" / "contracts").resolve()
