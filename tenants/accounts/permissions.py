"""One table of what each role of staff may do; endpoints, pages and documents all read it."""

from enum import StrEnum

from tenants.accounts.models import StaffRole


class Permission(StrEnum):
    """Something that a member of staff may be allowed to do."""

    VIEW_CALENDAR = "view_calendar"
    MANAGE_CALENDAR = "manage_calendar"
    OVERRIDE_CALENDAR = "override_calendar"
    MANAGE_CATALOGUE = "manage_catalogue"
    VIEW_NOTES = "view_notes"
    VIEW_CLIENTS = "view_clients"
    VIEW_PAYMENTS = "view_payments"
    RECORD_PAYMENTS = "record_payments"
    REFUND_PAYMENTS = "refund_payments"
    VIEW_DOCUMENTS = "view_documents"
    ISSUE_DOCUMENTS = "issue_documents"
    RECTIFY_DOCUMENTS = "rectify_documents"
    EXPORT_DOCUMENTS = "export_documents"
    VIEW_STATISTICS = "view_statistics"
    VIEW_EMAILS = "view_emails"
    MANAGE_STAFF = "manage_staff"
    MANAGE_SETTINGS = "manage_settings"
    MANAGE_PLAN = "manage_plan"
    MANAGE_PAYMENT_ACCOUNTS = "manage_payment_accounts"
    VIEW_AUDIT = "view_audit"
    EXPORT_CLIENTS = "export_clients"
    ERASE_CLIENTS = "erase_clients"


_RECEPTION = frozenset(
    {
        Permission.VIEW_CALENDAR,
        Permission.MANAGE_CALENDAR,
        Permission.VIEW_CLIENTS,
        Permission.VIEW_PAYMENTS,
        Permission.RECORD_PAYMENTS,
        Permission.VIEW_DOCUMENTS,
        Permission.ISSUE_DOCUMENTS,
        Permission.VIEW_EMAILS,
    }
)
_MANAGER = _RECEPTION | {
    Permission.OVERRIDE_CALENDAR,
    Permission.VIEW_NOTES,
    Permission.MANAGE_CATALOGUE,
    Permission.REFUND_PAYMENTS,
    Permission.RECTIFY_DOCUMENTS,
    Permission.EXPORT_DOCUMENTS,
    Permission.VIEW_STATISTICS,
}

PERMISSIONS: dict[StaffRole, frozenset[Permission]] = {
    StaffRole.OWNER: frozenset(Permission),
    StaffRole.MANAGER: _MANAGER,
    StaffRole.PRACTITIONER: frozenset({Permission.VIEW_CALENDAR, Permission.VIEW_NOTES, Permission.VIEW_CLIENTS}),
    StaffRole.RECEPTION: _RECEPTION,
}


def may(role: str, permission: Permission) -> bool:
    """Whether someone of ``role`` may do it; an unknown role may do nothing."""
    return role in list(StaffRole) and permission in PERMISSIONS[StaffRole(role)]
