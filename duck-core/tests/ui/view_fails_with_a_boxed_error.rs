use std::error::Error as StdError;

use duck::prelude::*;

async fn boxed(_request: Request) -> Result<String, Box<dyn StdError + Send + Sync>> {
    Ok("never".into())
}

async fn anyhows(_request: Request) -> anyhow::Result<String> {
    Ok("never".into())
}

async fn not_send(_request: Request) -> Result<String, Box<dyn StdError>> {
    Ok("never".into())
}

fn main() {
    path("/boxed", boxed);
    path("/anyhow", anyhows);
    path("/not-send", not_send);
}
