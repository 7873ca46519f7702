use duck::prelude::*;

async fn timing(_request: Request) -> Result<Response> {
    Ok(text("never"))
}

fn main() {
    App::new(Settings::default()).middleware(timing);
}
