use duck::prelude::*;

fn home(_request: Request) -> &'static str {
    "home"
}

fn main() {
    path("/", home);
}
