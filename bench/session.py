"""A session of the server, by the simple query protocol over its Unix socket.

For what pgbench and psql cannot do: to hold a transaction open, to take the time
at which a commit is answered, to wait in many sessions at once.
"""

import socket
import struct


class Session:
    def __init__(self, directory, settings="", database="bench", replication=False):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.connect(f"{directory}/.s.PGSQL.5432")
        self.buffer, self.at = b"", 0
        words = ["user", "postgres", "database", database]
        if settings:
            words += ["options", settings]
        if replication:
            words += ["replication", "true"]
        body = struct.pack("!i", 196608) + b"".join(w.encode() + b"\0" for w in words) + b"\0"
        self.socket.sendall(struct.pack("!i", len(body) + 4) + body)
        self.receive()
        if not replication:
            self.pid = int(self.query("SELECT pg_backend_pid()")[0][0])

    def take(self, count):
        while len(self.buffer) - self.at < count:
            more = self.socket.recv(65536)
            if not more:
                raise RuntimeError("the server closed the connection")
            self.buffer = self.buffer[self.at:] + more
            self.at = 0
        self.at += count
        return self.buffer[self.at - count:self.at]

    def send(self, text):
        """Sends a query; receive() must follow."""
        body = text.encode() + b"\0"
        self.socket.sendall(b"Q" + struct.pack("!i", len(body) + 4) + body)

    def receive(self):
        """The rows of what was sent, each a list of texts and None."""
        rows, error = [], None
        while True:
            kind, length = struct.unpack("!ci", self.take(5))
            body = self.take(length - 4)
            if kind == b"D":
                row, at = [], 2
                for _ in range(struct.unpack_from("!h", body)[0]):
                    size = struct.unpack_from("!i", body, at)[0]
                    at += 4
                    row.append(None if size < 0 else body[at:at + size].decode())
                    at += max(size, 0)
                rows.append(row)
            elif kind == b"E":
                error = body
            elif kind == b"Z":
                if error:
                    raise RuntimeError(error.replace(b"\0", b" ").decode())
                return rows

    def query(self, text):
        self.send(text)
        return self.receive()

    def feed_back(self, slot, lsn, xmin):
        """As a standby with hot_standby_feedback: says once which xmin it needs."""
        self.send(f"START_REPLICATION SLOT {slot} PHYSICAL {lsn}")
        if self.take(5)[:1] != b"W":        # CopyBothResponse
            raise RuntimeError("no replication")
        body = b"h" + struct.pack("!qIIII", 0, xmin & 0xffffffff, xmin >> 32, 0, 0)
        self.socket.sendall(b"d" + struct.pack("!i", len(body) + 4) + body)

    def close(self):
        self.socket.sendall(b"X" + struct.pack("!i", 4))
        self.socket.close()
