"""Ports of 127.0.0.1."""

import random
import socket

from deploy.local.errors import StackError

HOST = "127.0.0.1"
# Below what Linux (32768) and macOS (49152) give to outgoing connections: one of those could take a server's port
# while the server restarts.
PORTS = range(20000, 32000)
PORT_TRIES = 200


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens at, all different."""
    found: list[int] = []
    for port in random.SystemRandom().sample(PORTS, PORT_TRIES):
        if len(found) == count:
            return found
        if is_free(port):
            found.append(port)
    raise StackError(f"No {count} free ports were found between {PORTS.start} and {PORTS.stop} on {HOST}.")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def ensure_free(port: int) -> None:
    """Raises StackError, in one sentence, where another program listens at the port."""
    if not is_free(port):
        raise StackError(f"Port {port} on {HOST} is taken by another program; choose another port.")
