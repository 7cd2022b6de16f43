"""An endpoint for completion hooks: takes note of what it is sent and answers as it was told."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
from collections import deque
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Self

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()


@dataclass
class Delivery:
    """What came in one call."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    def message(self) -> dict:
        return json.loads(self.body)

    def signed_with(self, secret: str) -> bool:
        """By the specification: https://www.standardwebhooks.com."""
        text = f"{self.id}.{self.headers['webhook-timestamp']}.".encode() + self.body
        key = base64.b64decode(secret.removeprefix("whsec_"))
        expected = "v1," + base64.b64encode(hmac.new(key, text, hashlib.sha256).digest()).decode()
        return any(hmac.compare_digest(expected, given) for given in self.headers["webhook-signature"].split())


@dataclass
class HookServer:
    """Answers with the statuses of `answers`, one each, then with 204. A status of 0: the caller waits until it gives up."""

    answers: deque[int] = field(default_factory=deque)
    # Where a 3xx leads.
    location: str = ""
    tls: object = None
    deliveries: list[Delivery] = field(default_factory=list)
    port: int = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *unused) -> None:
        self.stop()

    @property
    def uri(self) -> str:
        return f"{'https' if self.tls else 'http'}://127.0.0.1:{self.port}/besa"

    def start(self) -> None:
        """Listens, again where it did before."""
        outer, self._ended = self, threading.Event()

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status = outer.answers.popleft() if outer.answers else 204
                outer.deliveries.append(Delivery(self.path, headers, body))
                if status == 0:
                    outer._ended.wait()
                    return
                self.send_response(status)
                if outer.location:
                    self.send_header("Location", outer.location)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *unused):
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self.port = self._server.server_port
        if self.tls:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Nobody listens any more."""
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def hook_flags(folder: Path, *endpoints: HookServer, secrets: tuple[str, ...] = (SECRET,)) -> list[str]:
    """Flags of a coordinator that may call those."""
    file = folder / "hook-secret"
    file.write_text("\n".join(secrets))
    allowed = [flag for endpoint in endpoints for flag in ("--allow-hook", endpoint.uri)]
    return [*allowed, "--hook-secret-file", str(file)]
