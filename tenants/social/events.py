"""Events that social sign-in publishes; payloads carry ids only."""

IDENTITY_CONNECTED = "client.identity_connected"
SOCIAL_ACCOUNT_UNCONFIRMED = "client.social_account_unconfirmed"
SOCIAL_ADDRESS_TAKEN = "client.social_address_taken"
SOCIAL_CODE_REQUESTED = "social.code_requested"
