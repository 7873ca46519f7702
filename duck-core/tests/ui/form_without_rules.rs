//! A form needs rules, or a word that it has none.

use duck::prelude::*;

#[derive(serde::Deserialize)]
struct Note {
    title: String,
}

async fn create(request: Request) -> Result<Response> {
    let form = request.form::<Note>().await?;
    Ok(text(form.valid().map_or_else(String::new, |note| note.title)))
}

fn main() {
    let _ = path("/", create);
}
