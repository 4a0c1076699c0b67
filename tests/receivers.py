"""Receivers of alerts on loopback: a web server and a mail server, as strict or as dead as asked."""

from __future__ import annotations

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Web:
    """A web server; `status` is what it answers to a POST."""

    status: int = 200
    port: int = 0
    requests: list[tuple[str, str, str, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook/secret-path"

    @property
    def texts(self) -> list[str]:
        return [json.loads(body)["text"] for _, _, _, body in self.requests]


@dataclass
class Mail:
    """A mail server; it takes what is sent to addresses other than `refused`."""

    port: int = 0
    is_silent: bool = False
    login: str | None = None
    refused: str = "nobody@example.com"
    messages: list[EmailMessage] = field(default_factory=list)
    addressees: list[list[str]] = field(default_factory=list)


@contextmanager
def web_receiver(status: int = 200) -> Iterator[Web]:
    web = Web(status)

    class Handler(BaseHTTPRequestHandler):
        def _take(self):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            kind = self.headers.get("Content-Type", "")
            web.requests.append((self.command, self.path, kind, body))
            self.send_response(web.status)
            if web.status == 302:
                self.send_header("Location", f"http://127.0.0.1:{web.port}/login")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST = do_PUT = _take  # noqa: N815 - the names of http.server

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    web.port = server.server_address[1]
    with _served(server):
        yield web


class _MailHandler(socketserver.StreamRequestHandler):
    """Speak SMTP (RFC 5321) as far as a client needs it."""

    mail: Mail

    def handle(self):
        self.addressees, self.is_known = [], self.mail.login is None
        self.say("220 loopback ESMTP")
        while line := self.rfile.readline().decode().strip():
            verb = line.split()[0].lower()
            getattr(self, f"take_{verb}", lambda _: self.say("250 ok"))(line)

    def say(self, line):
        self.wfile.write(line.encode() + b"\r\n")

    def take_ehlo(self, _):
        self.say("250-loopback")
        self.say("250 AUTH PLAIN" if self.mail.login else "250 8BITMIME")

    def take_auth(self, line):
        self.is_known = line.split()[2] == self.mail.login
        self.say("235 welcome" if self.is_known else "535 wrong user or password")

    def take_rcpt(self, line):
        address = line.partition("<")[2].partition(">")[0]
        is_taken = self.is_known and address != self.mail.refused
        self.addressees += [address] * is_taken
        self.say("250 ok" if is_taken else "550 not here")

    def take_data(self, _):
        self.say("354 go on")
        text = b"".join(iter(self.rfile.readline, b".\r\n"))
        if self.mail.is_silent:
            return
        self.mail.messages.append(message_from_bytes(text, policy=policy.default))
        self.mail.addressees.append(self.addressees)
        self.say("250 taken")

    def take_quit(self, _):
        self.say("221 bye")


@contextmanager
def mail_receiver(login: str | None = None) -> Iterator[Mail]:
    """A mail server; with `login`, it asks for these words by AUTH PLAIN."""
    mail = Mail(login=login)
    handler = type("Handler", (_MailHandler,), {"mail": mail})
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    mail.port = server.server_address[1]
    with _served(server):
        yield mail


@contextmanager
def dead_receiver() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(16)
        yield listener.getsockname()[1]


@contextmanager
def _served(server: socketserver.BaseServer) -> Iterator[None]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
