use duck::prelude::*;

async fn chat(_request: Request) -> Result<()> {
    Ok(())
}

fn main() {
    websocket("/chat", chat);
}
