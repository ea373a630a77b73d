"""The local Stripe, by object family."""
