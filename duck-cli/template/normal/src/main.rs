//! The program: `run`, `routes`, `check`, `secret`; `{{ name }} --help` lists them.

fn main() -> duck::ExitCode {
    {{ crate_name }}::app().run()
}
