"""Free TCP ports on the loopback interface, for sidecars and applications started side by side."""

from __future__ import annotations

import socket


def free_port() -> int:
    """A loopback port that nobody listens on and that the kernel hands to nobody else for about a minute.

    The port is left in TIME_WAIT: a server may listen on it (servers set ``SO_REUSEADDR``), while the kernel no longer
    picks it for other sockets. So processes that ask at the same time get different ports.
    """
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        with socket.create_connection(server.getsockname()):
            accepted, _ = server.accept()
            accepted.close()  # the side that closes first is the one that stays in TIME_WAIT
        port: int = server.getsockname()[1]
    return port


def is_listening(port: int) -> bool:
    """Whether something accepts connections on this loopback port now."""
    with socket.socket() as client:
        client.settimeout(0.5)
        return client.connect_ex(("127.0.0.1", port)) == 0
