use duck::prelude::*;

async fn chat(_request: Request, _socket: WebSocket) -> Result<Response> {
    Ok(text("hello"))
}

fn main() {
    websocket("/chat", chat);
}
