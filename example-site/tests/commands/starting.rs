//! A site whose components cannot start.

use crate::site::Site;

#[test]
fn a_component_that_cannot_start_is_one_line_and_exit_code_1_in_every_command() {
    let mut site = Site::new();
    site.set("SESSION_STORAGE", "Nothing");
    for arguments in [
        &["run"][..],
        &[],
        &["check"],
        &["check", "--deploy"],
        &["routes"],
        &["sessions", "stats"],
    ] {
        let output = site.piped(arguments).wait_with_output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        assert_eq!(text.lines().count(), 1, "{arguments:?}: {text}");
        assert!(
            text.starts_with("error: ") && text.contains("SESSION_STORAGE"),
            "{arguments:?}: {text}"
        );
    }
}
