"""The history of an appointment in the words of the portal."""

from dataclasses import dataclass

from admin_portal.pages.page import StaffPage
from notifications.formats import When, describe
from scheduling.appointments.history import ActorKind, ChangeKind
from scheduling.appointments.terms_schemas import AdminChangeRead


def _(message: str) -> str:
    """Marks a sentence for the catalogue; it is translated when it is shown."""
    return message


KIND_WORDS: dict[str, str] = {
    ChangeKind.BOOKED: _("Booked"),
    ChangeKind.CONFIRMED: _("Confirmed"),
    ChangeKind.MOVED: _("Moved"),
    ChangeKind.CANCELLED: _("Cancelled"),
    ChangeKind.EXPIRED: _("Expired"),
    ChangeKind.COMPLETED: _("Took place"),
    ChangeKind.NO_SHOW: _("Did not come"),
    ChangeKind.APPROVED: _("Approved"),
    ChangeKind.DECLINED: _("Declined"),
    ChangeKind.ACCEPTED: _("The client took the time that was offered"),
    ChangeKind.ATTENDANCE: _("The client said that they will come"),
    ChangeKind.FEE_WAIVED: _("Fee waived"),
    ChangeKind.FEE_PAID: _("Fee paid"),
    ChangeKind.MEETING: _("Link of the meeting changed"),
    ChangeKind.NOTED: _("Private notes changed"),
}
_HOW_WORDS = {
    "paid": _("paid online"),
    "offline": _("to be paid at the practice"),
    "approved": _("nothing to pay"),
    "offer": _("from the waiting list"),
}


@dataclass(frozen=True, slots=True)
class HistoryLine:
    """One change, ready to be shown."""

    when: When
    who: str
    what: str
    details: list[str]


def history_lines(page: StaffPage, changes: list[AdminChangeRead]) -> list[HistoryLine]:
    """In the reader's language, on the practice's clock."""
    return [
        HistoryLine(
            when=describe(one.at, page.tenant.timezone, page.locale),
            who=_who(page, one),
            what=page.t(KIND_WORDS.get(one.kind, one.kind)),
            details=_details(page, one),
        )
        for one in changes
    ]


def _who(page: StaffPage, change: AdminChangeRead) -> str:
    if change.who.kind is ActorKind.SYSTEM:
        return page.t("by itself")
    return change.who.name or page.t("somebody who is not here any more")


def _details(page: StaffPage, change: AdminChangeRead) -> list[str]:
    said = []
    if change.moved_from is not None:
        before = describe(change.moved_from, page.tenant.timezone, page.locale)
        said.append(page.t("before: %(day)s, %(time)s", day=before.day, time=before.time))
    if change.how in _HOW_WORDS:
        said.append(page.t(_HOW_WORDS[change.how]))
    if change.on_behalf_of_client:
        said.append(page.t("the client asked for it"))
    if change.outside_hours:
        said.append(page.t("outside the hours"))
    if change.overlapping:
        said.append(page.t("on top of another"))
    if change.refund is not None:
        said.append(page.t("%(amount)s given back", amount=change.refund.to_money().format(page.locale)))
    if change.policy_refund is not None and change.policy_refund != change.refund:
        amount = change.policy_refund.to_money().format(page.locale)
        said.append(page.t("the terms gave back %(amount)s", amount=amount))
    if change.no_show_fee is not None:
        said.append(page.t("fee %(amount)s", amount=change.no_show_fee.to_money().format(page.locale)))
    if change.reason:
        said.append(change.reason)
    return said
