use duck::prelude::*;

struct Room;

async fn chat(_request: Request, _socket: WebSocket, _room: Room) -> Result<()> {
    Ok(())
}

fn main() {
    websocket("/chat/<room>", chat);
}
