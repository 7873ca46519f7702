//! A view with a function for each method.

use duck::prelude::*;

use crate::views::page;

/// `GET` is answered; any other method is a 405.
pub struct About;

impl ClassView for About {
    async fn get(&self, _request: Request) -> Result<Response> {
        Ok(page(
            "About",
            "<h1>About @NAME@</h1>\n<p>A site made with Duck.</p>",
        ))
    }
}
