//! The shop.

use crate::database::Database;

#[tokio::test]
async fn the_cart_is_kept_until_it_is_emptied() {
    let database = Database::new().await;
    let site = database.browser().await;
    for _ in 0..2 {
        assert_eq!(site.post("/shop/cart/add/2").await.status(), 303);
    }
    let cart = site.get("/shop/cart").await;
    assert!(cart.text().contains("Duck") && cart.text().contains("39.80"));
    site.post("/shop/cart/empty").await;
    assert!(site.get("/shop/cart").await.text().contains("It is empty."));
}

#[tokio::test]
async fn a_product_that_is_not_there_is_a_404() {
    let database = Database::new().await;
    let answer = database.browser().await.post("/shop/cart/add/99").await;
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn the_cart_is_changed_by_post_only() {
    let database = Database::new().await;
    let site = database.browser().await;
    assert_eq!(site.get("/shop/cart/add/1").await.status(), 405);
}
