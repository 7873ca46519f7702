use duck::prelude::*;

struct Note {
    title: String,
}

async fn home(request: Request) -> Result<Response> {
    let note = Note { title: "Milk".to_owned() };
    render(&request, "home.html", context! { note, title => "Home" }).await
}

fn main() {
    path("/", home);
}
