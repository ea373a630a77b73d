"""Events that accounts publish; payloads carry ids only."""

CLIENT_REGISTERED = "client.registered"
CLIENT_REGISTRATION_REPEATED = "client.registration_repeated"
CLIENT_VERIFICATION_REQUESTED = "client.verification_requested"
CLIENT_PASSWORD_FORGOTTEN = "client.password_forgotten"  # noqa: S105 - the name of an event
STAFF_INVITED = "staff.invited"
