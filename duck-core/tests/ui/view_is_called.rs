use duck::prelude::*;

async fn home(_request: Request) -> &'static str {
    "home"
}

async fn nothing() -> &'static str {
    "nothing"
}

fn main() {
    path("/", home());
    path("/nothing", nothing());
}
