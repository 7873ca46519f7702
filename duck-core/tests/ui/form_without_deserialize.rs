//! A form is read by serde.

use duck::prelude::*;

#[derive(garde::Validate)]
struct Note {
    #[garde(length(min = 1))]
    title: String,
}

async fn create(request: Request) -> Result<Response> {
    let form = request.form::<Note>().await?;
    Ok(text(form.valid().map_or_else(String::new, |note| note.title)))
}

fn main() {
    let _ = path("/", create);
}
