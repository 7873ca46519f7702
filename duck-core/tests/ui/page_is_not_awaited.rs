use duck::prelude::*;

async fn home(request: Request) -> Result<Response> {
    render(&request, "home.html", context! {})
}

fn main() {
    path("/", home);
}
