//! A page that moves by itself: a chat over a WebSocket, and how many are here, by server-sent events.

mod room;
mod views;

use duck::prelude::*;

use self::room::Room;

/// Adds the room and its pages to a site.
pub(crate) async fn live(setup: &mut Setup<'_>) -> Result<()> {
    setup.insert(Room::default());
    setup.urls(blueprint());
    Ok(())
}

/// The pages, under `/live`, named `live.…`.
#[rustfmt::skip] // a table: one line a URL
fn blueprint() -> Blueprint {
    Blueprint::new("live").urls([
        path("/", views::index).name("index"),
        websocket("/chat", views::chat).name("chat"),
        path("/visitors", views::visitors).name("visitors"),
    ])
}
