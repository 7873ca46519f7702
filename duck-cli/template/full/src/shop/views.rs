//! The views of the shop. The cart is in the session: how many of each product, by its number.

use std::collections::BTreeMap;

use duck::prelude::*;

use crate::views::page;

/// Products, and what they cost in cents. A larger shop asks its database.
const PRODUCTS: [(&str, u32); 3] = [("Bread", 320), ("Butter", 210), ("Duck", 1_990)];

type Cart = BTreeMap<usize, u32>;

/// What there is to buy.
pub async fn index(_request: Request) -> Result<Response> {
    let rows: String = PRODUCTS.iter().enumerate().map(product_row).collect();
    Ok(page(
        "Shop",
        &format!("<h1>Shop</h1>\n<ul>{rows}</ul>\n<p><a href=\"/shop/cart\">Cart</a></p>"),
    ))
}

/// What this visitor has chosen.
pub async fn cart(request: Request) -> Result<Response> {
    let cart: Cart = request.session.get("cart").await?.unwrap_or_default();
    let rows: String = cart.iter().filter_map(cart_row).collect();
    let body = format!(
        "<h1>Cart</h1>\n<ul>{rows}</ul>\n<p>Total {}</p>\n{EMPTY_FORM}",
        money(total(&cart))
    );
    Ok(page("Cart", &body))
}

/// Puts one more of a product into the cart. Two clicks at once count as two.
pub async fn add(request: Request, id: usize) -> Result<Response> {
    PRODUCTS.get(id).or_404()?;
    let one_more = move |cart: &mut Cart| *cart.entry(id).or_default() += 1;
    request.session.update("cart", one_more).await?;
    redirect(&request, "shop.cart", ())
}

/// Puts everything back.
pub async fn empty(request: Request) -> Result<Response> {
    request.session.remove("cart").await?;
    redirect(&request, "shop.cart", ())
}

const EMPTY_FORM: &str =
    r#"<form method="post" action="/shop/cart/empty"><button>Empty</button></form>"#;

fn product_row((id, (name, cents)): (usize, &(&str, u32))) -> String {
    let price = money(*cents);
    format!(
        "<li>{name}, {price}<form method=\"post\" action=\"/shop/cart/add/{id}\"><button>Add</button></form></li>\n"
    )
}

fn cart_row((id, count): (&usize, &u32)) -> Option<String> {
    let (name, _) = PRODUCTS.get(*id)?;
    Some(format!("<li>{count} × {name}</li>\n"))
}

fn total(cart: &Cart) -> u32 {
    let price = |id: &usize| PRODUCTS.get(*id).map_or(0, |(_, cents)| *cents);
    cart.iter()
        .map(|(id, count)| price(id).saturating_mul(*count))
        .fold(0, u32::saturating_add)
}

fn money(cents: u32) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}
