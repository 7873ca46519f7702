//! Names of fields and types that are out of the ordinary.

use garde::Validate;
use serde::Deserialize;

use crate::{assert_errors, errors, post, site};

#[derive(Debug, Deserialize, Validate)]
#[expect(dead_code, reason = "shown by its Debug only")]
struct Renamed {
    #[serde(rename = "e-mail", alias = "mail")]
    #[garde(email)]
    email: String,
    #[serde(flatten)]
    #[garde(skip)]
    rest: std::collections::BTreeMap<String, String>,
}

#[derive(Debug, Deserialize, Validate)]
struct Aliased {
    #[serde(alias = "mail")]
    #[garde(email)]
    email: String,
}

#[tokio::test]
async fn no_message_is_lost_where_serde_and_the_rules_name_a_field_differently() {
    let site = site::<Renamed>().await;
    assert_eq!(
        post(&site, "e-mail=a@example.org&other=1").await,
        r#"Renamed { email: "a@example.org", rest: {"other": "1"} }"#
    );
    let form = post(&site, "e-mail=nobody").await;
    assert_errors(&form, &[("", "email: must be an email address")]);
    let form = post(&site, "").await;
    assert!(errors(&form).contains(&(String::new(), "e-mail: is required".into())));
}

#[tokio::test]
async fn a_field_under_two_of_its_names_is_refused() {
    let site = site::<Aliased>().await;
    assert_eq!(
        post(&site, "mail=a@example.org").await,
        r#"Aliased { email: "a@example.org" }"#
    );
    let form = post(&site, "mail=a@example.org&email=b@example.org").await;
    let said = errors(&form);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].1.ends_with("comes more than once"), "{said:?}");
}

/// A type that takes no text that Duck could think of.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Code;

impl TryFrom<String> for Code {
    type Error = &'static str;

    fn try_from(text: String) -> std::result::Result<Self, &'static str> {
        if text == "XK-17" {
            Ok(Self)
        } else {
            Err("no code")
        }
    }
}

#[derive(Debug, Deserialize, Validate)]
#[expect(dead_code, reason = "shown by its Debug only")]
struct Ticket {
    #[garde(skip)]
    code: Code,
    #[garde(skip)]
    seat: u8,
}

#[tokio::test]
async fn a_type_without_a_stand_in_hides_nothing_beside_it() {
    let site = site::<Ticket>().await;
    assert_eq!(
        post(&site, "code=XK-17&seat=1").await,
        "Ticket { code: Code, seat: 1 }"
    );
    let form = post(&site, "code=x&seat=y").await;
    assert_errors(
        &form,
        &[("code", "is not valid"), ("seat", "must be a whole number")],
    );
    let form = post(&site, "").await;
    assert_eq!(
        errors(&form)[0],
        ("code".to_owned(), "is required".to_owned())
    );
}

#[derive(Debug, Deserialize, Validate)]
#[expect(dead_code, reason = "shown by its Debug only")]
struct Comment {
    #[garde(skip)]
    text: String,
    #[garde(dive)]
    answers: Vec<Comment>,
}

#[tokio::test]
async fn a_type_may_contain_itself() {
    let site = site::<Comment>().await;
    assert_eq!(site.get("/").await.status(), 200);
    let shown = post(
        &site,
        "text=a&answers[0].text=b&answers[0].answers[0].text=c",
    )
    .await;
    let expected = r#"Comment { text: "a", answers: [Comment { text: "b", answers: [Comment { text: "c", answers: [] }] }] }"#;
    assert_eq!(shown, expected);
    let deep = (1..20)
        .map(|depth| format!("&{}text=x", "answers[0].".repeat(depth)))
        .collect::<String>();
    let form = post(&site, format!("text=a{deep}")).await;
    assert!(
        errors(&form)
            .iter()
            .any(|(_, message)| message.ends_with("is not known")),
        "{form}"
    );
}

#[derive(Debug, Deserialize, Validate)]
#[expect(dead_code, reason = "shown by its Debug only")]
struct Reserved {
    #[garde(skip)]
    errors: String,
}

#[tokio::test]
async fn a_field_with_a_name_of_the_forms_own_is_a_mistake_of_the_site() {
    let site = site::<Reserved>().await;
    let page = site.get("/").await;
    assert_eq!(page.status(), 500);
}
