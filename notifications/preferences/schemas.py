"""What the API says of preferences, and takes."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from notifications.catalogue import TOPIC_WORDS
from notifications.preferences.service import TopicChoice


class MailTopicRead(BaseModel):
    """One topic. ``occasions``: when its optional mails are sent; ``always``: of what it is told all the same.

    Of staff: ``is_watch``, it is not about themselves, they hear of it by their role; ``is_fixed``, it can't be
    switched off, since somebody has to act on it.
    """

    topic: str
    name: str
    is_on: bool
    occasions: list[str]
    always: list[str]
    is_watch: bool
    is_fixed: bool

    @classmethod
    def of(cls, choice: TopicChoice, locale: str) -> "MailTopicRead":
        """In the words of ``locale``."""
        return cls(
            topic=choice.topic,
            name=TOPIC_WORDS[choice.topic][locale],
            is_on=choice.is_on,
            occasions=[row.occasion(locale) for row in choice.optional],
            always=[row.occasion(locale) for row in choice.always],
            is_watch=choice.is_watch,
            is_fixed=choice.is_fixed,
        )


class MailPreferencesRead(BaseModel):
    """The topics of which something may be switched off."""

    items: list[MailTopicRead]


TopicName = Annotated[str, StringConstraints(min_length=1, max_length=30)]


class MailPreferencesPut(BaseModel):
    """Topics to switch on (true) or off (false); those left out stay."""

    model_config = ConfigDict(extra="forbid")

    topics: Annotated[dict[TopicName, bool], Field(max_length=20)]
