//! The program: `run`, `routes`, `check`, `secret`; `@NAME@ --help` lists them.

fn main() -> duck::ExitCode {
    @CRATE_NAME@::app().run()
}
