"""Events of packages; payloads carry ids only."""

PAYABLE_KIND = "package"
"""What payments know a purchase as."""

PACKAGE_BOUGHT = "package.bought"
"""``{purchase_id}``: its money is here and its sessions can be used."""

PACKAGE_EXPIRING = "package.expiring"
"""``{purchase_id}``, due some days before the package runs out."""

PACKAGE_EXPIRY = "package.expiry"
"""``{purchase_id}``, due when the package runs out."""

PACKAGE_UNPAID = "package.unpaid"
"""``{purchase_id}``, due when nobody waits for its money any longer."""

PACKAGE_CREDIT_RESTORED = "package.credit_restored"
"""``{purchase_id}``: a session that was booked can be used again; its money may have gone back meanwhile."""
