"""Talks to an echo at ws://HOST:PORT/echo, with frames as the library `websockets` makes and reads them.

    python3 client.py HOST PORT

Each case says which frames are sent, and which the server has to answer. Prints how many frames were sent; the first
answer that differs is the end, with exit code 1.
"""

import asyncio
import itertools
import sys

import websockets
from websockets.frames import Close, Frame, Opcode
from websockets.streams import StreamReader
from websockets.utils import accept_key, generate_key

HOST, PORT = sys.argv[1], int(sys.argv[2])
TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
PING, PONG, CLOSE = Opcode.PING, Opcode.PONG, Opcode.CLOSE
PATIENCE = 30  # seconds
sent = 0


class Raw:
    """A connection whose handshake is done, and that can send anything."""

    async def open(self):
        self.reader, self.writer = await asyncio.open_connection(HOST, PORT)
        key = generate_key()
        head = ["GET /echo HTTP/1.1", f"Host: {HOST}:{PORT}", "Upgrade: websocket", "Connection: Upgrade",
                f"Sec-WebSocket-Key: {key}", "Sec-WebSocket-Version: 13", "", ""]
        self.writer.write("\r\n".join(head).encode())
        answer = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert answer.startswith("http/1.1 101 "), answer
        assert f"sec-websocket-accept: {accept_key(key)}".lower() in answer, answer
        self.stream = StreamReader()
        return self

    def send(self, opcode, data=b"", fin=True):
        self.raw(Frame(opcode, data, fin).serialize(mask=True))

    def raw(self, data):
        global sent
        sent += 1
        self.writer.write(data)

    async def next(self):
        """The next frame; None at the end of the connection."""
        parser = Frame.parse(self.stream.read_exact, mask=False)
        while True:
            try:
                next(parser)
            except StopIteration as done:
                return done.value
            data = await asyncio.wait_for(self.reader.read(65536), PATIENCE)
            if not data:
                return None
            self.stream.feed_data(data)

    async def expect(self, what, opcode, data):
        frame = await self.next()
        assert frame is not None, f"{what}: the connection ended"
        got = (frame.opcode, bytes(frame.data), frame.fin)
        assert got == (opcode, data, True), f"{what}: got {got[0]!r} {got[1][:60]!r}, fin {got[2]}"

    async def expect_close(self, what, code):
        frame = await self.next()
        assert frame is not None and frame.opcode is CLOSE, f"{what}: got {frame}"
        got = Close.parse(frame.data).code if frame.data else None
        assert got == code, f"{what}: closed with {got}, not {code}"
        self.writer.write(frame.serialize(mask=True))
        assert await self.next() is None, f"{what}: something came after the close"
        self.writer.close()


async def echoes():
    """Lengths in each of their forms, whole and in fragments, with pings between."""
    raw = await Raw().open()
    lengths = [*range(4), *range(122, 131), *range(253, 259), 1000, *range(65533, 65539), 100_000, 1_048_576]
    for length, opcode in itertools.product(lengths, [TEXT, BINARY]):
        data = bytes(97 + number % 26 for number in range(length))
        raw.send(opcode, data)
        await raw.expect(f"{length} bytes", opcode, data)
    for parts, opcode in itertools.product([2, 3, 7, 20], [TEXT, BINARY]):
        data = bytes(97 + number % 26 for number in range(parts * 50))
        for part in range(parts):
            raw.send(opcode if part == 0 else CONT, data[part * 50:part * 50 + 50], part == parts - 1)
            if part < parts - 1:
                raw.send(PING, b"between %d" % part)
                await raw.expect("a ping between fragments", PONG, b"between %d" % part)
        await raw.expect(f"{parts} fragments", opcode, data)
    for length in range(0, 126, 5):
        raw.send(PING, b"p" * length)
        await raw.expect(f"a ping of {length}", PONG, b"p" * length)
        raw.send(PONG, b"unasked")
    raw.send(CLOSE, Close(1000, "done").serialize())
    await raw.expect_close("the end", 1000)


async def texts():
    """What is UTF-8 comes back, cut at each byte; what is not is closed with 1007."""
    raw = await Raw().open()
    good = ["\u00e4", "\u20ac", "\U0001f986", "\x00", "\x7f", "\u0080", "\u07ff", "\u0800", "\ud7ff", "\ue000", "\uffff",
            "\U00010000", "\U0010ffff", "\ufeffx", "Hello-\u00b5@\u00df\u00f6\u00e4\u00fc\u00e0\u00e1-UTF-8!!"]
    for text in good:
        data = text.encode()
        for cut in range(len(data) + 1):
            raw.send(TEXT, data[:cut], False)
            raw.send(CONT, data[cut:])
            await raw.expect(f"{text!r} cut at {cut}", TEXT, data)
    raw.send(CLOSE, Close(1000, "").serialize())
    await raw.expect_close("the end", 1000)
    bad = [b"\x80", b"\xbf", b"\xc0\x80", b"\xc1\xbf", b"\xe0\x80\x80", b"\xe0\x9f\xbf", b"\xed\xa0\x80", b"\xed\xbf\xbf",
           b"\xf0\x80\x80\x80", b"\xf0\x8f\xbf\xbf", b"\xf4\x90\x80\x80", b"\xf5\x80\x80\x80", b"\xf8\x88\x80\x80\x80",
           b"\xfe", b"\xff", b"ok\xc3", b"ok\xe2\x82", b"ok\xf0\x9f\xa6", b"\xe2\x28\xa1", b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80x"]
    for data in bad:
        raw = await Raw().open()
        raw.send(TEXT, data)
        await raw.expect_close(f"{data}", 1007)
        raw = await Raw().open()
        raw.send(TEXT, data[:1], False)
        raw.send(CONT, data[1:])
        await raw.expect_close(f"{data} in fragments", 1007)
        raw = await Raw().open()
        raw.send(BINARY, data)
        await raw.expect(f"{data} as bytes", BINARY, data)
        raw.send(CLOSE)
        await raw.expect_close("the end", None)


async def closes():
    """Codes and reasons."""
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999]:
        raw = await Raw().open()
        raw.send(CLOSE, code.to_bytes(2, "big") + b"why")
        await raw.expect_close(code, code)
    for code in [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]:
        raw = await Raw().open()
        raw.send(CLOSE, code.to_bytes(2, "big"))
        await raw.expect_close(code, 1002)
    for what, data, code in [("one byte", b"\x03", 1002), ("a reason that is no text", b"\x03\xe8\xff", 1007),
                             ("the longest reason", b"\x03\xe8" + b"x" * 123, 1000), ("nothing", b"", None)]:
        raw = await Raw().open()
        raw.send(CLOSE, data)
        await raw.expect_close(what, code)


async def mistakes():
    """What breaks the protocol is closed with 1002, what is too large with 1009."""
    for opcode, bit in itertools.product([TEXT, BINARY, PING, PONG, CLOSE], [0x40, 0x20, 0x10]):
        raw = await Raw().open()
        first, *rest = Frame(opcode, b"\x03\xe8").serialize(mask=True)  # which makes none with such a bit
        raw.raw(bytes([first | bit, *rest]))
        await raw.expect_close(f"the bit {bit:#x} on {opcode!r}", 1002)
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]:
        raw = await Raw().open()
        raw.raw(bytes([0x80 | opcode, 0x80, 1, 2, 3, 4]))
        await raw.expect_close(f"opcode {opcode}", 1002)
    for opcode in [PING, PONG, CLOSE]:
        raw = await Raw().open()
        raw.raw(bytes([opcode, 0x81, 0, 0, 0, 0, 65]))
        await raw.expect_close(f"a fragmented {opcode!r}", 1002)
        raw = await Raw().open()
        raw.raw(bytes([0x80 | opcode, 0xFE, 0, 126, 0, 0, 0, 0]) + b"x" * 126)
        await raw.expect_close(f"{opcode!r} of 126 bytes", 1002)
    for opcode in [TEXT, BINARY, PING]:
        raw = await Raw().open()
        raw.raw(Frame(opcode, b"bare").serialize(mask=False))
        await raw.expect_close(f"an unmasked {opcode!r}", 1002)
    for what, frames in [("a continuation of nothing", [(CONT, True)]), ("one that goes on", [(CONT, False)]),
                         ("a message within another", [(TEXT, False), (TEXT, True)]),
                         ("bytes within a text", [(TEXT, False), (BINARY, False)])]:
        raw = await Raw().open()
        for opcode, fin in frames:
            raw.send(opcode, b"x", fin)
        await raw.expect_close(what, 1002)
    for length in [1_048_577, 1 << 31, 1 << 32, (1 << 63) - 1, 1 << 63, (1 << 64) - 1]:
        raw = await Raw().open()
        raw.raw(bytes([0x82, 0xFF]) + length.to_bytes(8, "big") + b"mask")
        await raw.expect_close(f"a length of {length}", 1009)
    raw = await Raw().open()
    for part in range(17):
        raw.send(BINARY if part == 0 else CONT, b"x" * 65536, False)
    await raw.expect_close("fragments of 1 MiB and more", 1009)


async def as_everybody_does():
    """The library's own client."""
    global sent
    async with websockets.connect(f"ws://{HOST}:{PORT}/echo", compression="deflate") as socket:
        for message in ["quack", "\U0001f986" * 1000, b"\x00\xff", "", b"", ["in ", "two"], [b"by", b"tes"]]:
            sent += 1 if isinstance(message, (str, bytes)) else len(message)
            await socket.send(message)
            whole = message if isinstance(message, (str, bytes)) else type(message[0])().join(message)
            assert await asyncio.wait_for(socket.recv(), PATIENCE) == whole
        sent += 1
        await asyncio.wait_for(await socket.ping(), PATIENCE)
        await socket.close(4000, "enough")
        assert socket.close_code == 4000, socket.close_code
    for offers, chosen in [(["chat.v3", "chat.v1", "chat.v2"], "chat.v1"), (["chat.v2"], "chat.v2"), (["chat.v3"], None),
                           (None, None)]:
        async with websockets.connect(f"ws://{HOST}:{PORT}/chat", subprotocols=offers) as socket:
            assert socket.subprotocol == chosen, (offers, socket.subprotocol)
            assert await asyncio.wait_for(socket.recv(), PATIENCE) == (chosen or "none")


async def main():
    for cases in [echoes, texts, closes, mistakes, as_everybody_does]:
        await asyncio.wait_for(cases(), 300)
    print(f"{sent} frames, and each answer as it has to be (websockets {websockets.__version__})")


asyncio.run(main())
