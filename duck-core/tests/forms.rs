//! Forms, queries and JSON that do not fit, and those that are written in unusual ways.

use std::collections::{BTreeMap, HashMap};

use duck::prelude::*;
use duck::testing::{TestClient, TestResponse};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const FORM: &str = "application/x-www-form-urlencoded";
const JSON: &str = "application/json";

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Note {
    title: String,
    stars: u8,
    depth: i32,
    price: f64,
    public: bool,
    grade: Option<char>,
    limit: Option<u32>,
    color: Option<Color>,
    sizes: Vec<u16>,
    corner: Option<[i8; 2]>,
    #[serde(alias = "mail")]
    email: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Color {
    Red,
    Green,
}

#[derive(Debug, Deserialize)]
struct Required {
    #[expect(dead_code, reason = "only whether it is there")]
    title: String,
}

/// A site that reads a `T` in each way, and shows it.
async fn site<T: DeserializeOwned + std::fmt::Debug + Send + 'static>() -> TestClient {
    let app = App::new(Settings::default()).urls([
        path("/query", async |request: Request| {
            request.query::<T>().map(|read| format!("{read:?}"))
        }),
        path("/form", async |request: Request| {
            let read = request.form_as::<T>().await;
            read.map(|read| format!("{read:?}"))
        })
        .methods([POST]),
        path("/json", async |request: Request| {
            let read = request.json::<T>().await;
            read.map(|read| format!("{read:?}"))
        })
        .methods([POST]),
        #[cfg(feature = "multipart")]
        path("/upload", async |request: Request| -> Result<String> {
            let read: T = request.multipart_form().await?.fields()?;
            Ok(format!("{read:?}"))
        })
        .methods([POST]),
    ]);
    TestClient::start(app).await
}

fn upload(fields: &[(&str, &str)]) -> String {
    let part = |(name, text): &(&str, &str)| {
        format!("--x\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
    };
    fields.iter().map(part).collect::<String>() + "--x--"
}

/// The answers to a form sent in each way, with the status each gives where it does not fit.
async fn send(
    site: &TestClient,
    fields: &[(&str, &str)],
    accept: &str,
) -> Vec<(u16, TestResponse)> {
    let encoded = serde_html_form::to_string(fields).expect("fields");
    let query = site
        .get(&format!("/query?{encoded}"))
        .header("accept", accept);
    let form = site
        .post("/form")
        .body(FORM, encoded)
        .header("accept", accept);
    let mut answers = vec![(400, query.await), (422, form.await)];
    if cfg!(feature = "multipart") {
        let body = upload(fields);
        let upload = site
            .post("/upload")
            .body("multipart/form-data; boundary=x", body);
        answers.push((422, upload.header("accept", accept).await));
    }
    answers
}

#[tokio::test]
async fn a_field_of_the_wrong_type_is_named_and_its_value_is_not() {
    let site = site::<Note>().await;
    for (field, value, problem) in [
        ("stars", "s3cret", "must be a whole number"),
        ("stars", "7.5", "must be a whole number"),
        ("stars", "", "must be a whole number"),
        ("stars", "98765", "is too large"),
        ("stars", "-98765", "is too small"),
        ("depth", "98765432109", "is too large"),
        ("depth", "-98765432109", "is too small"),
        ("depth", "-s3cret", "must be a whole number"),
        ("price", "s3cret", "must be a number"),
        ("price", "NaN", "must be a number"),
        ("price", "-inf", "must be a number"),
        ("public", "s3cret", "must be yes or no"),
        ("grade", "s3cret", "is not valid"),
        ("limit", "s3cret", "must be a whole number"),
        ("color", "s3cret", "is not one of the choices"),
        ("sizes", "s3cret", "must be a whole number"),
        ("corner", "12345", "is too large"),
        ("corner", "17", "has the wrong number of values"),
        ("s3cretname", "12345", "is not known"),
    ] {
        for accept in ["*/*", "text/html", JSON] {
            for (status, answer) in send(&site, &[("title", "x"), (field, value)], accept).await {
                let text = answer.text();
                assert_eq!(answer.status(), status, "{field}={value}: {text}");
                let expected = format!("the field `{field}` of the ");
                assert!(text.contains(&expected), "{field}={value}: {text}");
                assert!(text.contains(problem), "{field}={value}: {text}");
                assert!(value.len() < 5 || !text.contains(value), "{text}");
            }
        }
    }
}

#[tokio::test]
async fn a_field_that_is_missing_or_comes_under_two_names_is_named() {
    let required = site::<Required>().await;
    for (status, answer) in send(&required, &[("other", "1")], "*/*").await {
        assert_eq!(answer.status(), status);
        assert!(
            answer.text().contains("the field `title` of the "),
            "{}",
            answer.text()
        );
        assert!(answer.text().contains(" is missing"), "{}", answer.text());
    }
    let twice = [("email", "a"), ("mail", "b")];
    for (status, answer) in send(&site::<Note>().await, &twice, "*/*").await {
        assert_eq!(answer.status(), status);
        let expected = "`email` of the ";
        assert!(answer.text().contains(expected), "{}", answer.text());
        assert!(
            answer.text().contains("comes more than once"),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_value_that_does_not_fit_is_on_no_page_not_even_with_debug() {
    let app = App::new(Settings::default())
        .setting("DEBUG", true)
        .urls([path("/form", async |request: Request| {
            request
                .form_as::<Note>()
                .await
                .map(|note| format!("{note:?}"))
        })
        .methods([POST])]);
    let site = TestClient::start(app).await;
    for form in [
        "stars=s3cret",
        "public=s3cret",
        "color=s3cret",
        "grade=s3cret",
    ] {
        let page = site.post("/form").body(FORM, form).await;
        assert_eq!(page.status(), 422);
        assert!(!page.text().contains("s3cret"), "{}", page.text());
    }
}

#[tokio::test]
async fn what_fits_is_read() {
    let fields = [
        ("title", "Grüße & mehr=1"),
        ("stars", "255"),
        ("depth", "-2147483648"),
        ("price", "-1.5e3"),
        ("public", "on"),
        ("grade", "ß"),
        ("limit", "7"),
        ("color", "green"),
        ("sizes", "1"),
        ("corner", "-1"),
        ("sizes", "2"),
        ("corner", "2"),
        ("mail", "a@b"),
    ];
    for (_, answer) in send(&site::<Note>().await, &fields, "*/*").await {
        assert_eq!(
            answer.text(),
            "Note { title: \"Grüße & mehr=1\", stars: 255, depth: -2147483648, price: -1500.0, \
             public: true, grade: Some('ß'), limit: Some(7), color: Some(Green), sizes: [1, 2], \
             corner: Some([-1, 2]), email: Some(\"a@b\") }"
        );
    }
}

#[tokio::test]
async fn an_option_that_was_left_empty_is_none() {
    let empty = [
        ("grade", ""),
        ("limit", ""),
        ("color", ""),
        ("corner", ""),
        ("email", ""),
    ];
    for (_, answer) in send(&site::<Note>().await, &empty, "*/*").await {
        let text = answer.text();
        let (_, options) = text.split_once("grade: ").expect(text);
        assert_eq!(
            options,
            "None, limit: None, color: None, sizes: [], corner: None, email: None }"
        );
    }
}

#[tokio::test]
async fn a_checkbox_is_read_in_every_spelling() {
    let site = site::<HashMap<String, bool>>().await;
    for (text, is_checked) in [
        ("on", true),
        ("1", true),
        ("true", true),
        ("yes", true),
        ("On", true),
        ("TRUE", true),
        ("off", false),
        ("0", false),
        ("false", false),
        ("no", false),
        ("", false),
        ("No", false),
    ] {
        for (_, answer) in send(&site, &[("box", text)], "*/*").await {
            assert_eq!(
                answer.text(),
                format!("{{\"box\": {is_checked}}}"),
                "{text}"
            );
        }
    }
    for text in ["2", "10", "ja", " on", "on,off", "null"] {
        for (status, answer) in send(&site, &[("box", text)], "*/*").await {
            assert_eq!(answer.status(), status, "{text}");
        }
    }
}

#[tokio::test]
async fn a_hidden_field_before_a_checkbox_is_what_an_empty_box_sends() {
    let site = site::<Note>().await;
    for (fields, says) in [
        (&[("public", "0"), ("public", "1")][..], "public: true"),
        (&[("public", "0"), ("public", "on")], "public: true"),
        (&[("public", "0")], "public: false"),
        (&[("public", "1"), ("public", "0")], "public: false"),
        (
            &[("stars", "1"), ("stars", "2"), ("stars", "3")],
            "stars: 3",
        ),
        (&[("title", "a"), ("title", "b")], "title: \"b\""),
        (&[("limit", ""), ("limit", "4")], "limit: Some(4)"),
        (
            &[("color", "red"), ("color", "green")],
            "color: Some(Green)",
        ),
        (&[("sizes", "1"), ("sizes", "2")], "sizes: [1, 2]"),
    ] {
        for (_, answer) in send(&site, fields, "*/*").await {
            assert!(
                answer.text().contains(says),
                "{fields:?}: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn a_form_that_is_not_utf8_is_refused_and_never_mended() {
    let site = site::<Vec<(String, String)>>().await;
    for (form, says) in [
        (
            "a=1&title=caf%E9",
            "the field `title` of the form is not readable text",
        ),
        (
            "title=%ff%fe",
            "the field `title` of the form is not readable text",
        ),
        (
            "title=%C3",
            "the field `title` of the form is not readable text",
        ),
        (
            "title=%ED%A0%80",
            "the field `title` of the form is not readable text",
        ),
        ("caf%E9=1", "the form has a name that is not readable text"),
    ] {
        let page = site.post("/form").body(FORM, form).await;
        assert_eq!(page.status(), 422, "{form}");
        assert!(page.text().contains(says), "{form}: {}", page.text());
    }
    let raw: &[u8] = b"title=caf\xe9";
    assert_eq!(site.post("/form").body(FORM, raw).await.status(), 422);
    let unread = self::site::<Required>().await;
    let page = unread.post("/form").body(FORM, "title=x&other=%ff").await;
    assert_eq!(page.status(), 422, "a field that nobody reads");
    let page = site
        .post("/form")
        .body(FORM, "title=caf%C3%A9+%F0%9F%A6%86")
        .await;
    assert_eq!(page.text(), r#"[("title", "café 🦆")]"#);
}

/// Links from elsewhere bring parameters that the page does not know.
#[tokio::test]
async fn of_a_query_only_what_is_read_has_to_be_utf8() {
    let site = site::<Required>().await;
    assert_eq!(site.get("/query?utm=%E9&%ff=1&title=x").await.status(), 200);
    let page = site.get("/query?title=%E9").await;
    assert_eq!(page.status(), 400);
    assert!(
        page.text()
            .contains("`title` of the query is not readable text"),
        "{}",
        page.text()
    );
    let pairs = self::site::<BTreeMap<String, String>>().await;
    assert_eq!(pairs.get("/query?%ff=1").await.status(), 400);
}

#[tokio::test]
async fn json_that_does_not_fit_is_named_by_its_path() {
    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only whether they are there")]
    struct Order {
        items: Vec<Item>,
        by: HashMap<String, Item>,
    }
    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only whether it is there")]
    struct Item {
        price: u32,
    }
    let site = site::<Order>().await;
    for (json, says) in [
        (
            r#"{"items": [{"price": 1}, {"price": "s3cret"}]}"#,
            "the field `items[1].price` of the JSON is not valid",
        ),
        (
            r#"{"items": [{"price": 1}, {}]}"#,
            "the field `items[1].price` of the JSON is missing",
        ),
        (r#"{"items": []}"#, "the field `by` of the JSON is missing"),
        (
            r#"{"items": [], "by": {"s-1": {"price": -5}}}"#,
            "the field `by.s-1.price` of the JSON is not valid",
        ),
        (
            r#"{"items": [{"price": 1, "cost": 2}]}"#,
            "the field `items[0].cost` of the JSON is not known",
        ),
        (
            r#"{"items": [{"price": 1, "price": 2}]}"#,
            "the field `items[0].price` of the JSON comes more than once",
        ),
        (
            r#"{"items": "s3cret"}"#,
            "the field `items` of the JSON is not valid",
        ),
        ("[]", "the JSON is not valid"),
        ("\"s3cret\"", "the JSON is not valid"),
    ] {
        for accept in ["*/*", "text/html", JSON] {
            let page = site
                .post("/json")
                .body(JSON, json)
                .header("accept", accept)
                .await;
            assert_eq!(page.status(), 422, "{json}");
            assert!(page.text().contains(says), "{json}: {}", page.text());
            assert!(!page.text().contains("s3cret"), "{json}: {}", page.text());
        }
    }
}

#[tokio::test]
async fn a_name_that_the_client_made_up_is_shown_short_and_harmless() {
    let site = site::<HashMap<String, u8>>().await;
    let long = "a".repeat(900);
    for name in ["<script>", "a\r\nb: c", "\u{202e}gpj", &long, "\u{1b}[31m"] {
        for (status, answer) in send(&site, &[(name, "x")], "text/html").await {
            let (code, text) = (answer.status(), answer.text());
            // The headers of a part may not have such characters.
            let is_malformed = code == 400 && name.chars().any(char::is_control);
            assert!(code == status || is_malformed, "{text}");
            assert!(!text.contains(name), "{name:?}: {text}");
        }
        let json = serde_json::to_string(&HashMap::from([(name, "x")])).expect("JSON");
        let page = site
            .post("/json")
            .body(JSON, json)
            .header("accept", "text/html")
            .await;
        assert_eq!(page.status(), 422);
        assert!(!page.text().contains(name), "{name:?}: {}", page.text());
    }
}

#[tokio::test]
async fn a_form_and_a_query_are_read_as_a_map_or_as_pairs() {
    let fields = [("b", "1"), ("a", "2"), ("b", "3")];
    for (_, answer) in send(&site::<BTreeMap<String, String>>().await, &fields, "*/*").await {
        assert_eq!(answer.text(), r#"{"a": "2", "b": "3"}"#);
    }
    for (_, answer) in send(&site::<BTreeMap<String, Vec<u8>>>().await, &fields, "*/*").await {
        assert_eq!(answer.text(), r#"{"a": [2], "b": [1, 3]}"#);
    }
    for (_, answer) in send(&site::<Vec<(String, String)>>().await, &fields, "*/*").await {
        assert_eq!(answer.text(), r#"[("b", "1"), ("a", "2"), ("b", "3")]"#);
    }
    for (_, answer) in send(&site::<HashMap<String, String>>().await, &[], "*/*").await {
        assert_eq!(answer.text(), "{}");
    }
    for (status, answer) in send(&site::<Vec<(String, u8)>>().await, &[("a", "x")], "*/*").await {
        assert_eq!(answer.status(), status);
        assert!(
            answer.text().contains("the field `a` of the "),
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn a_form_has_so_many_fields_and_no_more() {
    let site = site::<Vec<(String, String)>>().await;
    let form = |count: usize| "a&".repeat(count);
    assert_eq!(
        site.post("/form").body(FORM, form(1000)).await.status(),
        200
    );
    assert_eq!(
        site.post("/form").body(FORM, form(1001)).await.status(),
        413
    );
    assert_eq!(
        site.get(&format!("/query?{}", form(1000))).await.status(),
        200
    );
    assert_eq!(
        site.get(&format!("/query?{}", form(1001))).await.status(),
        413
    );
    let million = site.post("/form").body(FORM, form(1_000_000)).await;
    assert_eq!(million.status(), 413);
}

#[tokio::test]
async fn a_mark_before_the_first_name_is_no_part_of_it() {
    let site = site::<BTreeMap<String, String>>().await;
    for form in ["\u{feff}a=1&b=2", "%EF%BB%BFa=1&b=2", "%ef%bb%bfa=1&b=2"] {
        let page = site.post("/form").body(FORM, form).await;
        assert_eq!(page.text(), r#"{"a": "1", "b": "2"}"#, "{form}");
    }
    let page = site.get("/query?%EF%BB%BFa=1").await;
    assert_eq!(page.text(), r#"{"a": "1"}"#);
    let page = site
        .post("/json")
        .body(JSON, "\u{feff}{\"a\": \"1\"}")
        .await;
    assert_eq!(page.text(), r#"{"a": "1"}"#);
    let page = site.post("/json").body(JSON, "\u{feff}\u{feff}{}").await;
    assert_eq!(page.status(), 400);
}

#[tokio::test]
async fn a_uuid_may_be_a_field() {
    let site = site::<HashMap<String, duck::Uuid>>().await;
    let id = "67e55044-10b1-426f-9247-bb680e5fe0c8";
    for (_, answer) in send(&site, &[("id", id)], "*/*").await {
        assert_eq!(answer.status(), 200);
    }
    for (status, answer) in send(&site, &[("id", &id[1..])], "*/*").await {
        assert_eq!(answer.status(), status);
    }
}
