"""Which tax ids are taken, and in which form."""

import pytest

from billing.documents.errors import InvalidTaxIdError
from billing.documents.tax_ids import normalise_tax_id


@pytest.mark.parametrize(
    ("value", "country", "normal"),
    [
        ("12345678Z", "ES", "12345678Z"),
        ("12.345.678-z", "ES", "12345678Z"),
        (" x1234567l ", "ES", "X1234567L"),
        ("B-58378431", "ES", "B58378431"),
        ("ESB58378431", "ES", "B58378431"),
        ("89890001K", "ES", "89890001K"),
        ("DE136695976", "DE", "DE136695976"),
        ("de 136 695 976", "DE", "DE136695976"),
        ("FR83404833048", "FR", "FR83404833048"),
        ("EL094259216", "GR", "EL094259216"),
        ("GR094259216", "GR", "EL094259216"),
        ("IT00743110157", "IT", "IT00743110157"),
        ("RSSMRA85T10A562S", "IT", "RSSMRA85T10A562S"),
        ("12-3456789", "US", "12-3456789"),
        ("GB980780684", "GB", "GB980780684"),
    ],
)
def test_a_valid_one_is_taken_in_its_normal_form(value: str, country: str, normal: str) -> None:
    assert normalise_tax_id(value, country) == normal
    assert normalise_tax_id(normal, country) == normal


@pytest.mark.parametrize(
    ("value", "country"),
    [
        ("12345678A", "ES"),
        ("X1234567X", "ES"),
        ("B58378432", "ES"),
        ("1234", "ES"),
        ("", "ES"),
        ("DE136695976", "ES"),
        ("DE136695978", "DE"),
        ("FR00404833048", "FR"),
        ("EL094259217", "GR"),
        ("x", "US"),
        ("<script>", "US"),
        ("=HYPERLINK(1)", "US"),
        ("A" * 31, "US"),
        ("١٢٣٤٥٦٧٨Z", "ES"),
    ],
)
def test_a_wrong_one_is_refused(value: str, country: str) -> None:
    with pytest.raises(InvalidTaxIdError):
        normalise_tax_id(value, country)


def test_the_refusal_is_said_in_both_languages() -> None:
    error = InvalidTaxIdError()
    assert "identificador fiscal" in error.sentence_for(error.errors[0], "es")
    assert "tax id" in error.sentence_for(error.errors[0], "en")
    assert error.errors[0]["type"] == "tax_id_invalid"
