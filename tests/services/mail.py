"""Mail servers: aiosmtpd with real TLS, which answers as scripted, and some that misbehave."""

import asyncio
import datetime as dt
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PASSWORD = b"correct horse"


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate for 127.0.0.1; ``file`` is what a client has to trust."""

    file: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.file, self.key)
        return context


def make_certificate(folder: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - day).not_valid_after(now + day)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = builder.add_extension(names, critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
    made = Certificate(folder / "certificate.pem", folder / "key.pem")
    signed = builder.sign(key, hashes.SHA256())
    made.file.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    made.key.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, plain))
    return made


@dataclass
class Mailbox:
    """What came, and what to answer: by command, or by recipient ("250" where nothing is said).

    ``answering``: while it is not set, a mail that came is not answered.
    """

    answers: dict[str, str] = field(default_factory=dict)
    mails: list[Envelope] = field(default_factory=list)
    over_tls: list[bool] = field(default_factory=list)
    answering: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.answering.set()

    def read(self, number: int = 0) -> EmailMessage:
        content = self.mails[number].content
        assert isinstance(content, bytes)
        read = message_from_bytes(content, policy=policy.default)
        assert isinstance(read, EmailMessage)
        return read

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: object
    ) -> str:
        answer = self.answers.get(address, "250 OK")
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's name
        answer = self.answers.get("DATA", "250 taken")
        if answer.startswith("250"):
            self.mails.append(envelope)
            self.over_tls.append(session.ssl is not None)
        await asyncio.to_thread(self.answering.wait)
        return answer


class MailServer:
    """aiosmtpd on 127.0.0.1, on a loop of its own."""

    def __init__(
        self,
        certificate: Certificate,
        *,
        implicit: bool = False,
        starttls: bool = True,
        login: bool = False,
    ) -> None:
        self.box = Mailbox()
        context = certificate.context()

        def session() -> SMTP:
            with warnings.catch_warnings():
                # It does not see that TLS came before it, and warns of passwords in the clear.
                warnings.simplefilter("ignore")
                return SMTP(
                    self.box,
                    hostname="mail.example.com",
                    tls_context=context if starttls and not implicit else None,
                    authenticator=_authenticate if login else None,
                    auth_required=login,
                    auth_require_tls=not implicit,
                    loop=self._loop,
                )

        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mail")
        self._thread.start()
        serving = self._loop.create_server(
            session, "127.0.0.1", 0, ssl=context if implicit else None
        )
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self.port = int(self._server.sockets[0].getsockname()[1])

    def close(self) -> None:
        self.box.answering.set()
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


def _authenticate(
    _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: object
) -> AuthResult:
    good = isinstance(data, LoginPassword) and data.password == PASSWORD
    return AuthResult(success=good, handled=good)


class Misbehaving:
    """Accepts connections and does to each what it is told."""

    def __init__(self, behaviour: Callable[[socket.socket, threading.Event], None]) -> None:
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._behaviour = behaviour
        self._thread = threading.Thread(target=self._serve, name="misbehaving")
        self._thread.start()

    def close(self) -> None:
        self._closed.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._closed.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self._behaviour(connection, self._closed)


def silent(_connection: socket.socket, closed: threading.Event) -> None:
    """Say nothing, ever."""
    closed.wait()


def resetting(connection: socket.socket, _closed: threading.Event) -> None:
    """Break the connection in the middle of a greeting."""
    connection.sendall(b"220-mail")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def tarpit(connection: socket.socket, closed: threading.Event) -> None:
    """Say a byte at a time, so that nothing ever times out by itself."""
    while not closed.wait(0.02):
        try:
            connection.sendall(b"2")
        except OSError:
            return
