"""What a request costs a server, in instructions and in allocations, by valgrind's callgrind."""

import os
import re
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

WARM_UP, REQUESTS, WINDOWS = 300, 400, 5
PATIENCE = 120  # seconds; valgrind makes a program fifty times as slow
ALLOCATIONS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc"}

ITEM = '{"id":7,"name":"rubber duck","tags":["bath","yellow"],"price":4.5,"active":true}'
# What is asked for, whether with the cookie of a session, and what the body is then.
ROUTES = {
    "plaintext": ("GET /plaintext", False, "Hello, World!"),
    "params": ("GET /user/1234/posts/hello-world", False, ".*1234.*hello-world"),
    "json": ("POST /json", False, ".*rubber duck.*"),
    "untouched": ("GET /session/untouched", True, "Hello, World!"),
    "read": ("GET /session/read", True, "[0-9]+"),
    "write": ("GET /session/write", True, "[0-9]+"),
    "new": ("GET /session/new", False, "1"),
}


class CountError(Exception):
    """Why nothing was counted."""


def costs(command, environment):
    """What each route of a program costs that listens at 127.0.0.1:$PORT: pairs of instructions and allocations."""
    with tempfile.TemporaryDirectory(prefix="duck-gate-") as folder:
        with Counted(command, environment, Path(folder)) as server:
            return {route: server.cost(route) for route in ROUTES}


class Counted:
    """A server in callgrind, with one worker."""

    def __init__(self, command, environment, folder):
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        inherited = {key: value for key, value in os.environ.items() if not key.startswith("DUCK_")}
        with (folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                ["valgrind", "--tool=callgrind", "--quiet", f"--callgrind-out-file={folder}/counts", *command],
                env={**inherited, **environment, "PORT": str(self.port), "WORKERS": "1"},
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def __enter__(self):
        until = time.monotonic() + PATIENCE
        while True:
            try:
                Connection(self.port).socket.close()
                return self
            except ConnectionRefusedError:
                if self.process.poll() is not None or time.monotonic() > until:
                    self.__exit__()
                    raise CountError(f"the server does not listen:\n{(self.folder / 'log').read_text()}")
                time.sleep(0.1)

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()

    def cost(self, route):
        """The median of some windows of requests: what is done once in a while falls into a few of them only."""
        line, has_session, answer = ROUTES[route]
        connection = Connection(self.port)
        cookie = self.new_session(connection) if has_session else None
        request = request_of(line, cookie)
        for _ in range(WARM_UP):
            head, body = connection.ask(request)
            if not head.startswith("HTTP/1.1 200 ") or not re.fullmatch(answer, body):
                raise CountError(f"{line} is answered with {head}\n\n{body}")
        windows = [self.window(connection, request) for _ in range(WINDOWS)]
        connection.socket.close()
        return tuple(map(statistics.median, zip(*windows)))

    def new_session(self, connection):
        head, _ = connection.ask(request_of(ROUTES["new"][0], None))
        return "; ".join(re.findall(r"(?im)^set-cookie: *([^;\r]+)", head))

    def window(self, connection, request):
        self.tell("zero")
        for _ in range(REQUESTS):
            connection.ask(request)
        self.tell("dump")
        [counts] = self.folder.glob("counts.*")
        found = read(counts)
        counts.unlink()
        return [number / REQUESTS for number in found]

    def tell(self, command):
        done = subprocess.run(["vgdb", f"--pid={self.process.pid}", command], capture_output=True, text=True)
        if done.returncode != 0:
            raise CountError(f"callgrind does not {command}:\n{done.stdout}{done.stderr}")


class Connection:
    """The smallest client: one request at a time."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, request):
        """Gives the head of the response, and its body."""
        self.socket.sendall(request)
        received = b""
        while True:
            head, end, body = received.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if end and length and len(body) >= int(length[1]):
                return head.decode(), body.decode()
            more = self.socket.recv(65536)
            if not more:
                raise CountError(f"the server closes the connection after {received}")
            received += more


def request_of(line, cookie):
    fields, body = ["Host: 127.0.0.1"], ""
    if cookie:
        fields.append(f"Cookie: {cookie}")
    if line.startswith("POST"):
        body = ITEM
        fields += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([f"{line} HTTP/1.1", *fields, "", body]).encode()


def read(counts):
    """Instructions and allocations, of a file in callgrind's format: `cfn=` is who is called, `calls=` how often."""
    names, called, instructions, allocations = {}, None, None, 0
    with counts.open() as lines:
        for line in lines:
            if function := re.match(r"(c?)fn=\((\d+)\)(?: ([^'\n]*))?", line):
                called, number, name = function.groups()
                names.setdefault(number, name)
                called = called and names[number]
            elif line.startswith("calls=") and called in ALLOCATIONS:
                allocations += int(line.removeprefix("calls=").split()[0])
            elif line.startswith("totals:"):
                instructions = int(line.split()[1])
    return instructions, allocations
