//! What a view does with a form: edit pages, errors of its own, methods.

use duck::prelude::*;
use duck::testing::TestClient;
use serde_json::{Value, json};

use crate::{Address, Day, FORM, Note, ORDER, Order, Row, assert_errors, show};

#[tokio::test]
async fn an_edit_page_begins_with_what_is_there() {
    async fn edit(request: Request) -> Result<Response> {
        let order = Order {
            from: "::1".parse().unwrap(),
            id: Uuid::nil(),
            day: Day(2026, 3, 1),
            price: 0.25,
            address: Address {
                zip: "12345".into(),
                city: None,
            },
            rows: vec![
                Row {
                    what: "a".into(),
                    price: 1,
                    done: true,
                },
                Row {
                    what: "b".into(),
                    price: 2,
                    done: false,
                },
            ],
            tags: vec!["x".into(), "y".into()],
            sizes: vec![],
            grade: Some('b'),
        };
        let form = request.form_from::<Order>(&order).await?;
        Ok(json(&form))
    }
    let site = TestClient::start(
        App::new(Settings::default()).urls([path("/", edit).methods([GET, POST])]),
    )
    .await;
    let form: Value = serde_json::from_str(site.get("/").await.text()).unwrap();
    assert_errors(&form, &[]);
    assert_eq!(form["day"]["value"], "2026-03-01");
    assert_eq!(form["price"]["value"], "0.25");
    assert_eq!(form["rows"][0]["done"]["value"], true);
    assert_eq!(form["rows"][1]["done"]["value"], false);
    assert_eq!(form["rows"][1]["what"]["value"], "b");
    assert_eq!(form["tags"]["values"], json!(["x", "y"]));
    assert_eq!(form["address"]["city"]["value"], "");
    // Sent, it shows what was sent, and nothing of what was there.
    let form: Value =
        serde_json::from_str(site.post("/").body(FORM, "day=x").await.text()).unwrap();
    assert_eq!(form["day"]["value"], "x");
    assert_eq!(form["price"]["value"], "");
}

#[tokio::test]
async fn a_view_adds_what_only_it_knows() {
    async fn create(request: Request) -> Result<Response> {
        let form = request.form::<Order>().await?;
        form.error("rows.0.what", "is sold out");
        form.error("", "The shop is closed.");
        form.error("titel", "is not there");
        assert!(form.valid().is_none());
        Ok(json(&form))
    }
    let site =
        TestClient::start(App::new(Settings::default()).urls([path("/", create).methods([POST])]))
            .await;
    let form: Value = serde_json::from_str(
        site.post("/")
            .body(
                FORM,
                format!("{ORDER}&rows[0].what=a&rows[0].price=1&rows[1].what=b&rows[1].price=1"),
            )
            .await
            .text(),
    )
    .unwrap();
    assert_errors(
        &form,
        &[
            ("", "The shop is closed."),
            ("", "titel: is not there"),
            ("rows[0].what", "is sold out"),
        ],
    );
}

#[tokio::test]
async fn other_methods_than_get_and_head_send_a_form() {
    let app = App::new(Settings::default())
        .urls([path("/", show::<Note>).methods([GET, HEAD, PUT, PATCH])]);
    let site = TestClient::start(app).await;
    for method in [PUT, PATCH] {
        let page = site
            .request(method, "/")
            .body(FORM, "title=x&stars=1")
            .await;
        assert!(page.text().starts_with("Note {"), "{}", page.text());
    }
}
