"""Two migration streams: the shared schema ``platform``, and the schema that every practice has."""
