"""The embedded stack: real PostgreSQL and Redis from wheels, and the processes that run on them."""
