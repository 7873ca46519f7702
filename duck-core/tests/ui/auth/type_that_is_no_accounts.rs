use duck::auth::Auth;
use duck::prelude::*;

struct Users;

fn main() {
    App::new(Settings::default()).with(Auth::new(|_| Ok(Users)));
}
