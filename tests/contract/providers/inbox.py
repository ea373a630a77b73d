"""A receiver of webhooks that keeps what it gets and answers as a test wants."""

from typing import Any, ClassVar

from tests.contract.documents import CheckedRequest
from tests.support.providers.server import Answer, Exchange, ProviderServer


class Inbox(ProviderServer):
    """What it was sent stands in ``exchanges``."""

    name: ClassVar[str] = "inbox"

    def __init__(self) -> None:
        super().__init__()
        self.status = 200

    def check(self, exchange: Exchange) -> CheckedRequest:
        """Nothing: the sender checks itself."""
        return CheckedRequest(None, {}, {}, None, ())

    def perform(self, exchange: Exchange, checked: CheckedRequest) -> Answer:
        """Takes it, or not."""
        return Answer(self.status)

    def refuse(self, status: int) -> Any:
        """Without a word."""
        return None
