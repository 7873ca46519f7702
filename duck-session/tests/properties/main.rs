//! What holds for every input, tried with many that are made up: sessions as a dictionary, their
//! stored form, and settings. `PROPTEST_CASES=10000` in the environment tries more.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod data;
mod dictionary;
mod settings;
mod values;

use proptest::test_runner::Config;

/// So many cases, unless the environment says otherwise. What fails is printed, and not kept in a file.
fn cases(few: u32) -> Config {
    let mut config = Config {
        failure_persistence: None,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = few;
    }
    config
}
