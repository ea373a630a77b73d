"""Jobs of practices' own mail domains."""

MAIL_SENDER_CHECK = "mail_sender.check"
"""``{due_at}``: look at the practice's domain, or give up the one it had. Only the row whose ``due_at`` is the
practice's own does it."""
MAIL_DOMAIN_FORGET = "mail_domain.forget"
"""``{ref}``, of the platform: have the mail provider forget a domain that no practice names any more."""
