//! What a hostile client sends.

use duck::testing::TestClient;

use crate::{FORM, Note, ORDER, Order, app, assert_errors, errors, post, site};

#[tokio::test]
async fn bytes_that_are_no_text_are_named_and_never_taken() {
    let site = site::<Note>().await;
    let form = post(&site, "title=%ff&stars=1").await;
    assert_errors(&form, &[("title", "is not readable text")]);
    assert_eq!(form["title"]["value"], "");
    let form = post(&site, "title=a%00b&stars=1").await;
    assert_errors(&form, &[("title", "is not readable text")]);
    let form = post(&site, "title=a&stars=%ff").await;
    assert_errors(&form, &[("stars", "is not readable text")]);
    let form = post(&site, "title=a&stars=1&other=%ff").await;
    assert_errors(&form, &[("", "other: is not readable text")]);
    let form = post(&site, "title=a&stars=1&%ff=1").await;
    assert_errors(&form, &[("", "has a name that is not readable text")]);
    let form = post(&site, &b"title=\xff&stars=1"[..]).await;
    assert_errors(&form, &[("title", "is not readable text")]);
}

#[tokio::test]
async fn a_text_of_a_megabyte_is_refused_by_its_rule() {
    let site = site::<Note>().await;
    let long = "x".repeat(1 << 20);
    let form = post(&site, format!("title={long}&stars=1")).await;
    assert_errors(&form, &[("title", "must be at most 10 characters")]);
    let form = post(&site, format!("title=a&stars={long}")).await;
    assert_errors(&form, &[("stars", "must be a whole number")]);
    let shown = post(&site, format!("title=a&stars=1&{long}=1")).await;
    assert!(
        shown
            .as_str()
            .is_some_and(|shown| shown.starts_with("Note"))
    );
    let page = site
        .post("/")
        .body(FORM, format!("title={}", "x".repeat(10 << 20)))
        .await;
    assert_eq!(page.status(), 413);
}

#[tokio::test]
async fn numbers_of_elements_and_depths_have_bounds() {
    let site = site::<Order>().await;
    for (name, expected) in [
        (
            "tags[4294967295]".to_owned(),
            "must have at most 1000 values",
        ),
        (
            "tags[18446744073709551616]".to_owned(),
            "must have at most 1000 values",
        ),
        ("tags.1000".to_owned(), "must have at most 1000 values"),
        (
            "rows[4294967295].what".to_owned(),
            "must have at most 1000 values",
        ),
        (format!("a{}", "[b]".repeat(10_000)), "is not known"),
        (format!("rows{}", "[0]".repeat(10_000)), "is not known"),
    ] {
        let form = post(&site, format!("{ORDER}&{name}=x")).await;
        let said = errors(&form);
        assert!(
            said.iter().any(|(_, message)| message.ends_with(expected)),
            "{name}: {said:?}"
        );
    }
    // Names that are no names are those of no field.
    let rows = "&rows[0].what=a&rows[0].price=1&rows[1].what=b&rows[1].price=2";
    for name in [
        "tags[", "tags]", "[tags]", "]", "[", "", "tags..a", "address[", "tags[x",
    ] {
        let shown = post(&site, format!("{ORDER}{rows}&{name}=x")).await;
        assert!(
            shown
                .as_str()
                .is_some_and(|shown| shown.starts_with("Order")),
            "{name}: {shown}"
        );
    }
}

#[tokio::test]
async fn a_form_has_a_thousand_fields_at_most() {
    let site = site::<Note>().await;
    let many = "&a=1".repeat(998);
    let shown = post(&site, format!("title=a&stars=1{many}")).await;
    assert!(shown.is_string(), "{shown}");
    let page = site
        .post("/")
        .body(FORM, format!("title=a&stars=1{many}&b=1"))
        .await;
    assert_eq!(page.status(), 413);
    let few = TestClient::start(app::<Note>().setting("MAX_FIELDS", 2)).await;
    assert_eq!(
        few.post("/").body(FORM, "title=a&stars=1").await.status(),
        200
    );
    assert_eq!(
        few.post("/")
            .body(FORM, "title=a&stars=1&b=1")
            .await
            .status(),
        413
    );
    let part = "--x\r\ncontent-disposition: form-data; name=title\r\n\r\na\r\n";
    let body = format!("{}--x--", part.repeat(3));
    assert_eq!(
        few.post("/")
            .body("multipart/form-data; boundary=x", body)
            .await
            .status(),
        413
    );
}

#[tokio::test]
async fn a_body_that_is_no_form_is_refused() {
    let site = site::<Note>().await;
    for content_type in [
        "application/json",
        "text/plain",
        "multipart/mixed; boundary=x",
        "",
    ] {
        let page = site.post("/").body(content_type, "title=a&stars=1").await;
        assert_eq!(page.status(), 415, "{content_type}");
    }
    let page = site
        .post("/")
        .body("multipart/form-data; boundary=x", "title=a")
        .await;
    assert_eq!(page.status(), 400);
}

#[tokio::test]
async fn a_thousand_wrong_fields_are_answered_soon() {
    let site = site::<Order>().await;
    let rows: String = (0..990)
        .map(|row| format!("&rows[{row}].price=x"))
        .collect();
    let started = std::time::Instant::now();
    let form = post(&site, format!("{ORDER}{rows}")).await;
    // Without the bound on errors each of the 1980 is another reading of 990 rows: a minute in debug.
    assert!(started.elapsed().as_secs() < 10, "{:?}", started.elapsed());
    assert!(errors(&form).len() >= 50);
}

/// Pieces of which names and values are put together: those of the form, and those that break things.
const PIECES: [&str; 30] = [
    "title",
    "rows",
    "address",
    "tags",
    "from",
    "day",
    "price",
    "zip",
    "what",
    "done",
    "sizes",
    "grade",
    "[",
    "]",
    "[]",
    "[0]",
    "[1]",
    "[999]",
    "[1000]",
    "[18446744073709551616]",
    ".",
    "..",
    "=",
    "%",
    "%00",
    "%ff",
    "+",
    "%F0%9F%A6%86",
    "1",
    "x",
];

proptest::proptest! {
    #[test]
    fn no_body_is_an_error_of_the_site(
        pieces in proptest::collection::vec(
            (
                proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..5),
                proptest::collection::vec(proptest::sample::select(&PIECES[..]), 0..3),
                proptest::bool::ANY,
            ),
            0..12,
        ),
        noise in proptest::collection::vec(proptest::num::u8::ANY, 0..8),
    ) {
        let mut encoded = Vec::new();
        let mut parts = Vec::new();
        for (name, value, is_file) in &pieces {
            let (name, value) = (name.concat(), value.concat());
            encoded.extend_from_slice(format!("&{name}={value}").as_bytes());
            encoded.extend_from_slice(&noise);
            let file = if *is_file { "; filename=\"a.txt\"" } else { "" };
            let head = format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}");
            parts.extend_from_slice(head.as_bytes());
            parts.extend_from_slice(&noise);
            parts.extend_from_slice(b"\r\n");
        }
        parts.extend_from_slice(b"--x--");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let site = site::<Order>().await;
            for (media_type, body) in [(FORM, encoded), ("multipart/form-data; boundary=x", parts)] {
                let page = site.post("/").body(media_type, body).await;
                // A name may break the head of its part: 400.
                assert!(page.status() == 200 || page.status() == 400, "{}: {}", page.status(), page.text());
            }
        });
    }
}
