use duck::prelude::*;

struct Pool;

fn main() {
    App::new(Settings::default()).with(Pool);
}
