"""Receipts and invoices: numbered, chained, immutable, printed in the client's language."""
