"""Where the stack listens, and whether what it needs answers."""

import errno
import http.client
import socket

import psycopg
import redis

from todoenbalance.devstack.errors import DevstackError, describe
from todoenbalance.devstack.redis import impatient_client
from todoenbalance.kit.database import libpq_url
from todoenbalance.kit.database_setup import MINIMUM_SERVER_VERSION


def bind_loopback(host: str, port: int) -> list[socket.socket]:
    """Listening sockets on ``host``: both loopback addresses for `localhost`, where the machine has them.

    Raises ``DevstackError`` when another program has the port.
    """
    addresses = ["127.0.0.1", "::1"] if host == "localhost" else [host]
    listeners: list[socket.socket] = []
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listener = socket.socket(family, socket.SOCK_STREAM)
        except OSError:
            continue  # no IPv6 on this machine
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address, port))
            listener.listen(1024)
        except OSError as error:
            listener.close()
            if address == "::1" and error.errno != errno.EADDRINUSE:
                continue  # IPv6 is known here and has no loopback address
            for other in listeners:
                other.close()
            raise DevstackError(_explain_bind(address, port, error)) from None
        listeners.append(listener)
    return listeners


def _explain_bind(address: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} is in use by another program: choose another with --port or PORT"
    if error.errno == errno.EACCES:
        return f"port {port} needs root: choose one from 1024 on with --port or PORT"
    return f"can't listen on {address} port {port}: {error.strerror}"


def check_postgres(url: str) -> str:
    """The version of the server at ``url``.

    Raises ``DevstackError`` when it is too old or does not answer.
    """
    try:
        with psycopg.connect(libpq_url(url), connect_timeout=10) as connection:
            number = connection.info.server_version
    except psycopg.Error as error:
        raise DevstackError(f"TODOENBALANCE_DATABASE_URL: {describe(error)}") from None
    version = f"{number // 10000}.{number % 10000}"
    if number < MINIMUM_SERVER_VERSION:
        raise DevstackError(f"PostgreSQL {version} is too old: 16 or newer is needed")
    return version


def check_redis(url: str) -> None:
    """Raises ``DevstackError`` when no Redis answers at ``url``."""
    try:
        client = impatient_client(url)
        try:
            client.ping()
        finally:
            client.close()
    except (redis.RedisError, ValueError) as error:
        raise DevstackError(f"TODOENBALANCE_REDIS_URL: {describe(error)}") from None


def read_readiness(port: int, base_domain: str) -> tuple[bool, str]:
    """Whether ``/readyz`` says so, and what it said."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz", headers={"Host": f"{base_domain}:{port}"})
        answer = connection.getresponse()
        said = " ".join(answer.read(2000).decode(errors="replace").split())
    except (OSError, http.client.HTTPException) as error:
        return False, str(error) or "no answer"
    finally:
        connection.close()
    return answer.status == http.client.OK, f"status {answer.status}: {said}"
