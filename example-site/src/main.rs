//! The program: `cargo run -p example-site` serves the site.

fn main() -> duck::ExitCode {
    example_site::app().run()
}
