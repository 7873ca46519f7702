//! A shop: goods that all visitors share, and a cart for each. All of it is in this folder, its templates
//! too, so that another site can take it over whole.

mod goods;
mod views;

use duck::prelude::*;

use self::goods::Goods;

/// Adds the shop to a site: its goods, its pages, and what it gives to all templates.
pub(crate) async fn shop(setup: &mut Setup<'_>) -> Result<()> {
    setup.insert(Goods::new());
    setup.template_filter("price", price);
    setup.template_value("cart_count", views::cart_count);
    setup.urls(blueprint());
    Ok(())
}

/// The shop's pages, under `/shop`, named `shop.…`.
#[rustfmt::skip] // a table: one line a URL
fn blueprint() -> Blueprint {
    Blueprint::new("shop")
        .templates(duck::templates!("$CARGO_MANIFEST_DIR/src/shop/templates"))
        .urls([
            path("/", views::index).name("index"),
            path("/items/<id>", views::item).name("item"),
            path("/cart", views::cart).name("cart"),
            path("/cart/add/<id>", views::add).name("add").methods([POST]),
            path("/cart/remove/<id>", views::remove).name("remove").methods([POST]),
        ])
}

/// `{{ item.cents|price }}`
fn price(cents: u64) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}
