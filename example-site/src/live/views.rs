use duck::prelude::*;
use tokio::sync::broadcast::error::RecvError;

use super::room::{Room, Words};
use crate::account::User;

/// What fits into the page's input.
const LONGEST: usize = 280;

/// The page. What moves in it is fetched by `static/js/live.js`.
pub(crate) async fn index(request: Request) -> Result<Response> {
    render(&request, "live/index.html", context! {}).await
}

/// The chat: each message of a visitor goes to all of them.
pub(crate) async fn chat(request: Request, mut socket: WebSocket) -> Result<()> {
    let user: Option<User> = request.user().await?;
    let name = user.map_or_else(|| "Somebody".to_owned(), |user| user.name);
    let room = request.state::<Room>()?.words();
    let mut said = room.subscribe();
    loop {
        tokio::select! {
            message = socket.receive() => match message {
                Some(message) => {
                    let text = message.text().unwrap_or_default().trim();
                    if !text.is_empty() && text.chars().count() <= LONGEST {
                        let text = text.to_owned();
                        // Nobody else being here is no reason to fail.
                        let _ = room.send(Words { name: name.clone(), text });
                    }
                }
                None => return Ok(()),
            },
            words = said.recv() => match words {
                Ok(words) => socket.send(Message::json(&words)?).await?,
                // This visitor is too slow, and misses some.
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// How many have the page open, told anew whenever that changes.
pub(crate) async fn visitors(request: Request) -> Result<Response> {
    let mut visit = request.state::<Room>()?.enter();
    Ok(sse_with(&request, async move |events| {
        loop {
            let count = *visit.count.borrow_and_update();
            events.send(Event::new(count.to_string())).await?;
            visit.count.changed().await?;
        }
    }))
}
