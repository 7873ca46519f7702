//! What the shop sells. A larger one asks its database.

use serde::Serialize;

/// All goods: `request.state::<Goods>()?` in a view.
pub(super) struct Goods(Vec<Item>);

/// Something to buy.
#[derive(Serialize)]
pub(super) struct Item {
    pub(super) id: u32,
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) cents: u64,
}

impl Goods {
    pub(super) fn new() -> Self {
        let item = |id, name, cents, about| Item {
            id,
            name,
            about,
            cents,
        };
        Self(vec![
            item(
                1,
                "Rubber duck",
                450,
                "Listens to every bug. Floats, even where the program does not.",
            ),
            item(
                2,
                "Bath foam, one litre",
                790,
                "For baths of two ducks or more.",
            ),
            item(
                3,
                "Bread, for humans",
                320,
                "Ducks are better off with oats and peas.",
            ),
        ])
    }

    pub(super) fn all(&self) -> &[Item] {
        &self.0
    }

    pub(super) fn find(&self, id: u32) -> Option<&Item> {
        self.0.iter().find(|item| item.id == id)
    }
}
