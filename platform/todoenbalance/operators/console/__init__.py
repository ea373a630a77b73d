"""The operators' console, as pages on the platform's host."""
