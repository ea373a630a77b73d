"""The use cases of the catalogue that change something, by what they change."""
