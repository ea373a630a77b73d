"""Where the providers' official documents are, and what is taken where there are none.

One setting, ``TODOENBALANCE_CONTRACTS``, names the folder; relative to the checkout where it isn't absolute. Set and
missing is an error. Set and empty says that there are none. Not set at all, ``../shared/contracts`` beside the
checkout is taken if it is there. Without official documents the project's own descriptions of the operations that
it calls, in ``tests/contract/own``, stand in.
"""

import os
from functools import cache
from pathlib import Path
from typing import Any, Final

import pytest

from tests.contract.documents import Document

VARIABLE: Final = "TODOENBALANCE_CONTRACTS"
CHECKOUT: Final = Path(__file__).resolve().parent.parent.parent
BESIDE: Final = Path("../shared/contracts")
OWN: Final = Path(__file__).resolve().parent / "own"

PAYPAL_FILES: Final = (
    "paypal_orders_v2.json",
    "paypal_payments_v2.json",
    "paypal_webhooks_v1.json",
    "paypal_oauth2.json",
    "paypal_disputes_v1.json",
)
SENDGRID_FILES: Final = (
    "sendgrid_mail_v3.json",
    "sendgrid_webhooks_v3.json",
    "sendgrid_suppressions_v3.json",
    "sendgrid_event_webhook.json",
)


class MissingContractsError(Exception):
    """The setting names a folder that isn't there, or lacks a document."""


def official_folder() -> Path | None:
    """The folder of the official documents; None where there are none. Raises MissingContractsError."""
    named = os.environ.get(VARIABLE)
    if named == "":
        return None
    folder = (CHECKOUT / (BESIDE if named is None else Path(named))).resolve()
    missing = [name for name in (*PAYPAL_FILES, *SENDGRID_FILES) if not (folder / name).is_file()]
    if not missing:
        return folder
    if named is None and not folder.is_dir():
        return None
    raise MissingContractsError(f"{folder} was to hold the providers' documents, and lacks {', '.join(missing)}")


@cache
def official(files: tuple[str, ...]) -> tuple[Document, ...] | None:
    """The official documents of these names, or None where there are none."""
    folder = official_folder()
    return None if folder is None else tuple(Document.load(folder / name) for name in files)


@cache
def own(name: str) -> tuple[Document, ...]:
    """The project's own description."""
    return (Document.load(OWN / name),)


def described(ours: str, files: tuple[str, ...]) -> list[Any]:
    """Parameters for tests that are to hold by our own description and, where they are there, by the official ones."""
    theirs = official(files)
    known = [pytest.param(own(ours), id="own")]
    return known if theirs is None else [*known, pytest.param(theirs, id="official")]


def paypal_documents() -> tuple[Document, ...]:
    """PayPal's documents: the official ones, or ours."""
    return official(PAYPAL_FILES) or own("paypal.json")


def sendgrid_documents() -> tuple[Document, ...]:
    """SendGrid's documents: the official ones, or ours; and what the official ones at hand leave out."""
    ours = (*own("sendgrid_domains.json"), *own("sendgrid_lists.json"))
    return (*(official(SENDGRID_FILES) or own("sendgrid.json")), *ours)
