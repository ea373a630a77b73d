"""The use cases of accounts, by what they are about."""
