//! Commands that the site does not have.

use std::process::Command;

#[test]
fn a_command_that_there_is_not_is_told_what_is_meant() {
    let folder = tempfile::tempdir().unwrap();
    let settings = "DEBUG = true\nDATABASE_URL = \"sqlite:site.db\"\n";
    std::fs::write(folder.path().join("settings.toml"), settings).unwrap();
    for (command, says) in [
        ("runserver", "`duck run` serves the site"),
        ("makeproject", "`duck new NAME` makes a site"),
        ("rnu", "did you mean `run`?"),
        ("rout", "did you mean `routes`?\n"),
        ("session", "did you mean `sessions`?"),
        ("whatever", "no command \"whatever\"\nthis site has "),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_example-site"))
            .args([command, "--port", "3000"])
            .env("DUCK_SETTINGS", folder.path().join("settings.toml"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert!(err.contains(says), "{err}");
        assert!(err.contains("this site has run, routes, check"), "{err}");
        assert_eq!(output.status.code(), Some(2), "{err}");
    }
}
