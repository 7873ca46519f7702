//! The units of systemd that a new site has.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::environment::Environment;

/// What `systemd-analyze security` may say at most: 2.0 of 10.
const EXPOSURE: &str = "--threshold=20";

/// `None` where there is no systemd; where `CI` is set, there has to be.
fn systemd_analyze(arguments: &[&str], files: &[&Path]) -> Option<(Option<i32>, String)> {
    let mut command = Command::new("systemd-analyze");
    let output = command.args(arguments).args(files).output();
    let Ok(output) = output else {
        assert_ne!(
            std::env::var("CI").as_deref(),
            Ok("true"),
            "CI has to have systemd-analyze"
        );
        eprintln!("SKIPPED: there is no systemd-analyze on this machine");
        return None;
    };
    let text = [output.stdout, output.stderr].concat();
    Some((output.status.code(), String::from_utf8(text).unwrap()))
}

#[test]
fn the_units_of_a_new_site_are_understood_and_leave_it_little() {
    let environment = Environment::new();
    for options in [
        &["--database", "sqlite"][..],
        &["--database", "postgres"],
        &["--sessions", "redis"],
    ] {
        let name = format!("site-{}", options[1]);
        environment
            .duck(&[&["new", &name, "--full"], options].concat())
            .done();
        let unit = |kind: &str| environment.path(&format!("{name}/deploy/{name}.{kind}"));
        let (service, socket) = (unit("service"), unit("socket"));
        let security = ["security", "--offline=true", "--no-pager", EXPOSURE];
        let Some((code, text)) = systemd_analyze(&security, &[&service]) else {
            return;
        };
        assert_eq!(code, Some(0), "{text}");
        // The program is not at its place on this machine.
        let here = fs::read_to_string(&service).unwrap();
        let here = here.replace(&format!("/opt/{name}/{name} run"), "/bin/true");
        fs::write(&service, here).unwrap();
        let verify = ["verify", "--man=no"];
        let verified = systemd_analyze(&verify, &[&service, &socket]);
        assert_eq!(verified, Some((Some(0), String::new())));
    }
}

#[test]
fn the_units_that_the_guide_shows_are_those_of_a_new_site() {
    let environment = Environment::new();
    environment.duck(&["new", "mysite", "--full"]).done();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/deploying.md");
    let page = fs::read_to_string(page).unwrap();
    let blocks = page.split("```ini\n").skip(1);
    let blocks = blocks.map(|rest| rest.split("```").next().unwrap());
    for (block, kind) in blocks.zip(["socket", "service"]) {
        let unit = environment.path(&format!("mysite/deploy/mysite.{kind}"));
        let unit = fs::read_to_string(unit).unwrap();
        let lines = block.lines().filter(|line| !line.is_empty());
        let missing: Vec<_> = lines
            .filter(|line| !unit.lines().any(|own| own == *line))
            .collect();
        assert!(missing.is_empty(), "{kind}: {missing:?}");
    }
}
