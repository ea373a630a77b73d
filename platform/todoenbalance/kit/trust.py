"""Whom outgoing calls believe."""

import functools
import ssl

import httpx


@functools.cache
def usual_trust() -> ssl.SSLContext:
    """certifi's certificate authorities, or those of ``SSL_CERT_FILE``; read once.

    Reading them takes tens of milliseconds, in which the event loop stands still, and every new client of httpx would.
    """
    return httpx.create_ssl_context()
