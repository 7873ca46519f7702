use duck::prelude::*;

async fn home(_request: Request, _bytes: Vec<u8>) -> &'static str {
    "home"
}

fn main() {
    path("/<bytes>", home);
}
