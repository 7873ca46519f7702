//! `duck upgrade`: the copy of the framework is replaced as a whole or not at all, and nothing of the
//! site's own is touched.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::environment::{Answer, Environment};

const CORE: &str = "site/vendor/duck/duck-core/src/lib.rs";

/// A site whose copy is of version 0.0.9: one file differs, one is missing, and one is no longer needed.
fn site_of_an_older_version() -> Environment {
    let environment = Environment::new();
    environment.duck(&["new", "site", "--mini"]).done();
    let copy = environment.path("site/vendor/duck");
    let manifest = fs::read_to_string(copy.join("Cargo.toml")).unwrap();
    let current = format!("version = \"{}\"", env!("CARGO_PKG_VERSION"));
    let manifest = manifest.replace(&current, "version = \"0.0.9\"");
    fs::write(copy.join("Cargo.toml"), manifest).unwrap();
    fs::write(copy.join("CHANGELOG.md"), "# Changelog\n").unwrap();
    fs::write(copy.join("duck-core/src/lib.rs"), "// of 0.0.9\n").unwrap();
    fs::write(copy.join("duck-core/src/gone.rs"), "// of 0.0.9\n").unwrap();
    fs::remove_file(copy.join("duck-core/src/prelude.rs")).unwrap();
    write_checksums(&copy);
    environment
}

/// As the `duck` of that version would have done.
fn write_checksums(copy: &Path) {
    fs::remove_file(copy.join("SHA256SUMS")).unwrap();
    let script = "find * -type f | xargs sha256sum > ../sums && mv ../sums SHA256SUMS";
    let mut shell = Command::new("sh");
    shell.args(["-ec", script]).current_dir(copy);
    assert!(shell.status().unwrap().success());
}

fn upgrade(environment: &Environment, args: &[&str]) -> Answer {
    let mut command = environment.command(&["upgrade"]);
    command.args(args).current_dir(environment.path("site/src"));
    Answer::of(command.output().unwrap())
}

/// Every file below a folder, with what is in it.
fn contents(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(contents(&path));
        } else {
            let bytes = fs::read(&path).unwrap();
            files.insert(path.to_str().unwrap().to_owned(), bytes);
        }
    }
    files
}

/// What is in `vendor` beside the copy: nothing, unless an upgrade left something behind.
fn beside_the_copy(environment: &Environment) -> Vec<String> {
    let entries = fs::read_dir(environment.path("site/vendor")).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name != "duck").collect()
}

/// The site with its copy is as it was.
#[track_caller]
fn refused_without_a_change(environment: &Environment, args: &[&str], code: i32, says: &str) {
    let before = contents(&environment.path(""));
    upgrade(environment, args).refused(code, says);
    assert!(contents(&environment.path("")) == before, "files changed");
    assert_eq!(beside_the_copy(environment), [""; 0]);
}

#[test]
fn an_old_copy_becomes_the_one_that_this_duck_carries() {
    let environment = site_of_an_older_version();
    environment.duck(&["new", "fresh", "--mini"]).done();
    environment.write("site/src/main.rs", "// the author's\n");
    environment.write("site/vendor/other/lib.rs", "// the author's\n");
    environment.write("site/vendor/duck/target/debug/site", "made by cargo");
    let own = |environment: &Environment| {
        let mut files = contents(&environment.path("site"));
        files.retain(|path, _| !path.contains("vendor/duck"));
        files
    };
    let before = own(&environment);

    let said = upgrade(&environment, &[]).done().err;
    let version = env!("CARGO_PKG_VERSION");
    for part in [
        &*format!("vendor/duck from 0.0.9 to {version}: files changed 4, added 1, removed 1"),
        "### Added",
        "* **A guide**",
        "commit vendor/duck and Cargo.lock",
    ] {
        assert!(said.contains(part), "no {part:?} in {said}");
    }
    assert!(own(&environment) == before);
    let short = |name: &str| -> Vec<_> {
        let root = environment.path(name).join("vendor/duck");
        let files = contents(&root).into_iter();
        let cut = root.to_str().unwrap().len();
        files
            .map(|(path, bytes)| (path[cut..].to_owned(), bytes))
            .collect()
    };
    assert!(short("site") == short("fresh"));
    assert_eq!(beside_the_copy(&environment), ["other"]);

    let again = upgrade(&environment, &[]).done().err;
    assert!(
        again.contains("Unchanged  vendor/duck is version"),
        "{again}"
    );
}

#[test]
fn edits_of_the_copy_are_not_lost_without_force() {
    let environment = Environment::new();
    environment.duck(&["new", "site", "--mini"]).done();
    let original = fs::read(environment.path(CORE)).unwrap();
    environment.write(CORE, "// mended by hand\n");
    environment.write("site/vendor/duck/duck-core/src/mine.rs", "");
    fs::remove_file(environment.path("site/vendor/duck/duck-core/src/prelude.rs")).unwrap();
    symlink(
        "/etc",
        environment.path("site/vendor/duck/duck-session/src/etc"),
    )
    .unwrap();
    for says in [
        "vendor/duck was edited, and the edits would be lost",
        "changed  vendor/duck/duck-core/src/lib.rs",
        "added  vendor/duck/duck-core/src/mine.rs",
        "added  vendor/duck/duck-session/src/etc",
        "removed  vendor/duck/duck-core/src/prelude.rs",
    ] {
        upgrade(&environment, &[]).refused(1, says);
    }
    assert_eq!(
        fs::read(environment.path(CORE)).unwrap(),
        b"// mended by hand\n"
    );

    upgrade(&environment, &["--force"]).done();
    assert_eq!(fs::read(environment.path(CORE)).unwrap(), original);
    assert!(
        !environment
            .path("site/vendor/duck/duck-core/src/mine.rs")
            .exists()
    );
    assert!(Path::new("/etc").is_dir());
}

#[test]
fn of_many_edits_the_first_are_named() {
    let environment = Environment::new();
    environment.duck(&["new", "site", "--mini"]).done();
    for number in 10..35 {
        environment.write(
            &format!("site/vendor/duck/duck-core/src/{number}/target"),
            "",
        );
    }
    upgrade(&environment, &[]).refused(1, "duck-core/src/29/target\n  and 5 more");
}

#[test]
fn a_copy_without_a_list_of_its_files_is_replaced_by_force_only() {
    let environment = site_of_an_older_version();
    fs::remove_file(environment.path("site/vendor/duck/SHA256SUMS")).unwrap();
    refused_without_a_change(
        &environment,
        &[],
        1,
        "cannot tell whether vendor/duck was edited",
    );
    upgrade(&environment, &["--force"]).done();
}

#[test]
fn a_copy_with_a_broken_manifest_is_mended_by_force() {
    let environment = site_of_an_older_version();
    environment.write("site/vendor/duck/Cargo.toml", "[workspace\n");
    refused_without_a_change(&environment, &[], 1, "changed  vendor/duck/Cargo.toml");
    upgrade(&environment, &["--force"]).done();
}

#[test]
fn a_newer_copy_is_not_made_older() {
    let environment = Environment::new();
    environment.duck(&["new", "site", "--mini"]).done();
    for newer in ["100.0.0", "100.0.0-rc.1"] {
        let manifest = format!("[workspace.package]\nversion = \"{newer}\"\n");
        environment.write("site/vendor/duck/Cargo.toml", &manifest);
        for args in [&[][..], &["--force"]] {
            let says = format!("vendor/duck is version {newer}, newer than the");
            refused_without_a_change(&environment, args, 1, &says);
        }
    }
}

#[test]
fn a_site_without_a_copy_is_told_what_it_is_built_with() {
    let environment = Environment::new();
    environment.duck(&["new", "site", "--mini"]).done();
    for (dependency, says) in [
        (
            "duck = { package = \"duck-core\", path = \"/opt/duck/duck-core\" }",
            "takes it from `/opt/duck/duck-core`",
        ),
        (
            "duck = { package = \"duck-core\", path = \"vendor/duck/../duck-core\" }",
            "takes it from",
        ),
        ("duck-core = \"0.1\"", "names no folder for it"),
        ("duck.workspace = true", "names no folder for it"),
    ] {
        let manifest = format!("[package]\nname = \"site\"\n[dependencies]\n{dependency}\n");
        environment.write("site/Cargo.toml", &manifest);
        refused_without_a_change(&environment, &["--force"], 1, says);
    }
    let manifest = "[package]\nname = \"site\"\n[dependencies]\nserde = \"1\"\n";
    environment.write("site/Cargo.toml", manifest);
    refused_without_a_change(&environment, &[], 2, "it does not depend on `duck-core`");
    environment
        .duck(&["upgrade"])
        .refused(2, "`duck new mysite` makes one");
}

#[test]
fn a_copy_that_is_missing_or_a_link_is_left_alone() {
    let environment = Environment::new();
    environment.duck(&["new", "site", "--mini"]).done();
    fs::rename(
        environment.path("site/vendor/duck"),
        environment.path("shared"),
    )
    .unwrap();
    upgrade(&environment, &["--force"]).refused(1, "cannot read");
    symlink("../../shared", environment.path("site/vendor/duck")).unwrap();
    upgrade(&environment, &["--force"]).refused(1, "`vendor/duck` is a link to");
    fs::remove_dir_all(environment.path("site/vendor")).unwrap();
    fs::create_dir(environment.path("all")).unwrap();
    fs::rename(environment.path("shared"), environment.path("all/duck")).unwrap();
    symlink("../all", environment.path("site/vendor")).unwrap();
    upgrade(&environment, &["--force"]).refused(1, "`vendor/duck` is a link to");
}

/// The limit on the size of a file stands for a disk that is full: the write fails, or ends `duck`.
#[test]
fn an_upgrade_that_fails_half_way_leaves_the_copy_as_it_was() {
    let environment = site_of_an_older_version();
    let before = contents(&environment.path("site/vendor/duck"));
    for (signal, code) in [("trap '' XFSZ", Some(1)), ("trap - XFSZ", None)] {
        let mut shell = Command::new("sh");
        let script = format!("{signal}; ulimit -f 8; exec \"$0\" upgrade");
        shell.args(["-c", &script, env!("CARGO_BIN_EXE_duck")]);
        let output = shell
            .current_dir(environment.path("site"))
            .output()
            .unwrap();
        assert_eq!(output.status.code(), code, "{output:?}");
        if code.is_some() {
            let err = String::from_utf8(output.stderr).unwrap();
            assert!(
                err.contains("cannot write") && err.contains("vendor/duck/"),
                "{err}"
            );
            assert_eq!(beside_the_copy(&environment), [""; 0]);
        }
        assert!(contents(&environment.path("site/vendor/duck")) == before);
    }
    upgrade(&environment, &[]).done();
}

#[test]
fn a_folder_that_may_not_be_written_to_keeps_its_copy() {
    use std::os::unix::fs::PermissionsExt;

    let environment = site_of_an_older_version();
    let vendor = environment.path("site/vendor");
    fs::set_permissions(&vendor, fs::Permissions::from_mode(0o555)).unwrap();
    // The administrator may write anywhere.
    if fs::write(vendor.join("probe"), "").is_err() {
        refused_without_a_change(&environment, &[], 1, "cannot make");
    }
    fs::set_permissions(&vendor, fs::Permissions::from_mode(0o755)).unwrap();
}
