use duck::prelude::*;

async fn chat(_request: Request, _socket: &mut WebSocket) -> Result<()> {
    Ok(())
}

fn main() {
    websocket("/chat", chat);
}
