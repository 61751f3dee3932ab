"""Backends for measurements: take OTLP and Loki pushes in one state, and cost next to nothing themselves.

Run as a process of its own: ``telemetry_backends.py PORT STATE``, with a state of healthy, hangs, 500, 429.
Nothing is decoded: real backends run on other machines.
"""

from __future__ import annotations

import asyncio
import sys

ANSWERS = {
    "healthy": b"HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n",
    "500": b"HTTP/1.1 500 Internal Server Error\r\ncontent-length: 6\r\n\r\nbroken",
    "429": b"HTTP/1.1 429 Too Many Requests\r\ncontent-length: 8\r\n\r\ntoo many",
}


class Backend(asyncio.Protocol):
    """One connection: counts the bytes of bodies, and answers each request as the state says."""

    def __init__(self, answer: bytes | None) -> None:
        self._answer = answer
        self._head = b""
        self._left = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Read requests that may come in any pieces."""
        while data:
            if self._left:
                taken = min(self._left, len(data))
                self._left -= taken
                data = data[taken:]
            else:
                self._head += data
                end = self._head.find(b"\r\n\r\n")
                if end < 0:
                    return
                head, data, self._head = self._head[:end].lower(), self._head[end + 4 :], b""
                self._left = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
            if not self._left and self._answer is not None:
                self._transport.write(self._answer)


async def main() -> None:
    """Serve until the process ends."""
    port, state = int(sys.argv[1]), sys.argv[2]
    server = await asyncio.get_running_loop().create_server(
        lambda: Backend(ANSWERS.get(state)), "127.0.0.1", port
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
