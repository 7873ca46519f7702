//! What `cargo test` expects of a test program that has a `main` of its own.

use std::env;
use std::process::ExitCode;

/// Runs the tests whose name has the first argument in it, or lists them.
pub(crate) fn run(tests: &[(&str, fn())]) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--ignored") {
        return ExitCode::SUCCESS; // none is
    }
    let lists = arguments.iter().any(|argument| argument == "--list");
    let wanted = arguments.first().filter(|first| !first.starts_with('-'));
    for (name, test) in tests {
        if wanted.is_some_and(|wanted| !name.contains(wanted.as_str())) {
            continue;
        }
        if lists {
            println!("{name}: test");
        } else {
            test();
            println!("test {name} ... ok");
        }
    }
    ExitCode::SUCCESS
}
