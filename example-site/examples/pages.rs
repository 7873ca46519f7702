//! Pages that Duck draws itself: fields of every kind, and what is shown of each kind of error.
//!
//! `cargo run -p example-site --example pages`; with `DUCK_DEBUG=false` the errors are as visitors see them.
//! `.ci/pages` looks at all of them.

use std::collections::BTreeMap;

use duck::error::Or500;
use duck::files::StaticFiles;
use duck::http::RequestError;
use duck::prelude::*;
use duck_session::SessionMiddleware;
use serde::{Deserialize, Serialize};

/// A field of each type.
#[derive(Deserialize, garde::Validate)]
#[expect(dead_code, reason = "what is entered is only looked at")]
struct Everything {
    #[garde(length(chars, min = 3, max = 20))]
    text: String,
    #[garde(email)]
    email: String,
    #[garde(range(max = 5))]
    stars: u8,
    #[garde(range(min = 0.5))]
    price: f64,
    #[garde(range(max = 10))]
    volume: Option<i32>,
    #[garde(custom(is_on))]
    agreed: bool,
    #[garde(skip)]
    colour: Colour,
    #[garde(skip)]
    other_colour: Option<Colour>,
    #[garde(length(min = 1))]
    colours: Vec<Colour>,
    #[garde(length(min = 2, max = 3), inner(length(chars, min = 2)))]
    tags: Vec<String>,
    #[garde(skip)]
    file: Upload,
    #[garde(skip)]
    files: Vec<Upload>,
    #[garde(dive)]
    address: Address,
    #[garde(length(min = 1), dive)]
    rows: Vec<Address>,
}

#[derive(Deserialize, garde::Validate)]
struct Address {
    #[garde(length(chars, min = 5, max = 5))]
    zip: String,
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Colour {
    Yellow,
    Orange,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "garde calls it so")]
fn is_on(agreed: &bool, _: &()) -> garde::Result {
    if *agreed {
        return Ok(());
    }
    Err(garde::Error::new("has to be agreed to"))
}

/// The same struct, drawn by its Rust types, or in one of the other ways that a template can ask for.
async fn form(request: Request, how: String) -> Result<Response> {
    let form = request.form::<Everything>().await?;
    form.error("", "This is about the form as a whole.");
    render(&request, &format!("{how}.html"), context! { form }).await
}

async fn failing(request: Request) -> Result<String> {
    request.session.set("basket", vec!["bread", "tea"]).await?;
    Ok(std::fs::read_to_string("/there/is/no/such/file")?)
}

async fn panicking(_request: Request) -> Result<String> {
    let nothing: BTreeMap<&str, String> = BTreeMap::new();
    Ok(nothing["nothing"].clone())
}

async fn template(request: Request, name: String) -> Result<Response> {
    render(&request, &format!("{name}.html"), context! {}).await
}

async fn refused(_request: Request, status: u16) -> Result<()> {
    let status = StatusCode::from_u16(status).or_500("a status of HTTP")?;
    Err(RequestError::new(status, "`count` is <no> number"))?
}

fn main() -> duck::ExitCode {
    App::from_settings("settings.toml")
        .with(StaticFiles::new())
        .with(SessionMiddleware::new())
        .with(duck::templates!("$CARGO_MANIFEST_DIR/examples/pages"))
        .urls([
            path("/form/<how>", form).methods([GET, POST]).name("form"),
            path("/failing", failing),
            path("/panicking", panicking),
            path("/template/<name>", template),
            path("/refused/<status>", refused),
        ])
        .run()
}
