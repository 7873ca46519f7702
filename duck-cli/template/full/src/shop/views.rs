//! The views of the shop. The cart is in the session: how many of each product, by its number.

use std::collections::BTreeMap;

use duck::prelude::*;
use serde::Serialize;

/// A product, and what it costs in cents.
#[derive(Serialize)]
struct Product {
    id: usize,
    name: &'static str,
    price: u32,
}

/// A larger shop asks its database.
#[rustfmt::skip] // a table: one line a product
const PRODUCTS: [Product; 3] = [
    Product { id: 0, name: "Bread", price: 320 },
    Product { id: 1, name: "Butter", price: 210 },
    Product { id: 2, name: "Duck", price: 1_990 },
];

type Cart = BTreeMap<usize, u32>;

/// A product in the cart, as the template shows it.
#[derive(Serialize)]
struct Line {
    name: &'static str,
    count: u32,
    price: u32,
}

/// What there is to buy.
pub async fn index(request: Request) -> Result<Response> {
    let products = PRODUCTS;
    render(&request, "shop/index.html", context! { products }).await
}

/// What this visitor has chosen.
pub async fn cart(request: Request) -> Result<Response> {
    let cart: Cart = request.session.get("cart").await?.unwrap_or_default();
    let lines: Vec<Line> = cart
        .iter()
        .filter_map(|(id, count)| line(*id, *count))
        .collect();
    let total = lines
        .iter()
        .fold(0, |sum: u32, line| sum.saturating_add(line.price));
    render(&request, "shop/cart.html", context! { lines, total }).await
}

fn line(id: usize, count: u32) -> Option<Line> {
    let Product { name, price, .. } = PRODUCTS.get(id)?;
    let price = price.saturating_mul(count);
    Some(Line { name, count, price })
}

/// Puts one more of a product into the cart. Two clicks at once count as two.
pub async fn add(request: Request, id: usize) -> Result<Response> {
    PRODUCTS.get(id).or_404()?;
    let one_more = move |cart: &mut Cart| {
        let count = cart.entry(id).or_default();
        *count = count.saturating_add(1);
    };
    request.session.update("cart", one_more).await?;
    redirect(&request, "shop.cart", ())
}

/// Puts everything back.
pub async fn empty(request: Request) -> Result<Response> {
    request.session.remove("cart").await?;
    redirect(&request, "shop.cart", ())
}
