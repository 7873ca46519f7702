use duck::prelude::*;

async fn chat(_request: Request, _socket: WebSocket) -> Result<()> {
    Ok(())
}

fn main() {
    path("/chat", chat);
}
