use std::rc::Rc;

use duck::prelude::*;

async fn home(request: Request) -> Result<String> {
    let count = Rc::new(1);
    let text = request.text().await?;
    Ok(format!("{count} {text}"))
}

fn main() {
    path("/", home);
}
