//! A shop: goods that all visitors share, and a cart for each.

use std::collections::BTreeMap;

use duck::prelude::*;

use crate::page;

/// What the shop sells, by its number.
pub(crate) struct Shop(BTreeMap<u32, Item>);

struct Item {
    name: &'static str,
    cents: u32,
}

impl Shop {
    pub(crate) fn new() -> Self {
        let item = |name, cents| Item { name, cents };
        Self(BTreeMap::from([
            (1, item("Rubber duck", 450)),
            (2, item("Bath foam, one litre", 790)),
            (3, item("Bread, for humans", 320)),
        ]))
    }
}

/// How many of each item: what the session keeps.
type Cart = BTreeMap<u32, u32>;

/// The shop's pages, under `/shop`, named `shop.…`.
pub(crate) fn blueprint() -> Blueprint {
    Blueprint::new("shop").urls([
        path("/", index).name("index"),
        path("/items/<id>", item).name("item"),
        path("/cart", cart).name("cart"),
        path("/cart/add/<id>", add).name("add").methods([POST]),
        path("/cart/remove/<id>", remove)
            .name("remove")
            .methods([POST]),
    ])
}

fn price(cents: u32) -> String {
    format!("€ {}.{:02}", cents / 100, cents % 100)
}

async fn index(request: Request) -> Result<Response> {
    let card = |(id, item): (&u32, &Item)| {
        format!(
            "<li><a href=\"/shop/items/{id}\">{}</a> <span>{}</span>
             <form method=\"post\" action=\"/shop/cart/add/{id}\"><button>Add</button></form></li>",
            item.name,
            price(item.cents)
        )
    };
    let list: String = request.state::<Shop>()?.0.iter().map(card).collect();
    page::show(
        &request,
        "Shop",
        &format!("<h1>Shop</h1><ul class=\"goods\">{list}</ul>"),
    )
    .await
}

/// One item. `/shop/items/bread` and `/shop/items/99` are 404.
async fn item(request: Request, id: u32) -> Result<Response> {
    let item = request.state::<Shop>()?.0.get(&id).or_404()?;
    let body = format!(
        "<h1>{}</h1><p>{}</p><p><a href=\"/shop/\">Back</a></p>",
        item.name,
        price(item.cents)
    );
    page::show(&request, item.name, &body).await
}

async fn cart(request: Request) -> Result<Response> {
    let cart: Cart = request.session.get("cart").await?.unwrap_or_default();
    let shop = request.state::<Shop>()?;
    let mut total = 0;
    let mut rows = String::new();
    for (id, count) in &cart {
        let Some(item) = shop.0.get(id) else { continue };
        total += item.cents * count;
        rows += &format!(
            "<li>{count} × {} <span>{}</span>
             <form method=\"post\" action=\"/shop/cart/remove/{id}\"><button class=\"quiet\">Remove</button></form></li>",
            item.name,
            price(item.cents * count)
        );
    }
    let body = if rows.is_empty() {
        "<h1>Cart</h1><p>Nothing yet. <a href=\"/shop/\">To the shop</a></p>".to_owned()
    } else {
        format!(
            "<h1>Cart</h1><ul class=\"goods\">{rows}</ul><p class=\"total\">Total {}</p>",
            price(total)
        )
    };
    page::show(&request, "Cart", &body).await
}

/// Puts one more of an item into the cart. Two clicks at once are two items.
async fn add(request: Request, id: u32) -> Result<Response> {
    let name = request.state::<Shop>()?.0.get(&id).or_404()?.name;
    let add = move |cart: &mut Cart| *cart.entry(id).or_default() += 1;
    request.session.update("cart", add).await?;
    let message = format!("{name} is in your cart.");
    request.session.flash(FlashLevel::Success, message).await?;
    redirect(&request, "shop.cart", ())
}

async fn remove(request: Request, id: u32) -> Result<Response> {
    let remove = move |cart: &mut Cart| cart.retain(|item, _| *item != id);
    request.session.update("cart", remove).await?;
    request
        .session
        .flash(FlashLevel::Info, "It is out of your cart.")
        .await?;
    redirect(&request, "shop.cart", ())
}
