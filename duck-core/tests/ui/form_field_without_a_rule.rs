//! A field that was forgotten is said to be unchecked, or is checked.

use duck::prelude::*;

#[derive(serde::Deserialize, garde::Validate)]
struct Note {
    #[garde(length(min = 1))]
    title: String,
    text: String,
}

async fn create(request: Request) -> Result<Response> {
    let form = request.form::<Note>().await?;
    Ok(text(form.valid().map_or_else(String::new, |note| note.title + &note.text)))
}

fn main() {
    let _ = path("/", create);
}
