//! What visitors are told of each rule.

use duck::forms::{Problem, Wording};
use duck::testing::TestClient;
use garde::Validate;
use serde::Deserialize;

use crate::{FORM, Note, app, assert_errors, post, site};

#[tokio::test]
async fn the_words_are_the_sites() {
    let german = Wording::new(|request, problem| {
        let is_german = request
            .header("accept-language")
            .is_some_and(|tag| tag.starts_with("de"));
        Some(match problem {
            _ if !is_german => return None,
            Problem::Required => "fehlt".to_owned(),
            Problem::TooLong(max) => format!("darf höchstens {max} Zeichen haben"),
            _ => return None,
        })
    });
    let site = TestClient::start(app::<Note>().state(german)).await;
    for (language, expected) in [
        (
            "de",
            [
                ("title", "darf höchstens 10 Zeichen haben"),
                ("stars", "fehlt"),
            ],
        ),
        (
            "en",
            [
                ("title", "must be at most 10 characters"),
                ("stars", "is required"),
            ],
        ),
    ] {
        let page = site
            .post("/")
            .body(FORM, "title=longer than that")
            .header("accept-language", language)
            .await;
        assert_errors(&serde_json::from_str(page.text()).unwrap(), &expected);
    }
}

#[derive(Debug, Deserialize, Validate)]
struct Ruled {
    #[garde(email)]
    email: String,
    #[garde(url)]
    home: String,
    #[garde(pattern("^[a-z]+$"))]
    slug: String,
    #[garde(contains("x"))]
    x: String,
    #[garde(prefix("a"), suffix("z"))]
    az: String,
    #[garde(ip)]
    ip: String,
    #[garde(ascii)]
    ascii: String,
    #[garde(alphanumeric)]
    plain: String,
    #[garde(range(min = 2))]
    number: i32,
    #[garde(required)]
    needed: Option<u8>,
    #[garde(skip)]
    password: String,
    #[garde(matches(password))]
    again: String,
    #[garde(custom(no_ducks))]
    own: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what garde calls")]
fn no_ducks(text: &str, (): &()) -> garde::Result {
    if text == "duck" {
        Err(garde::Error::new("must not be a duck"))
    } else {
        Ok(())
    }
}

#[tokio::test]
async fn each_rule_is_said_in_plain_words() {
    let site = site::<Ruled>().await;
    let form = post(&site, "email=a&home=b&slug=1&x=&az=b&ip=1&ascii=%C3%BC&plain=-&number=1&needed=&password=p&again=q&own=duck").await;
    assert_errors(
        &form,
        &[
            ("email", "must be an email address"),
            ("home", "must be a web address"),
            ("slug", "does not have the right form"),
            ("x", "must contain “x”"),
            ("az", "must begin with “a”"),
            ("az", "must end with “z”"),
            ("ip", "must be an IP address"),
            ("ascii", "must not have accents or other special characters"),
            ("plain", "must be letters and digits only"),
            ("number", "must be at least 2"),
            ("needed", "is required"),
            ("again", "must be the same as password"),
            ("own", "must not be a duck"),
        ],
    );
}
