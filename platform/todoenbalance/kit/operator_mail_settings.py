"""Settings of mails to operators."""

from pydantic import BaseModel, Field, field_validator

from todoenbalance.kit.zones import is_zone


class OperatorMailSettings(BaseModel):
    """How and when operators are told. ``locale``: of those who chose none. ``timezone``: in which times are said.

    ``news_hour``: from this hour of that zone's clock on, once a day, what waits for operators is mailed.
    """

    locale: str = Field(default="es", pattern="^(es|en)$")
    timezone: str = "Europe/Madrid"
    news_hour: int = Field(default=8, ge=0, le=23)

    @field_validator("timezone")
    @classmethod
    def _is_zone(cls, value: str) -> str:
        if not is_zone(value):
            raise ValueError(f"operator_mails.timezone: no time zone is called {value!r}")
        return value
