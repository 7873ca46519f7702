use duck_core::prelude::*;

struct Pool;

fn main() {
    App::new(Settings::default()).with(Pool);
}
