//! A small server for comparing Duck with other frameworks: seven routes among two hundred others, and one that
//! no session stands around.
//!
//! `PORT`, `WORKERS` and `STORE` are read from the environment; all else is an ordinary site.

use duck::prelude::*;
use duck_session::SessionMiddleware;
use serde::{Deserialize, Serialize};

async fn plaintext(_request: Request) -> &'static str {
    "Hello, World!"
}

async fn user_post(_request: Request, id: String, post: String) -> String {
    format!("user {id} post {post}")
}

#[derive(Serialize, Deserialize)]
struct Item {
    id: u64,
    name: String,
    tags: Vec<String>,
    price: f64,
    active: bool,
}

async fn item(request: Request) -> Result<Response> {
    let item: Item = request.json().await?;
    Ok(json(&item))
}

async fn read(request: Request) -> Result<String> {
    let n: i64 = request.session.get("n").await?.unwrap_or(0);
    Ok(n.to_string())
}

async fn write(request: Request) -> Result<String> {
    let n = request.session.update("n", |n: &mut i64| *n += 1).await?;
    Ok(n.to_string())
}

async fn new(request: Request) -> Result<&'static str> {
    request.session.set("n", 1).await?;
    Ok("1")
}

/// For what an idle socket costs.
async fn echo(_request: Request, mut socket: WebSocket) -> Result<()> {
    while let Some(message) = socket.receive().await {
        socket.send(message).await?;
    }
    Ok(())
}

fn main() -> duck::ExitCode {
    let environment = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
    let mut app = App::from_settings(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/examples/bench/settings.toml"
    ))
    .with(SessionMiddleware::new())
    .urls([
        path("/plaintext", plaintext),
        path("/user/<id>/posts/<post>", user_post),
        path("/json", item).methods([POST]),
        path("/session/read", read),
        path("/session/write", write),
        path("/session/new", new),
        path("/session/untouched", plaintext),
        path("/outside", plaintext).without_middleware(),
        websocket("/echo", echo),
    ])
    .urls(
        include_str!("bench/routes.txt")
            .lines()
            .map(|route| path(route, plaintext)),
    );
    if let Some(port) = environment("PORT") {
        app = app.setting("ADDRESS", format!("127.0.0.1:{port}"));
    }
    if let Some(workers) = environment("WORKERS").and_then(|workers| workers.parse::<i64>().ok()) {
        app = app.setting("WORKERS", workers);
    }
    if let Some(store) = environment("STORE") {
        app = app.setting("SESSION_STORAGE", store);
    }
    if let Some(folder) = environment("SESSION_DIR") {
        app = app.setting("SESSION_DIR", folder);
    }
    app.run()
}
