"""What every server-rendered page shares: layout, forms, cookies, protection of forms, languages, static files."""
