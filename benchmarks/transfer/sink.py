"""A server that takes in and gives out bytes as fast as Python can: ``python -m benchmarks.transfer.sink …``.

One thread, non-blocking sockets, an HTTP/1.1 parser that knows just enough, and bodies that are received into one small
buffer. It answers what the file host would answer, and what an S3 client expects, and gives out one file. It prints its
port and serves until its standard input ends. ``GET /digests`` tells the SHA-256 of every body that came after
``GET /verify``, until then nothing is hashed, since that costs more than receiving.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import re
import selectors
import socket
import ssl
import sys
from dataclasses import dataclass
from typing import Any

_BUFFER = 1024 * 1024
_GIVEN = 4 * 1024 * 1024  #: handed to the system at a time
_LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
_XML = b"<%sMultipartUploadResult>%s</%sMultipartUploadResult>"
_JSON = b"Content-Type: application/json\r\n"


@dataclass(slots=True, eq=False)
class Connection:
    """One client: what it has sent of a head, and how much of a body is to come."""

    socket: Any
    head: bytes = b""
    left: int = 0
    line: bytes = b""
    digest: Any = None
    prefix: bytes = b""
    sending: bytes = b""
    offset: int | None = None  #: of the file that is given out


class Sink:
    """Serves until its standard input ends."""

    def __init__(self, *, part_size: int, path: str, context: ssl.SSLContext | None) -> None:
        self._verify = False
        self._part_size = part_size
        self._fd = os.open(path, os.O_RDONLY)
        self._size = os.fstat(self._fd).st_size
        self._context = context
        self._port = 0
        self._buffer = memoryview(bytearray(_BUFFER))
        self._selector = selectors.DefaultSelector()
        self._digests: list[str] = []
        self._parts = 0

    def serve(self) -> None:
        """Accept and answer."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        listener.setblocking(False)
        self._selector.register(listener, selectors.EVENT_READ, None)
        self._selector.register(sys.stdin, selectors.EVENT_READ, sys.stdin)
        self._port = listener.getsockname()[1]
        print(self._port, flush=True)
        while True:
            for key, events in self._selector.select():
                if key.data is None:
                    self._accept(listener)
                elif key.data is sys.stdin:
                    return
                else:
                    self._turn(key.data, events)

    def _accept(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.setblocking(False)
        if self._context is not None:
            client = self._context.wrap_socket(client, server_side=True, do_handshake_on_connect=False)
        self._selector.register(client, selectors.EVENT_READ, Connection(client))

    def _turn(self, connection: Connection, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._send(connection)
                return
            while self._receive(connection) and self._context is not None:
                pass  # what TLS has decrypted already raises no event
        except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError:
            self._drop(connection)

    def _receive(self, connection: Connection) -> bool:
        if not connection.left:
            data = connection.socket.recv(65536)
            if not data:
                self._drop(connection)
                return False
            self._begin(connection, data)
            return True
        taken = connection.socket.recv_into(self._buffer[: min(_BUFFER, connection.left)])
        if not taken:
            self._drop(connection)
            return False
        connection.left -= taken
        if self._verify:
            self._hash(connection, bytes(self._buffer[:taken]))
        if not connection.left:
            self._answer(connection)
        return True

    def _begin(self, connection: Connection, data: bytes) -> None:
        connection.head += data
        head, end, rest = connection.head.partition(b"\r\n\r\n")
        if not end:
            return
        connection.head = b""
        connection.line = head.partition(b"\r\n")[0]
        found = _LENGTH.search(head)
        connection.left = (int(found[1]) if found else 0) - len(rest)
        connection.digest, connection.prefix = None, b""
        if b"100-continue" in head.lower():
            connection.socket.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        if self._verify and rest:
            self._hash(connection, rest)
        if not connection.left:
            self._answer(connection)

    def _hash(self, connection: Connection, data: bytes) -> None:
        """Hash what is in the file of a form, or the body itself where it is no form."""
        if connection.digest is None:
            connection.prefix += data
            start = 0
            if connection.prefix[:2] == b"--":
                field_start = connection.prefix.find(b"filename=")
                start = connection.prefix.find(b"\r\n\r\n", field_start) + 4
                if field_start < 0 or start < 4:
                    return
            connection.digest = [hashlib.sha256(), self._part_size]
            data = connection.prefix[start:]
        data = data[: connection.digest[1]]
        connection.digest[0].update(data)
        connection.digest[1] -= len(data)

    def _answer(self, connection: Connection) -> None:
        if connection.digest is not None and connection.digest[1] == 0:
            self._digests.append(connection.digest[0].hexdigest())
        target = connection.line.split(b" ")[1]
        if target.startswith(b"/download"):
            connection.offset = 0
            self._reply(connection, b"200 OK", b'Content-Type: video/mp4\r\nETag: "1"\r\n', b"", self._size)
        else:
            status, headers, body = self._content(connection.line)
            self._reply(connection, status, headers, body, len(body))

    def _content(self, line: bytes) -> tuple[bytes, bytes, bytes]:
        method, target = line.split(b" ")[:2]
        path, _, query = target.partition(b"?")
        if path in {b"/digests", b"/verify"}:
            self._verify = path == b"/verify"
            digests, self._digests = self._digests, []
            return b"200 OK", _JSON, json.dumps(sorted(digests)).encode()
        if path.startswith(b"/oauth"):
            return b"200 OK", _JSON, b'{"access_token":"t","token_type":"bearer","expires_in":3600}'
        if b"/zra/conversations/" in path:
            link = f"{'https' if self._context else 'http'}://127.0.0.1:{self._port}/download"
            return b"200 OK", _JSON, json.dumps({"recording_download_url": link}).encode()
        if path.endswith(b"/upload_events"):
            return b"201 Created", _JSON, b'{"upload_context":"c","file_id":"f"}'
        if method == b"PUT":
            return b"200 OK", b'ETag: "e"\r\n', b""
        if query.startswith(b"uploads"):
            return (
                b"200 OK",
                b"",
                b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
            )
        if b"uploadId" in query:
            return b"200 OK", b"", _XML % (b"Complete", b"<ETag>e</ETag>", b"Complete")
        self._parts += 1
        return b"201 Created", _JSON, b'{"part_number_etag":{"part_number":1,"etag":"e-%d"}}' % self._parts

    def _reply(self, connection: Connection, status: bytes, headers: bytes, body: bytes, size: int) -> None:
        connection.sending = b"HTTP/1.1 %s\r\n%sContent-Length: %d\r\n\r\n" % (status, headers, size) + body
        self._send(connection)

    def _send(self, connection: Connection) -> None:
        try:
            while connection.sending or connection.offset is not None:
                if not connection.sending and not self._fill(connection):
                    break
                if connection.sending:
                    sent = connection.socket.send(connection.sending)
                    connection.sending = connection.sending[sent:]
        except (BlockingIOError, ssl.SSLWantWriteError):
            self._selector.modify(connection.socket, selectors.EVENT_WRITE, connection)
            return
        self._selector.modify(connection.socket, selectors.EVENT_READ, connection)

    def _fill(self, connection: Connection) -> bool:
        """Give out more of the file; False at its end."""
        assert connection.offset is not None
        if self._context is None:
            given = os.sendfile(connection.socket.fileno(), self._fd, connection.offset, _GIVEN)
        else:
            connection.sending = os.pread(self._fd, _BUFFER // 4, connection.offset)
            given = len(connection.sending)
        connection.offset = connection.offset + given if given else None
        return given > 0

    def _drop(self, connection: Connection) -> None:
        with contextlib.suppress(KeyError, ValueError):
            self._selector.unregister(connection.socket)
        connection.socket.close()


def main() -> None:
    """Serve as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--core", type=int)
    parser.add_argument("--part-size", type=int, required=True)
    parser.add_argument("--file", required=True)
    parser.add_argument("--certificate", default="")
    parser.add_argument("--key", default="")
    chosen = parser.parse_args()
    if chosen.core is not None:
        os.sched_setaffinity(0, {chosen.core})
    context = None
    if chosen.certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chosen.certificate, chosen.key)
    Sink(part_size=chosen.part_size, path=chosen.file, context=context).serve()


if __name__ == "__main__":
    main()
