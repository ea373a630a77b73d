"""The local PayPal, by object family."""
