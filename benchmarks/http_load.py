"""A load generator: keep-alive sockets that write raw HTTP, each request with a fresh credential.

Run as a process of its own by submission.py: reads what to do from standard input (JSON), prints what was seen.
One thread serves all sockets, so that it takes as little as possible of the cores that the daemon shares.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from qwatch.qrmi import munge


@dataclass(slots=True)
class Client:
    """One keep-alive connection with one request under way."""

    connection: socket.socket
    began: float = 0.0
    received: bytearray = field(default_factory=bytearray)

    def send(self, head: bytes, rest: bytes, prove: Callable[[], bytes]) -> None:
        """Send the next request; its time begins before its credential is made."""
        self.began = time.perf_counter()
        self.connection.sendall(head + prove() + rest)

    def read(self) -> int | None:
        """Return the status if the answer is complete, else None."""
        data = self.connection.recv(65536)
        if not data:
            raise ConnectionError("the daemon closed a connection")
        self.received += data
        end = self.received.find(b"\r\n\r\n")
        if end < 0:
            return None
        head = bytes(self.received[:end]).lower()
        length = int(head.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        if len(self.received) < end + 4 + length:
            return None
        del self.received[: end + 4 + length]
        return int(head[9:12])


def load(order: dict[str, Any]) -> dict[str, Any]:
    """Keep ``clients`` requests under way; return what came back in ``seconds`` after ``warm_up``."""
    body = json.dumps({"sequence": order["sequence"], "shots": order["shots"]}).encode()
    head = (
        f"POST /jobs HTTP/1.1\r\nhost: 127.0.0.1:{order['port']}\r\ncontent-type: application/json\r\n"
        f"x-warden-session: {order['session']}\r\ncontent-length: {len(body)}\r\n"
    ).encode()
    prove = _proof(order.get("token"))
    clients = [
        Client(socket.create_connection(("127.0.0.1", order["port"]), timeout=30))
        for _ in range(order["clients"])
    ]
    waiting = selectors.DefaultSelector()
    for client in clients:
        client.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        waiting.register(client.connection, selectors.EVENT_READ, client)
        client.send(head, b"\r\n\r\n" + body, prove)
    begin = time.perf_counter() + order["warm_up"]
    end = begin + order["seconds"]
    seconds: list[float] = []
    refused: Counter[int] = Counter()
    while (now := time.perf_counter()) < end:
        for key, _ in waiting.select(end - now):
            client = key.data
            status = client.read()
            if status is None:
                continue
            now = time.perf_counter()
            if status == 201 and begin <= now < end:
                seconds.append(now - client.began)
            elif status != 201:
                refused[status] += 1
            client.send(head, b"\r\n\r\n" + body, prove)
    for client in clients:
        client.connection.close()
    return {"seconds": seconds, "refused": dict(refused)}


def _proof(token: str | None) -> Callable[[], bytes]:
    if token is not None:
        header = f"authorization: Bearer {token}".encode()
        return lambda: header
    return lambda: b"x-munge-cred: " + munge.encode().encode()


if __name__ == "__main__":
    print(json.dumps(load(json.load(sys.stdin))))
