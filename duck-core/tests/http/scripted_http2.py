"""Speaks HTTP/2 to a site at HOST:PORT as no polite client does, and sees that it reacts as RFC 9113 asks.

    python3 scripted_http2.py HOST PORT

Header blocks are those of the library `hpack`, what the site sends is read with `hyperframe`, and one client is that
of `h2`. Where the RFC leaves room, each of the reactions that it allows is taken: a stream error may be a connection
error (5.4.2), and a malformed request may be answered with 400 (8.1.1). Prints how many checks there were; the exit
code is 1 if one failed.

The Rust crate h2, which speaks the protocol for the site, departs from the RFC in four things, none of which lets a
client do more. They are taken here, and those that occurred are printed: PROTOCOL_ERROR in place of a more specific
code (7), and answers to a client whose first frame is not SETTINGS (3.4), to one that sends a pseudo-header in trailers
(8.1), which nobody reads, and to one that sends spaces around a value (8.2.1).
"""

import socket
import struct
import sys
import time

import h2.config
import h2.connection
import h2.events
import hpack
import hyperframe.frame as hyper

HOST, PORT = sys.argv[1], int(sys.argv[2])
PATIENCE = 15  # seconds
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, END_HEADERS, PADDED, HAS_PRIORITY, ACK = 0x1, 0x4, 0x8, 0x20, 0x1
WHOLE = END_STREAM | END_HEADERS
NO_ERROR, PROTOCOL, INTERNAL, FLOW_CONTROL, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE, REFUSED = range(8)
COMPRESSION, CALM = 9, 11
ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE = 2, 3, 4, 5
checks, failures, departures = 0, [], []


def is_right(code, codes):
    """Whether it is one of these; or the unspecific one, which is noted."""
    if code == PROTOCOL and code not in codes:
        departures.append(f"PROTOCOL_ERROR for code {codes[0]}")
        return True
    return code in codes


def u32(number):
    return struct.pack(">I", number)


def setting(name, value):
    return struct.pack(">HI", name, value)


def block(fields):
    """A header block that takes nothing for known but the static table."""
    return hpack.Encoder().encode(fields)


def request(method="GET", path="/", *more, without=(), first=()):
    fields = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "test")]
    return [*first, *(field for field in fields if field[0] not in without), *more]


GETS = block(request())
POSTS = block(request("POST", "/echo"))
WAITS = block(request("GET", "/wait"))


class Peer:
    """A connection that says what it is told to."""

    def __init__(self, settings=b"", preface=PREFACE):
        self.socket = socket.create_connection((HOST, PORT), PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.decoder, self.unread, self.is_over = hpack.Decoder(), b"", False
        self.settings, self.window = {}, 65535
        self.write(preface)
        if preface == PREFACE:
            self.send(SETTINGS, payload=settings)

    def write(self, data):
        """Writes it, unless the site has ended the connection, or takes no more of it."""
        try:
            self.socket.sendall(data)
        except (ConnectionError, TimeoutError):
            self.is_over = True

    def send(self, kind, flags=0, stream=0, payload=b""):
        self.write(struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + u32(stream) + payload)

    def next(self):
        """The next frame; None at the end of the connection. Settings and pings are acknowledged."""
        while True:
            if len(self.unread) >= 9:
                frame, length = hyper.Frame.parse_frame_header(memoryview(self.unread[:9]))
                if len(self.unread) >= 9 + length:
                    frame.parse_body(memoryview(self.unread[9:9 + length]))
                    self.unread = self.unread[9 + length:]
                    return self.seen(frame)
            try:
                more = self.socket.recv(65536)
            except ConnectionError:
                return None
            except TimeoutError:
                raise AssertionError("nothing came") from None
            if not more:
                return None
            self.unread += more

    def seen(self, frame):
        if isinstance(frame, hyper.SettingsFrame) and "ACK" not in frame.flags:
            self.settings.update(frame.settings)
            self.send(SETTINGS, ACK)
        if isinstance(frame, hyper.PingFrame) and "ACK" not in frame.flags:
            self.send(PING, ACK, 0, frame.opaque_data)
        if isinstance(frame, hyper.WindowUpdateFrame) and frame.stream_id == 0:
            self.window += frame.window_increment
        if isinstance(frame, hyper.HeadersFrame):
            frame.fields = dict(self.decoder.decode(frame.data))
        return frame

    def all_was_read(self):
        """Waits until the site has read all that was sent."""
        self.send(PING, 0, 0, b"read all")
        while True:
            frame = self.next()
            assert frame is not None, "the connection ended"
            assert not isinstance(frame, hyper.GoAwayFrame), f"GOAWAY with {frame.error_code}"
            if isinstance(frame, hyper.PingFrame) and frame.opaque_data == b"read all":
                return

    def answer(self, stream):
        """The status and body of a whole answer."""
        status, body = None, b""
        while True:
            frame = self.next()
            assert frame is not None, f"the connection ended before an answer on {stream}"
            assert not isinstance(frame, hyper.GoAwayFrame), f"GOAWAY with {frame.error_code}"
            if frame.stream_id != stream:
                continue
            assert not isinstance(frame, hyper.RstStreamFrame), f"RST_STREAM with {frame.error_code}"
            if isinstance(frame, hyper.HeadersFrame) and ":status" in frame.fields:
                status = int(frame.fields[":status"])
            if isinstance(frame, hyper.DataFrame):
                body += frame.data
            if "END_STREAM" in frame.flags:
                return status, body

    def lives(self, stream):
        """A request on this stream is answered as ever."""
        self.send(HEADERS, WHOLE, stream, GETS)
        got = self.answer(stream)
        assert got == (200, b"home"), got

    def goes_away(self, *codes, may_just_end=False):
        """The connection ends, with one of these codes."""
        code = None
        while (frame := self.next()) is not None:
            if isinstance(frame, hyper.GoAwayFrame) and frame.error_code != NO_ERROR:
                code = frame.error_code
        is_good = is_right(code, codes) or code is None and may_just_end
        assert is_good, f"the connection ended with {code}, not with {codes}"

    def resets(self, stream, *codes, status=(400,), may_just_end=False):
        """One stream ends with one of these codes, or is answered so; or the whole connection ends."""
        while True:
            frame = self.next()
            if frame is None and may_just_end:
                return
            assert frame is not None, "the connection ended without a word"
            if isinstance(frame, hyper.GoAwayFrame):
                assert is_right(frame.error_code, codes), f"GOAWAY with {frame.error_code}, not with {codes}"
                return self.socket.close()
            if frame.stream_id != stream:
                continue
            if isinstance(frame, hyper.RstStreamFrame):
                assert is_right(frame.error_code, codes), f"RST_STREAM with {frame.error_code}, not with {codes}"
                break
            if isinstance(frame, hyper.HeadersFrame):
                got = int(frame.fields.get(":status", 0))
                assert got in status, f"answered with {got}"
                if got == 200:
                    departures.append("an answer in place of an error")
                break
        self.lives(stream + 100)


def check(what, run):
    global checks
    checks += 1
    try:
        run()
    except Exception as error:
        failures.append(f"{what}: {error!r}")


def connection_errors():
    """After these frames the connection ends."""
    half = len(GETS) // 2
    opens = (HEADERS, END_HEADERS, 1, POSTS)
    waits = (HEADERS, WHOLE, 1, WAITS)
    begins = (HEADERS, END_STREAM, 1, GETS[:half])
    cases = [
        # 5.1.1, 6: which stream a frame may be on.
        ("DATA on stream 0", [(DATA, 0, 0, b"x")], [PROTOCOL]),
        ("HEADERS on stream 0", [(HEADERS, WHOLE, 0, GETS)], [PROTOCOL]),
        ("PRIORITY on stream 0", [(PRIORITY, 0, 0, u32(0) + b"\x0f")], [PROTOCOL]),
        ("RST_STREAM on stream 0", [(RST_STREAM, 0, 0, u32(8))], [PROTOCOL]),
        ("CONTINUATION on stream 0", [(CONTINUATION, END_HEADERS, 0, GETS)], [PROTOCOL]),
        ("SETTINGS on a stream", [(SETTINGS, 0, 1, b"")], [PROTOCOL]),
        ("PING on a stream", [(PING, 0, 1, b"12345678")], [PROTOCOL]),
        ("GOAWAY on a stream", [(GOAWAY, 0, 1, u32(0) + u32(0))], [PROTOCOL]),
        ("PUSH_PROMISE from a client", [opens, (PUSH_PROMISE, END_HEADERS, 1, u32(2) + GETS)], [PROTOCOL]),
        ("a stream with an even number", [(HEADERS, WHOLE, 2, GETS)], [PROTOCOL]),
        ("a stream below one that was opened", [(HEADERS, WHOLE, 5, GETS), (HEADERS, WHOLE, 3, GETS)],
         [PROTOCOL, STREAM_CLOSED]),
        # 5.1: idle streams.
        ("DATA on an idle stream", [(DATA, END_STREAM, 1, b"x")], [PROTOCOL]),
        ("RST_STREAM on an idle stream", [(RST_STREAM, 0, 1, u32(8))], [PROTOCOL]),
        ("WINDOW_UPDATE on an idle stream", [(WINDOW_UPDATE, 0, 1, u32(1))], [PROTOCOL]),
        ("CONTINUATION of nothing", [(CONTINUATION, END_HEADERS, 1, GETS)], [PROTOCOL]),
        ("CONTINUATION after the end of a block", [opens, (CONTINUATION, END_HEADERS, 1, GETS)], [PROTOCOL]),
        ("CONTINUATION after the end of a stream", [waits, (CONTINUATION, END_HEADERS, 1, GETS)],
         [PROTOCOL, STREAM_CLOSED]),
        # 4.3, 6.10: a block of headers is not interrupted.
        ("PING within a block", [begins, (PING, 0, 0, b"12345678")], [PROTOCOL]),
        ("SETTINGS within a block", [begins, (SETTINGS, 0, 0, b"")], [PROTOCOL]),
        ("DATA within a block", [begins, (DATA, 0, 1, b"x")], [PROTOCOL]),
        ("RST_STREAM within a block", [begins, (RST_STREAM, 0, 1, u32(8))], [PROTOCOL]),
        ("HEADERS within a block", [begins, (HEADERS, WHOLE, 1, GETS)], [PROTOCOL]),
        ("HEADERS of another stream within a block", [begins, (HEADERS, WHOLE, 3, GETS)], [PROTOCOL]),
        ("CONTINUATION of another stream", [begins, (CONTINUATION, END_HEADERS, 3, GETS[half:])], [PROTOCOL]),
        ("an unknown frame within a block", [begins, (0xBE, 0, 1, b"x")], [PROTOCOL]),
        # 4.2, 6: lengths.
        ("HEADERS above SETTINGS_MAX_FRAME_SIZE", [(HEADERS, WHOLE, 1, GETS + b"\0" * 16384)], [FRAME_SIZE]),
        ("SETTINGS of 5 bytes", [(SETTINGS, 0, 0, b"12345")], [FRAME_SIZE]),
        ("an acknowledgement of SETTINGS with a payload", [(SETTINGS, ACK, 0, setting(1, 1))], [FRAME_SIZE]),
        ("PING of 7 bytes", [(PING, 0, 0, b"1234567")], [FRAME_SIZE]),
        ("PING of 9 bytes", [(PING, 0, 0, b"123456789")], [FRAME_SIZE]),
        ("PING of nothing", [(PING, 0, 0, b"")], [FRAME_SIZE]),
        ("RST_STREAM of 3 bytes", [opens, (RST_STREAM, 0, 1, b"123")], [FRAME_SIZE]),
        ("RST_STREAM of 5 bytes", [opens, (RST_STREAM, 0, 1, b"12345")], [FRAME_SIZE]),
        ("WINDOW_UPDATE of 3 bytes", [(WINDOW_UPDATE, 0, 0, b"123")], [FRAME_SIZE]),
        ("WINDOW_UPDATE of 5 bytes", [(WINDOW_UPDATE, 0, 0, b"12345")], [FRAME_SIZE]),
        ("GOAWAY of 4 bytes", [(GOAWAY, 0, 0, u32(0))], [FRAME_SIZE, PROTOCOL]),
        # 6.5.2: settings that no client may have.
        ("ENABLE_PUSH of 2", [(SETTINGS, 0, 0, setting(ENABLE_PUSH, 2))], [PROTOCOL]),
        ("MAX_FRAME_SIZE of 16383", [(SETTINGS, 0, 0, setting(MAX_FRAME_SIZE, 16383))], [PROTOCOL]),
        ("MAX_FRAME_SIZE of 2^24", [(SETTINGS, 0, 0, setting(MAX_FRAME_SIZE, 1 << 24))], [PROTOCOL]),
        ("INITIAL_WINDOW_SIZE of 2^31", [(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 1 << 31))], [FLOW_CONTROL]),
        # 6.9: windows.
        ("a window that grows by 0", [(WINDOW_UPDATE, 0, 0, u32(0))], [PROTOCOL]),
        ("a window above 2^31 - 1", [(WINDOW_UPDATE, 0, 0, u32((1 << 31) - 1))], [FLOW_CONTROL]),
        ("streams' windows above 2^31 - 1", [waits, (WINDOW_UPDATE, 0, 1, u32((1 << 31) - 1 - 65535)),
         (SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 65536))], [FLOW_CONTROL]),
        # 6.1, 6.2: padding.
        ("DATA with more padding than it has room for", [opens, (DATA, PADDED, 1, b"\x05abcd")], [PROTOCOL]),
        ("HEADERS with more padding than they have room for", [(HEADERS, WHOLE | PADDED, 1, b"\xff" + GETS)], [PROTOCOL]),
        ("padded DATA of nothing", [opens, (DATA, PADDED, 1, b"")], [PROTOCOL, FRAME_SIZE]),
        # RFC 7541: what cannot be decompressed.
        ("an index of 0", [(HEADERS, WHOLE, 1, b"\x80")], [COMPRESSION]),
        ("an index that nothing has", [(HEADERS, WHOLE, 1, GETS + b"\xff\x80\x01")], [COMPRESSION]),
        ("an index without an end", [(HEADERS, WHOLE, 1, b"\xff" + b"\xff" * 20)], [COMPRESSION]),
        ("a field that breaks off", [(HEADERS, WHOLE, 1, GETS + b"\x40\x05ab")], [COMPRESSION]),
        ("a table larger than was allowed", [(HEADERS, WHOLE, 1, b"\x3f\xe1\xff\x03" + GETS)], [COMPRESSION]),
        ("a size of the table behind a field", [(HEADERS, WHOLE, 1, GETS + b"\x20")], [COMPRESSION]),
        ("padding of Huffman's that is too long", [(HEADERS, WHOLE, 1, GETS + b"\x00\x01x\x82\x1f\xff")], [COMPRESSION]),
        ("padding of Huffman's that is no padding", [(HEADERS, WHOLE, 1, GETS + b"\x00\x01x\x81\x18")], [COMPRESSION]),
        ("the end of Huffman's code", [(HEADERS, WHOLE, 1, GETS + b"\x00\x01x\x84\xff\xff\xff\xff")], [COMPRESSION]),
    ]
    for what, frames, codes in cases:
        def run(frames=frames, codes=codes):
            peer = Peer()
            for frame in frames:
                peer.send(*frame)
            # Of what it did not read, the system may make an end without a word.
            peer.goes_away(*codes, may_just_end=sum(len(frame[3]) for frame in frames) > 16384)
        check(what, run)


def stream_errors():
    """After these frames one stream ends."""
    opens = (HEADERS, END_HEADERS, 1, POSTS)
    waits = (HEADERS, WHOLE, 1, WAITS)
    is_over = [(HEADERS, END_HEADERS, 1, POSTS), (RST_STREAM, 0, 1, u32(8))]
    cases = [
        ("DATA above SETTINGS_MAX_FRAME_SIZE", [opens, (DATA, END_STREAM, 1, b"x" * 16385)], [FRAME_SIZE]),
        ("DATA after the end of a stream", [waits, (DATA, END_STREAM, 1, b"x")], [STREAM_CLOSED]),
        ("HEADERS after the end of a stream", [waits, (HEADERS, WHOLE, 1, GETS)], [STREAM_CLOSED, PROTOCOL]),
        ("HEADERS after RST_STREAM", [*is_over, (HEADERS, WHOLE, 1, GETS)], [STREAM_CLOSED, PROTOCOL]),
        ("a stream's window that grows by 0", [waits, (WINDOW_UPDATE, 0, 1, u32(0))], [PROTOCOL]),
        ("a stream's window above 2^31 - 1", [waits, (WINDOW_UPDATE, 0, 1, u32((1 << 31) - 1))], [FLOW_CONTROL]),
        ("PRIORITY of 4 bytes", [waits, (PRIORITY, 0, 1, b"1234")], [FRAME_SIZE]),
        ("trailers that do not end the stream", [opens, (HEADERS, END_HEADERS, 1, block([("x", "y")]))], [PROTOCOL]),
    ]
    for what, frames, codes in cases:
        def run(frames=frames, codes=codes):
            peer = Peer()
            for frame in frames:
                peer.send(*frame)
            peer.resets(1, *codes, may_just_end=len(frames[-1][3]) > 16384)
        check(what, run)

    def after_the_answer(kind, payload):
        peer = Peer()
        peer.lives(1)
        peer.send(kind, WHOLE, 1, payload)
        peer.resets(1, STREAM_CLOSED, PROTOCOL)
    check("DATA after the answer", lambda: after_the_answer(DATA, b"x"))
    check("HEADERS after the answer", lambda: after_the_answer(HEADERS, GETS))

    def pseudo_trailers():
        peer = Peer()
        peer.send(*opens)
        peer.send(HEADERS, WHOLE, 1, block([(":path", "/large"), ("x", "y")]))
        peer.resets(1, PROTOCOL, status=(200, 400))
    check("trailers with a pseudo-header", pseudo_trailers)

    def data_after_reset():
        peer = Peer()
        for frame in [*is_over, (DATA, END_STREAM, 1, b"x")]:
            peer.send(*frame)
        peer.send(PING, 0, 0, b"reset it")
        while not isinstance(frame := peer.next(), hyper.PingFrame):
            assert frame is not None, "the connection ended without a word"
            if isinstance(frame, (hyper.RstStreamFrame, hyper.GoAwayFrame)):
                assert frame.error_code == STREAM_CLOSED, frame
                return
        peer.lives(3)  # it may have been on its way: 5.1
    check("DATA after RST_STREAM", data_after_reset)

    def too_many_streams():
        peer = Peer()
        peer.lives(1)
        most = peer.settings[MAX_CONCURRENT_STREAMS]
        assert most >= 100, f"{most} streams: 6.5.2 recommends 100 or more"
        for stream in range(3, 2 * most + 7, 2):
            peer.send(HEADERS, WHOLE, stream, WAITS)
        while True:
            frame = peer.next()
            assert frame is not None, "the connection ended without a word"
            if isinstance(frame, (hyper.RstStreamFrame, hyper.GoAwayFrame)):
                assert frame.error_code in (REFUSED, PROTOCOL, CALM), frame
                return
    check("more streams than SETTINGS_MAX_CONCURRENT_STREAMS", too_many_streams)

    def more_than_the_window():
        peer = Peer()
        peer.send(HEADERS, END_HEADERS, 1, WAITS)  # which does not read its body
        peer.all_was_read()
        room = max(peer.settings.get(INITIAL_WINDOW_SIZE, 65535), peer.window)
        for _ in range(room // 16384 + 4):
            peer.send(DATA, 0, 1, b"x" * 16384)
        peer.resets(1, FLOW_CONTROL, status=(), may_just_end=True)
    check("DATA above the window", more_than_the_window)


def malformed():
    """8.1.1: requests that are none. One stream ends, and the others go on."""
    cases = [
        ("no :method", request(without=[":method"])),
        ("no :scheme", request(without=[":scheme"])),
        ("no :path", request(without=[":path"])),
        ("an empty :path", request(path="")),
        ("a :path without a slash", request(path="home")),
        ("a :path that is a URL of another site", request(path="http://elsewhere/")),
        (":method twice", request(first=[(":method", "GET")])),
        (":scheme twice", request(first=[(":scheme", "http")])),
        (":path twice", request(first=[(":path", "/")])),
        (":authority twice", request(first=[(":authority", "test")])),
        ("an unknown pseudo-header", request(first=[(":nope", "x")])),
        (":status in a request", request(first=[(":status", "200")])),
        (":protocol that was not agreed on", request(first=[(":protocol", "websocket")])),
        ("a pseudo-header behind a header", [("x", "y"), *request()]),
        ("an empty :method", request(method="")),
        ("a :method with a space", request(method="GET /")),
        ("CONNECT with a :path", request(method="CONNECT")),
        ("an :authority with a user", [(name, "me@test" if name == ":authority" else value) for name, value in request()]),
        ("a name in capitals", request("GET", "/", ("X-Duck", "y"))),
        ("a name with a space", request("GET", "/", ("x duck", "y"))),
        ("a name with a colon", request("GET", "/", ("x:duck", "y"))),
        ("a name with a line in it", request("GET", "/", ("x\r\nduck", "y"))),
        ("a name with a zero", request("GET", "/", ("x\0duck", "y"))),
        ("a name beyond ASCII", request("GET", "/", ("x\u00e4", "y"))),
        ("an empty name", request("GET", "/", ("", "y"))),
        ("a value with a line end", request("GET", "/", ("x", "y\nz: 1"))),
        ("a value with a carriage return", request("GET", "/", ("x", "y\rz"))),
        ("a value with a zero", request("GET", "/", ("x", "y\0z"))),
        ("connection", request("GET", "/", ("connection", "close"))),
        ("keep-alive", request("GET", "/", ("keep-alive", "timeout=5"))),
        ("proxy-connection", request("GET", "/", ("proxy-connection", "close"))),
        ("transfer-encoding", request("GET", "/", ("transfer-encoding", "chunked"))),
        ("upgrade", request("GET", "/", ("upgrade", "websocket"))),
        ("te that is not trailers", request("GET", "/", ("te", "gzip"))),
        ("content-length without a body", request("POST", "/echo", ("content-length", "5"))),
        ("content-length that is no number", request("POST", "/echo", ("content-length", "five"))),
        ("content-length that is negative", request("POST", "/echo", ("content-length", "-1"))),
        ("two values of content-length", request("POST", "/echo", ("content-length", "0"), ("content-length", "5"))),
    ]
    for what, fields in cases:
        def run(fields=fields):
            peer = Peer()
            peer.send(HEADERS, WHOLE, 1, block(fields))
            peer.resets(1, PROTOCOL)
        check(what, run)
    for what, length, pieces in [("a body shorter than its content-length", 5, [b"four"]),
                                 ("a body longer than its content-length", 5, [b"sixsix"]),
                                 ("a body in pieces that is longer", 5, [b"abc", b"def"]),
                                 ("a body where content-length is 0", 0, [b"x"])]:
        def run(length=length, pieces=pieces):
            peer = Peer()
            fields = request("POST", "/echo", ("content-length", str(length)))
            peer.send(HEADERS, END_HEADERS, 1, block(fields))
            for number, piece in enumerate(pieces):
                peer.send(DATA, END_STREAM if number == len(pieces) - 1 else 0, 1, piece)
            peer.resets(1, PROTOCOL)
        check(what, run)

    def spaces(name, value, *status):
        peer = Peer()
        peer.send(HEADERS, WHOLE, 1, block(request("GET", "/", (name, value))))
        peer.resets(1, PROTOCOL, status=status)
    check("a space before a value", lambda: spaces("x", " y", 200, 400))
    check("a tab behind a value", lambda: spaces("x", "y\t", 200, 400))
    check("a space before a length", lambda: spaces("content-length", " 5", 400))
    check("a space before a host", lambda: spaces("host", " test", 400))

    def two_hosts():
        peer = Peer()
        peer.send(HEADERS, WHOLE, 1, block(request("GET", "/", ("host", "elsewhere"))))
        peer.resets(1, PROTOCOL, status=(400, 421))
    check("a host beside another :authority", two_hosts)

    def large():
        peer = Peer()
        data = block(request("GET", "/", *((f"x-{number}", "y" * 1000) for number in range(100))))
        pieces = [data[at:at + 16384] for at in range(0, len(data), 16384)]
        for number, piece in enumerate(pieces):
            kind, last = HEADERS if number == 0 else CONTINUATION, number == len(pieces) - 1
            flags = (END_STREAM if number == 0 else 0) | (END_HEADERS if last else 0)
            peer.send(kind, flags, 1, piece)
        peer.resets(1, PROTOCOL, CALM, REFUSED, COMPRESSION, status=(400, 431))
    check("100 kB of headers", large)


def allowed():
    """What is unusual and no mistake."""
    def sends(*frames, stream=1, settings=b""):
        def run():
            peer = Peer(settings)
            for frame in frames:
                peer.send(*frame)
            peer.all_was_read()
            peer.lives(stream)
        return run
    own = u32(1) + b"\x0f"
    check("an unknown frame", sends((0xBE, 0xFF, 0, b"x" * 100)))
    check("an unknown frame on an idle stream", sends((0xBE, 0, 7, b"")))
    check("an unknown setting", sends(settings=setting(0xBEEF, 7)))
    check("a setting twice", sends(settings=setting(INITIAL_WINDOW_SIZE, 0) + setting(INITIAL_WINDOW_SIZE, 65535)))
    check("the largest frames and windows", sends(settings=setting(MAX_FRAME_SIZE, (1 << 24) - 1)
                                                  + setting(INITIAL_WINDOW_SIZE, (1 << 31) - 1)))
    check("a table of nothing", sends(settings=setting(1, 0)))
    check("ENABLE_PUSH of 1", sends(settings=setting(ENABLE_PUSH, 1)))
    check("unknown flags", sends((PING, 0xFE, 0, b"12345678"), (SETTINGS, 0xF0, 0, b"")))
    check("the reserved bit of a stream", sends((PRIORITY, 0, 1 | 1 << 31, u32(0) + b"\x0f"), stream=3))
    check("the answer to a ping that nobody sent", sends((PING, ACK, 0, b"12345678")))
    check("PRIORITY on an idle stream", sends((PRIORITY, 0, 99, u32(0) + b"\x0f")))
    check("PRIORITY of a stream before all others", sends((PRIORITY, 0, 3, u32(1 | 1 << 31) + b"\xff")))

    def after_the_answer(kind, payload):
        peer = Peer()
        peer.lives(1)
        peer.send(kind, 0, 1, payload)
        peer.all_was_read()
        peer.lives(3)
    check("WINDOW_UPDATE after the answer", lambda: after_the_answer(WINDOW_UPDATE, u32(1)))
    check("RST_STREAM after the answer", lambda: after_the_answer(RST_STREAM, u32(8)))
    check("PRIORITY after the answer", lambda: after_the_answer(PRIORITY, u32(0) + b"\x0f"))

    def on_itself(*frames):
        """RFC 9113 has no dependencies any more, so nothing happens; RFC 7540 made it an error of the stream."""
        peer = Peer()
        for frame in frames:
            peer.send(*frame)
        peer.send(PING, 0, 0, b"depends!")
        while not isinstance(frame := peer.next(), hyper.PingFrame):
            assert frame is not None, "the connection ended without a word"
            if isinstance(frame, (hyper.RstStreamFrame, hyper.GoAwayFrame)):
                assert frame.error_code == PROTOCOL, frame
                return
        peer.lives(3)
    check("PRIORITY of a stream that depends on itself", lambda: on_itself((PRIORITY, 0, 1, own)))
    check("HEADERS of a stream that depends on itself",
          lambda: on_itself((HEADERS, WHOLE | HAS_PRIORITY, 1, own + GETS)))

    def answers(fields, expected, *frames):
        def run():
            peer = Peer()
            peer.send(HEADERS, END_HEADERS if frames else WHOLE, 1, block(fields))
            for frame in frames:
                peer.send(*frame)
            got = peer.answer(1)
            assert got == expected, got
        return run
    check("te: trailers", answers(request("GET", "/", ("te", "trailers")), (200, b"home")))
    check("a body with its content-length", answers(request("POST", "/echo", ("content-length", "5")), (200, b"quack"),
                                                    (DATA, END_STREAM, 1, b"quack")))
    check("a body in pieces, padded, with an empty one", answers(
        request("POST", "/echo"), (200, b"quack"), (DATA, PADDED, 1, b"\x03qu\0\0\0"), (DATA, 0, 1, b""),
        (DATA, 0, 1, b"ack"), (DATA, END_STREAM, 1, b"")))
    check("trailers", answers(request("POST", "/echo"), (200, b"quack"), (DATA, 0, 1, b"quack"),
                              (HEADERS, WHOLE, 1, block([("x-sum", "5")]))))
    check("a host that is the :authority", answers(request("GET", "/", ("host", "test")), (200, b"home")))
    check("a host in place of :authority", answers(request("GET", "/", ("host", "test"), without=[":authority"]),
                                                   (200, b"home")))

    def in_many_frames(*cuts):
        peer = Peer()
        peer.send(HEADERS, END_STREAM, 1, GETS[:cuts[0]])
        for begin, end in zip(cuts, cuts[1:]):
            peer.send(CONTINUATION, 0, 1, GETS[begin:end])
        peer.send(CONTINUATION, END_HEADERS, 1, GETS[cuts[-1]:])
        assert peer.answer(1) == (200, b"home")
    check("headers in two frames", lambda: in_many_frames(3))
    check("headers in four frames, one of them empty", lambda: in_many_frames(1, 5, 5))

    def ping():
        peer = Peer()
        for number in range(10):
            peer.send(PING, 0, 0, number.to_bytes(8, "big"))
        got = []
        while len(got) < 10:
            frame = peer.next()
            if isinstance(frame, hyper.PingFrame):
                assert "ACK" in frame.flags
                got.append(int.from_bytes(frame.opaque_data, "big"))
        assert got == list(range(10)), got
    check("pings are answered with what was in them", ping)

    def settings_are_acknowledged():
        peer = Peer()
        for _ in range(5):
            peer.send(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 65535))
        first, acknowledged = peer.next(), 0
        assert isinstance(first, hyper.SettingsFrame) and "ACK" not in first.flags, f"the server began with {first}"
        while acknowledged < 6:
            frame = peer.next()
            acknowledged += isinstance(frame, hyper.SettingsFrame) and "ACK" in frame.flags
    check("the server's preface, and each SETTINGS is acknowledged", settings_are_acknowledged)


def windows():
    """6.9: the server sends no more than it may."""
    def data(peer, stream):
        while True:
            frame = peer.next()
            assert frame is not None and not isinstance(frame, (hyper.GoAwayFrame, hyper.RstStreamFrame)), frame
            if isinstance(frame, hyper.DataFrame) and frame.stream_id == stream and frame.data:
                return frame.data

    def is_quiet(peer, stream):
        """Nothing of a stream comes before the answer to a ping."""
        peer.send(PING, 0, 0, b"quiet??!")
        while True:
            frame = peer.next()
            assert not (isinstance(frame, hyper.DataFrame) and frame.data), f"{len(frame.data)} bytes too many"
            if isinstance(frame, hyper.PingFrame) and frame.opaque_data == b"quiet??!":
                return

    def byte_for_byte():
        peer = Peer(setting(INITIAL_WINDOW_SIZE, 1))
        peer.send(HEADERS, WHOLE, 1, GETS)
        for byte in b"home":
            assert data(peer, 1) == bytes([byte])
            is_quiet(peer, 1)
            peer.send(WINDOW_UPDATE, 0, 1, u32(1))
    check("a window of one byte", byte_for_byte)

    def closed_then_opened():
        peer = Peer(setting(INITIAL_WINDOW_SIZE, 0))
        peer.send(HEADERS, WHOLE, 1, GETS)
        while not isinstance(peer.next(), hyper.HeadersFrame):
            pass
        is_quiet(peer, 1)
        peer.send(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 3))
        assert data(peer, 1) == b"hom"
        is_quiet(peer, 1)
        # Three are sent of a window that is two now: it is below zero, and opens at two.
        peer.send(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 2))
        peer.send(WINDOW_UPDATE, 0, 1, u32(1))
        is_quiet(peer, 1)
        peer.send(WINDOW_UPDATE, 0, 1, u32(1))
        assert data(peer, 1) == b"e"
    check("a window of nothing, one that opens, and one below zero", closed_then_opened)

    def of_the_connection():
        peer = Peer(setting(INITIAL_WINDOW_SIZE, (1 << 31) - 1))
        peer.send(HEADERS, WHOLE, 1, block(request("GET", "/large")))
        taken = 0
        while taken < 65535:
            taken += len(data(peer, 1))
        assert taken == 65535, f"{taken} bytes"
        is_quiet(peer, 1)
        peer.send(WINDOW_UPDATE, 0, 0, u32(7))
        assert len(data(peer, 1)) == 7
        peer.send(RST_STREAM, 0, 1, u32(8))
        peer.send(WINDOW_UPDATE, 0, 0, u32(65535))
        peer.lives(3)
    check("the window of the connection", of_the_connection)


def prefaces():
    """3.4: what comes first."""
    for what, preface in [("a preface that ends otherwise", PREFACE[:-6] + b"XX\r\n\r\n"),
                          ("a preface in small letters", PREFACE.lower()),
                          ("half a preface", PREFACE[:12] + b"\r\n\r\n")]:
        def run(preface=preface):
            peer = Peer(preface=preface)
            peer.socket.settimeout(PATIENCE)
            answer = b""
            try:
                while more := peer.socket.recv(65536):
                    answer += more
            except ConnectionError:
                pass
            assert b" 200 " not in answer.split(b"\r\n")[0] and b"home" not in answer, answer
        check(what, run)

    def no_settings():
        peer = Peer(preface=PREFACE[:0])
        peer.write(PREFACE)
        peer.send(HEADERS, WHOLE, 1, GETS)
        while (frame := peer.next()) is not None:
            if isinstance(frame, hyper.GoAwayFrame):
                assert frame.error_code == PROTOCOL, frame
            if isinstance(frame, hyper.HeadersFrame):
                departures.append("an answer in place of an error")
                return
    check("a preface without SETTINGS", no_settings)


def floods():
    """10.5: what costs a client nothing. The connection may end, and others do not notice."""
    def flood(what, begin, again, most, *codes, has_to_end):
        def run():
            peer = Peer()
            peer.socket.settimeout(5)
            for frame in begin:
                peer.send(*frame)
            sent, start = 0, time.monotonic()
            while not peer.is_over and sent < most:
                peer.write(again(sent))
                sent += 1
            if has_to_end and not peer.is_over:
                peer.goes_away(*codes, may_just_end=True)
            took = time.monotonic() - start
            Peer().lives(1)
            print(f"  {what}: {'ended' if peer.is_over or has_to_end else 'read'}, {sent} sent in {took:.1f} s")
        check(what, run)

    def frame(kind, flags, stream, payload):
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + u32(stream) + payload

    def resets(number):
        stream = 2 * number + 1
        return frame(HEADERS, WHOLE, stream, WAITS) + frame(RST_STREAM, 0, stream, u32(8))
    begins = [(HEADERS, END_STREAM, 1, GETS)]
    field = b"\x00\x04x-yz\x64" + b"v" * 100
    flood("requests that are taken back", [], resets, 20_000, CALM, PROTOCOL, has_to_end=True)
    flood("headers without an end", begins, lambda _: frame(CONTINUATION, 0, 1, field * 100), 20_000,
          CALM, PROTOCOL, COMPRESSION, INTERNAL, has_to_end=True)
    flood("headers without an end, of nothing", begins, lambda _: frame(CONTINUATION, 0, 1, b"") * 100, 20_000,
          CALM, PROTOCOL, COMPRESSION, INTERNAL, has_to_end=True)
    flood("settings whose answers nobody reads", [],
          lambda _: frame(SETTINGS, 0, 0, setting(INITIAL_WINDOW_SIZE, 1)) * 1000, 20_000, CALM, has_to_end=True)
    flood("pings whose answers nobody reads", [], lambda _: frame(PING, 0, 0, b"12345678") * 1000, 20_000, CALM,
          has_to_end=True)
    flood("requests that are malformed", [],
          lambda number: frame(HEADERS, WHOLE, 2 * number + 1, block([("x", "y")])), 20_000, CALM, PROTOCOL,
          has_to_end=True)
    flood("DATA of nothing", [(HEADERS, END_HEADERS, 1, POSTS)], lambda _: frame(DATA, 0, 1, b"") * 100, 1000,
          CALM, has_to_end=False)
    flood("PRIORITY", [], lambda number: frame(PRIORITY, 0, 2 * number + 1, u32(0) + b"\x0f") * 100, 1000, CALM,
          has_to_end=False)
    flood("windows that grow by one", [(HEADERS, END_HEADERS, 1, POSTS)],
          lambda _: frame(WINDOW_UPDATE, 0, 1, u32(1)) * 100, 1000, CALM, has_to_end=False)
    flood("unknown frames", [], lambda _: frame(0xBE, 0, 0, b"") * 100, 1000, CALM, has_to_end=False)


def as_everybody_does():
    """The client of `h2`: many streams at once, bodies larger than windows."""
    def run():
        client = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        client.initiate_connection()
        connection = socket.create_connection((HOST, PORT), PATIENCE)
        body, got, ended = b"quack " * 50_000, {}, set()
        unsent = {}
        for number in range(20):
            stream = client.get_next_available_stream_id()
            is_post = number % 4 == 0
            client.send_headers(stream, request("POST", "/echo") if is_post else request(), end_stream=not is_post)
            if is_post:
                unsent[stream] = body
            got[stream] = b""
        while len(ended) < len(got):
            for stream, rest in list(unsent.items()):
                room = min(client.local_flow_control_window(stream), client.max_outbound_frame_size, len(rest))
                if room > 0:
                    client.send_data(stream, rest[:room], end_stream=room == len(rest))
                    unsent[stream] = rest[room:]
                    if room == len(rest):
                        del unsent[stream]
            connection.sendall(client.data_to_send())
            if any(client.local_flow_control_window(stream) > 0 for stream in unsent):
                continue
            data = connection.recv(65536)
            assert data, "the connection ended"
            for event in client.receive_data(data):
                if isinstance(event, h2.events.DataReceived):
                    got[event.stream_id] += event.data
                    client.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                if isinstance(event, h2.events.StreamEnded):
                    ended.add(event.stream_id)
                assert not isinstance(event, (h2.events.StreamReset, h2.events.ConnectionTerminated)), event
        for number, stream in enumerate(got):
            assert got[stream] == (body if number % 4 == 0 else b"home"), f"stream {stream}: {len(got[stream])} bytes"
        client.close_connection()
        connection.sendall(client.data_to_send())
    check("twenty requests at once", run)


for part in [prefaces, allowed, windows, connection_errors, stream_errors, malformed, floods, as_everybody_does]:
    part()
for failure in failures:
    print(f"FAILED {failure}")
for departure in sorted(set(departures)):
    print(f"  {departures.count(departure)} times: {departure}")
print(f"{checks} checks, {len(failures)} failed (h2 {h2.__version__})")
sys.exit(1 if failures else 0)
