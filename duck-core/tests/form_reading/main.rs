//! Forms with rules: what is read, and what is said where it cannot be.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod hostile;
mod lists;
mod names;
mod views;
mod words;

use std::fmt::Debug;
use std::net::IpAddr;

use duck::forms::FormType;
use duck::prelude::*;
use duck::testing::TestClient;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const FORM: &str = "application/x-www-form-urlencoded";

/// An order without its rows.
const ORDER: &str = "from=10.0.0.1&id=67e55044-10b1-426f-9247-bb680e5fe0c8&day=2026-03-01&price=1.5\
    &address.zip=12345&sizes=1&sizes=2&tags[]=a&tags[]=b";

#[derive(Debug, Default, Deserialize, Serialize, Validate)]
struct Note {
    #[garde(length(chars, min = 1, max = 10))]
    title: String,
    #[garde(range(max = 5))]
    stars: u8,
    #[garde(skip)]
    public: bool,
    #[garde(skip)]
    color: Option<Color>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Color {
    Red,
    DarkGreen,
}

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Order {
    #[garde(skip)]
    from: IpAddr,
    #[garde(skip)]
    id: Uuid,
    #[garde(skip)]
    day: Day,
    #[garde(skip)]
    price: f64,
    #[garde(dive)]
    address: Address,
    #[garde(length(min = 2, max = 3), dive)]
    rows: Vec<Row>,
    #[garde(inner(length(chars, max = 3)))]
    tags: Vec<String>,
    #[garde(skip)]
    sizes: Vec<u16>,
    #[garde(skip)]
    grade: Option<char>,
}

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Address {
    #[garde(length(chars, min = 5, max = 5))]
    zip: String,
    #[garde(skip)]
    city: Option<String>,
}

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Row {
    #[garde(length(chars, max = 5))]
    what: String,
    #[garde(skip)]
    price: u32,
    #[garde(skip)]
    done: bool,
}

/// A type that reads text its own way, as those of crates for dates do.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
struct Day(u16, u8, u8);

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        let read = || {
            let (year, rest) = text.split_once('-')?;
            let (month, day) = rest.split_once('-')?;
            Some(Self(
                year.parse().ok()?,
                month.parse().ok()?,
                day.parse().ok()?,
            ))
        };
        read().ok_or_else(|| format!("{text} is no day"))
    }
}

impl From<Day> for String {
    fn from(Day(year, month, day): Day) -> Self {
        format!("{year:04}-{month:02}-{day:02}")
    }
}

/// What a page shows of a form: the value, or the form as its template sees it.
async fn show<T: FormType + Debug>(request: Request) -> Result<Response> {
    let form = request.form::<T>().await?;
    if let Some(value) = form.valid() {
        assert!(form.valid().is_none(), "a value is given once");
        return Ok(text(format!("{value:?}")));
    }
    Ok(json(&form))
}

fn app<T: FormType + Debug>() -> App {
    App::new(Settings::default()).urls([path("/", show::<T>).methods([GET, POST])])
}

async fn site<T: FormType + Debug>() -> TestClient {
    TestClient::start(app::<T>()).await
}

async fn post(site: &TestClient, body: impl Into<duck::http::Body>) -> Value {
    let page = site.post("/").body(FORM, body).await;
    let text = page.text().to_owned();
    assert_eq!(page.status(), 200, "{text}");
    serde_json::from_str(&text).unwrap_or(Value::String(text))
}

/// What is wrong, by the names of the fields; the form's own under `""`.
fn errors(form: &Value) -> Vec<(String, String)> {
    let own = form["errors"].as_array().expect("a form").iter();
    let own = own.map(|message| (String::new(), message.as_str().unwrap().to_owned()));
    let fields = form["fields"].as_array().expect("fields").iter();
    let fields = fields.flat_map(|field| {
        let name = field["name"].as_str().unwrap();
        let messages = field["errors"].as_array().unwrap().iter();
        messages.map(move |message| (name.to_owned(), message.as_str().unwrap().to_owned()))
    });
    own.chain(fields).collect()
}

#[track_caller]
fn assert_errors(form: &Value, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(name, message)| ((*name).to_owned(), (*message).to_owned()))
        .collect();
    assert_eq!(errors(form), expected, "{form:#}");
}

#[tokio::test]
async fn a_form_is_empty_until_it_is_sent() {
    let site = site::<Note>().await;
    let form: Value = serde_json::from_str(site.get("/").await.text()).unwrap();
    assert_eq!(form["is_bound"], false);
    assert_eq!(form["enctype"], FORM);
    assert_errors(&form, &[]);
    let title = json!({
        "name": "title", "id": "id_title", "type": "text", "label": "Title", "required": true,
        "multiple": false, "min": null, "step": null, "options": [], "value": "", "values": [],
        "errors": [],
    });
    assert_eq!(form["title"], title);
    assert_eq!(form["stars"]["type"], "number");
    assert_eq!(form["stars"]["min"], 0);
    assert_eq!(form["public"]["type"], "checkbox");
    assert_eq!(form["public"]["required"], false);
    assert_eq!(form["public"]["value"], false);
    assert_eq!(form["color"]["type"], "select");
    assert_eq!(form["color"]["required"], false);
    assert_eq!(
        form["color"]["options"],
        json!([{"value": "red", "label": "Red"}, {"value": "dark_green", "label": "Dark green"}])
    );
    let names: Vec<_> = form["fields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| &f["name"])
        .collect();
    assert_eq!(names, ["title", "stars", "public", "color"]);
}

#[tokio::test]
async fn a_form_of_structs_and_lists_is_described() {
    let site = site::<Order>().await;
    let form: Value = serde_json::from_str(site.get("/").await.text()).unwrap();
    assert_eq!(form["price"]["step"], "any");
    assert_eq!(form["from"]["type"], "text");
    assert_eq!(form["day"]["required"], true);
    assert_eq!(form["address"]["zip"]["name"], "address.zip");
    assert_eq!(form["address"]["zip"]["id"], "id_address_zip");
    assert_eq!(form["address"]["zip"]["required"], true);
    assert_eq!(form["address"]["city"]["required"], false);
    assert_eq!(form["rows"].as_array().unwrap().len(), 1);
    assert_eq!(form["rows"][0]["price"]["name"], "rows[0].price");
    assert_eq!(form["rows"][0]["price"]["required"], true);
    assert_eq!(form["rows"][0]["done"]["required"], false);
    assert_eq!(form["tags"]["multiple"], true);
    assert_eq!(form["sizes"]["type"], "number");
    assert_eq!(form["grade"]["required"], false);
}

#[tokio::test]
async fn what_is_right_is_given_to_the_view() {
    let site = site::<Note>().await;
    for (body, expected) in [
        (
            "title=Bread&stars=5&public=on&color=dark_green",
            r#"Note { title: "Bread", stars: 5, public: true, color: Some(DarkGreen) }"#,
        ),
        (
            "title=a%2Bb+%C3%BC&stars=+0+&color=&more=1",
            r#"Note { title: "a+b ü", stars: 0, public: false, color: None }"#,
        ),
    ] {
        assert_eq!(post(&site, body).await, expected);
    }
}

#[tokio::test]
async fn a_checkbox_is_on_or_off_and_its_last_value_wins() {
    let site = site::<Note>().await;
    for (sent, expected) in [
        ("", "false"),
        ("&public=0", "false"),
        ("&public=0&public=1", "true"),
        ("&public=1&public=0", "false"),
        ("&public=TRUE", "true"),
        ("&public=yes", "true"),
        ("&public=off", "false"),
        ("&public=no", "false"),
        ("&public=false", "false"),
        ("&public=", "false"),
    ] {
        let shown = post(&site, format!("title=x&stars=1{sent}")).await;
        let expected =
            format!(r#"Note {{ title: "x", stars: 1, public: {expected}, color: None }}"#);
        assert_eq!(shown, expected, "{sent}");
    }
    let form = post(&site, "title=x&stars=1&public=maybe").await;
    assert_errors(&form, &[("public", "must be yes or no")]);
}

#[tokio::test]
async fn all_that_is_wrong_is_said_at_once_and_the_texts_stay() {
    let site = site::<Note>().await;
    let form = post(&site, "title=&stars=many&color=blue&public=1").await;
    assert_errors(
        &form,
        &[
            ("title", "must be at least 1 character"),
            ("stars", "must be a whole number"),
            ("color", "is not one of the choices"),
        ],
    );
    assert_eq!(form["is_bound"], true);
    assert_eq!(form["stars"]["value"], "many");
    assert_eq!(form["color"]["value"], "blue");
    assert_eq!(form["public"]["value"], true);

    let form = post(&site, "").await;
    assert_errors(&form, &[("title", "is required"), ("stars", "is required")]);
    let form = post(&site, "title=longer than that&stars=6").await;
    assert_errors(
        &form,
        &[
            ("title", "must be at most 10 characters"),
            ("stars", "must be at most 5"),
        ],
    );
    for (stars, expected) in [
        ("256", "is too large"),
        ("-1", "is too small"),
        ("1.5", "must be a whole number"),
        ("", "is required"),
    ] {
        let form = post(&site, format!("title=x&stars={stars}")).await;
        assert_errors(&form, &[("stars", expected)]);
    }
}
