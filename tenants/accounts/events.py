"""Events that accounts publish; payloads carry ids only."""

CLIENT_REGISTERED = "client.registered"
CLIENT_REGISTRATION_REPEATED = "client.registration_repeated"
CLIENT_VERIFICATION_REQUESTED = "client.verification_requested"
CLIENT_PASSWORD_FORGOTTEN = "client.password_forgotten"  # noqa: S105 - the name of an event
STAFF_INVITED = "staff.invited"
CLIENT_LOCKED_OUT = "client.locked_out"
STAFF_LOCKED_OUT = "staff.locked_out"
CLIENT_PASSWORD_CHANGED = "client.password_changed"  # noqa: S105 - the name of an event
STAFF_PASSWORD_CHANGED = "staff.password_changed"  # noqa: S105 - the name of an event
STAFF_PASSWORD_FORGOTTEN = "staff.password_forgotten"  # noqa: S105 - the name of an event
CLIENT_MAGIC_LINK_REQUESTED = "client.magic_link_requested"
EMAIL_CHANGE_REQUESTED = "account.email_change_requested"
EMAIL_CHANGED = "account.email_changed"
NEW_DEVICE = "account.new_device"
"""``{account_kind, account_id, session_id}``: a sign-in with a browser that the account had not been used with."""
STAFF_SECOND_FACTOR_CHANGED = "staff.second_factor_changed"
