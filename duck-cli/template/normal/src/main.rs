//! The program: `run`, `routes`, `check`, `sessions`; `{{ name }} --help` lists them.

fn main() -> duck::ExitCode {
    {{ crate_name }}::app().run()
}
