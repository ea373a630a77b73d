"""Making a practice: registry row, role, schema, owner and settings, in one transaction."""
