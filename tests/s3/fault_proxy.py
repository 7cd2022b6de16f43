"""An HTTP proxy in front of an S3 server that spoils some of the requests."""

from __future__ import annotations

import asyncio
import random
import threading
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

# The server says that it is overloaded; the connection ends before the request arrives, or before its answer does; the
# request hangs.
FAULTS = ("refuse", "cut_before", "cut_after", "stall")

SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>reduce your request rate</Message></Error>"


class Cut(Exception):
    """The connection is to end now."""


@dataclass
class FaultProxy:
    """Listens on 127.0.0.1; spoils `share` of the requests with one of `faults` each, drawn by `seed`."""

    upstream_port: int
    share: float = 0.1
    faults: tuple[str, ...] = FAULTS
    stall_seconds: float = 2.0
    seed: int = 1
    port: int = 0
    # Requests by what became of them: "passed" or the fault.
    seen: Counter = field(default_factory=Counter)
    # Bytes of the answers that were passed on, by method.
    bytes_down: Counter = field(default_factory=Counter)

    def __enter__(self) -> Self:
        self._random = random.Random(self.seed)
        self._loop = asyncio.new_event_loop()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *unused) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def _run(self, ready: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        self._loop.run_forever()
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = None
        try:
            while head := await read_head(reader):
                if upstream is None:
                    upstream = await asyncio.open_connection("127.0.0.1", self.upstream_port)
                await self._one_request(head, reader, writer, upstream)
        except (Cut, ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            if upstream:
                upstream[1].transport.abort()

    async def _one_request(self, head, reader, writer, upstream) -> None:
        method = head.split(b" ", 1)[0]
        headers = parse_headers(head)
        fault = self._random.choice(self.faults) if self._random.random() < self.share else "passed"
        self.seen[fault] += 1
        if fault == "cut_before":
            raise Cut
        if fault == "stall":
            await asyncio.sleep(self.stall_seconds)
            raise Cut
        if headers.get(b"expect", b"").lower() == b"100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = await read_body(reader, headers)
        if fault == "refuse":
            writer.write(b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: ")
            # An answer to HEAD has no body.
            body = b"" if method == b"HEAD" else SLOW_DOWN
            writer.write(b"%d\r\n\r\n" % len(body) + body)
            await writer.drain()
            return
        upstream[1].write(head + body)
        await upstream[1].drain()
        answer = await read_head(upstream[0])
        while answer.startswith(b"HTTP/1.1 100"):
            answer = await read_head(upstream[0])
        if fault == "cut_after":
            raise Cut
        headers = parse_headers(answer)
        bodiless = method == b"HEAD" or answer.split(b" ")[1] in (b"204", b"304")
        content = b"" if bodiless else await read_body(upstream[0], headers)
        self.bytes_down[method.decode()] += len(content)
        writer.write(answer + content)
        await writer.drain()


async def read_head(reader: asyncio.StreamReader) -> bytes:
    """Up to and with the empty line; nothing at the end of the connection."""
    try:
        return await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return b""


def parse_headers(head: bytes) -> dict[bytes, bytes]:
    lines = head.split(b"\r\n")[1:]
    pairs = (line.split(b":", 1) for line in lines if b":" in line)
    return {name.strip().lower(): value.strip() for name, value in pairs}


async def read_body(reader: asyncio.StreamReader, headers: dict[bytes, bytes]) -> bytes:
    """As it is on the wire: with the chunks' own lines, if it comes in chunks."""
    if headers.get(b"transfer-encoding", b"").lower() != b"chunked":
        return await reader.readexactly(int(headers.get(b"content-length", b"0")))
    parts = []
    while True:
        line = await reader.readuntil(b"\r\n")
        size = int(line.split(b";")[0], 16)
        parts += [line, await reader.readexactly(size + 2)]
        if size == 0:
            return b"".join(parts)
