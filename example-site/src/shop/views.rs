//! The views of the shop. The cart is in the session: how many of each item, by its number.

use std::collections::BTreeMap;

use duck::prelude::*;
use serde::Serialize;

use super::goods::{Goods, Item};

type Cart = BTreeMap<u32, u32>;

/// How many things are in the visitor's cart, for the templates that show it.
pub(super) async fn cart_count(request: Request) -> Result<u32> {
    let cart: Cart = request.session.get_or_default("cart").await?;
    Ok(cart.into_values().fold(0, u32::saturating_add))
}

/// What a visitor looked at last is in a private cookie: nobody begins a session by looking.
const SEEN: &str = "seen";

/// What there is to buy.
pub(super) async fn index(request: Request) -> Result<Response> {
    let all = request.state::<Goods>()?;
    let seen = request.private_cookie(SEEN)?;
    let seen = seen.and_then(|id| all.find(id.parse().ok()?));
    let goods = all.all();
    render(&request, "shop/index.html", context! { goods, seen }).await
}

/// One item. `/shop/items/bread` and `/shop/items/99` are 404.
pub(super) async fn item(request: Request, id: u32) -> Result<Response> {
    let item = request.state::<Goods>()?.find(id).or_404()?;
    let page = render(&request, "shop/item.html", context! { item }).await?;
    let seen = Cookie::build((SEEN, id.to_string()))
        .path("/shop")
        .http_only(true)
        .secure(request.is_secure());
    page.with_private_cookie(&request, seen)
}

/// A line of the cart.
#[derive(Serialize)]
struct Line<'a> {
    item: &'a Item,
    count: u32,
    cents: u64,
}

/// What the visitor has chosen, and what it costs.
pub(super) async fn cart(request: Request) -> Result<Response> {
    let cart: Cart = request.session.get_or_default("cart").await?;
    let goods = request.state::<Goods>()?;
    let line = |(id, count): (u32, u32)| {
        let item = goods.find(id)?;
        let cents = item.cents * u64::from(count);
        Some(Line { item, count, cents })
    };
    let lines: Vec<_> = cart.into_iter().filter_map(line).collect();
    let total: u64 = lines.iter().map(|line| line.cents).sum();
    render(&request, "shop/cart.html", context! { lines, total }).await
}

/// Puts one more of an item into the cart. Two clicks at once are two items.
pub(super) async fn add(request: Request, id: u32) -> Result<Response> {
    let name = request.state::<Goods>()?.find(id).or_404()?.name;
    let add = move |cart: &mut Cart| *cart.entry(id).or_default() += 1;
    request.session.update("cart", add).await?;
    let message = format!("{name} is in your cart.");
    request.session.flash(FlashLevel::Success, message).await?;
    redirect(&request, "shop.cart", ())
}

/// Takes an item out of the cart, however many of it there are.
pub(super) async fn remove(request: Request, id: u32) -> Result<Response> {
    let remove = move |cart: &mut Cart| cart.retain(|item, _| *item != id);
    request.session.update("cart", remove).await?;
    let message = "It is out of your cart.";
    request.session.flash(FlashLevel::Info, message).await?;
    redirect(&request, "shop.cart", ())
}
