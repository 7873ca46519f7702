//! The shop: a part of the site with a prefix, names and views of its own.

mod views;

use duck::prelude::*;

/// Everything below `/shop`; the names are `shop.index`, `shop.cart` and so on.
#[rustfmt::skip] // a table: one line a URL
pub fn blueprint() -> Blueprint {
    Blueprint::new("shop").prefix("/shop").urls([
        path("/", views::index).name("index"),
        path("/cart", views::cart).name("cart"),
        path("/cart/add/<id>", views::add).name("add").methods([POST]),
        path("/cart/empty", views::empty).name("empty").methods([POST]),
    ])
}

/// What the templates of the shop need: `{{ 1990|money }}` is 19.90.
pub async fn filters(setup: &mut Setup<'_>) -> Result<()> {
    setup.template_filter("money", |cents: u32| {
        format!("{}.{:02}", cents / 100, cents % 100)
    });
    Ok(())
}
