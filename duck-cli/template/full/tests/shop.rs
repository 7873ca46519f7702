//! The shop, the class-based view and the middleware.

use duck::testing::TestClient;

/// A visitor's browser: it keeps its cookies.
async fn browser() -> TestClient {
    TestClient::start({{ crate_name }}::app().setting("SESSION_STORAGE", "InMemoryCache")).await
}

#[tokio::test]
async fn the_cart_is_kept_until_it_is_emptied() {
    let site = browser().await;
    for _ in 0..2 {
        assert_eq!(site.post("/shop/cart/add/2").await.status(), 303);
    }
    let cart = site.get("/shop/cart").await;
    assert!(cart.text().contains("2 × Duck") && cart.text().contains("Total 39.80"));
    site.post("/shop/cart/empty").await;
    assert!(site.get("/shop/cart").await.text().contains("Total 0.00"));
}

#[tokio::test]
async fn a_product_that_is_not_there_is_a_404() {
    let answer = browser().await.post("/shop/cart/add/99").await;
    assert_eq!(answer.status(), 404);
}

#[tokio::test]
async fn the_cart_is_changed_by_post_only() {
    assert_eq!(browser().await.get("/shop/cart/add/1").await.status(), 405);
}

#[tokio::test]
async fn every_page_says_how_long_it_took() {
    let about = browser().await.get("/about").await;
    assert!(about.text().contains("About {{ name }}"));
    assert!(about.header("x-took").is_some());
    assert_eq!(browser().await.post("/about").await.status(), 405);
}
