use duck::prelude::*;

async fn nine(_: Request, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) -> String {
    String::new()
}

fn main() {
    path("/<a>/<b>/<c>/<d>/<e>/<f>/<g>/<h>/<i>", nine);
}
