use duck::prelude::*;

fn chat(_request: Request, _socket: WebSocket) {}

fn main() {
    websocket("/chat", chat);
}
