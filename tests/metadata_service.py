"""Who hands out keys to programs without any: the metadata service of an EC2 instance (version 2), and a container's."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from s3_server import ACCESS_KEY, SECRET_KEY, free_port

SESSION = "metadata-session"
CONTAINER_TOKEN = "container-token"
ROLE = "besa-role"
ROLES = "/latest/meta-data/iam/security-credentials"
CONTAINER = "/v2/credentials"


@dataclass
class MetadataService:
    """On 127.0.0.1; refuses whoever does not show the token that it gave him, as the real ones do."""

    access_key: str = ACCESS_KEY
    secret_key: str = SECRET_KEY
    session_token: str = ""
    # Answers 503 to everything, as while the machine starts.
    away: bool = False
    # How many requests were answered so.
    missed: int = 0
    port: int = field(default_factory=free_port)
    # The paths for which keys were handed out.
    handed_out: list[str] = field(default_factory=list)
    server: ThreadingHTTPServer | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *unused) -> None:
        if self.server is not None:
            self.server.shutdown()
            self.server.server_close()

    def start(self) -> None:
        service = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *unused) -> None:
                pass

            def do_PUT(self) -> None:
                if service.away:
                    return self.answer(*service.get(self.path, self.headers))
                wanted = self.path == "/latest/api/token" and "x-aws-ec2-metadata-token-ttl-seconds" in self.headers
                self.answer(200 if wanted else 400, SESSION if wanted else "")

            def do_GET(self) -> None:
                self.answer(*service.get(self.path, self.headers))

            def answer(self, status: int, text: str) -> None:
                body = text.encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def get(self, path: str, headers) -> tuple[int, str]:
        if self.away:
            self.missed += 1
            return 503, ""
        path = path.rstrip("/")
        if path == CONTAINER:
            if headers.get("Authorization") != CONTAINER_TOKEN:
                return 401, ""
        elif headers.get("x-aws-ec2-metadata-token") != SESSION:
            return 401, ""
        if path == ROLES:
            return 200, ROLE
        if path not in (f"{ROLES}/{ROLE}", CONTAINER):
            return 404, ""
        self.handed_out.append(path)
        return 200, json.dumps(
            {
                "Code": "Success",
                "Type": "AWS-HMAC",
                "AccessKeyId": self.access_key,
                "SecretAccessKey": self.secret_key,
                "Token": self.session_token,
                "LastUpdated": "2026-01-01T00:00:00Z",
                "Expiration": "2096-01-01T00:00:00Z",
            }
        )

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def of_instance(self) -> dict[str, str]:
        """The environment of a program on such an instance. On a real one it is empty: the address is a fixed one."""
        return {"AWS_EC2_METADATA_DISABLED": "false", "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.address}

    @property
    def of_container(self) -> dict[str, str]:
        """What a container's environment has, put there by who runs it."""
        return {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": self.address + CONTAINER,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": CONTAINER_TOKEN,
        }


def no_keys(home) -> dict[str, str]:
    """Hides whatever keys the machine's own environment has. `home` has no folder .aws."""
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")
    return dict.fromkeys(names, "") | {"HOME": str(home), "AWS_EC2_METADATA_DISABLED": "true"}
