//! A view with a function for each method.

use duck::prelude::*;

/// `GET` is answered; any other method is a 405.
pub struct About;

impl ClassView for About {
    async fn get(&self, request: Request) -> Result<Response> {
        render(&request, "about.html", context! {}).await
    }
}
