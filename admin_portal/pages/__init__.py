"""The practice's portal for its staff, as pages."""
