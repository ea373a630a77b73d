"""Events of documents; payloads carry ids only."""

DOCUMENT_ISSUE = "document.issue"
"""``{payment_id}``: money is here; issue its invoice if the practice does so by itself and there is none."""

DOCUMENT_ISSUED = "document.issued"
"""``{document_id}``: it has its number; the client is told."""

DOCUMENT_TRANSMIT = "document.transmit"
"""``{document_id}``: its record is yet to be sent to the tax agency."""
