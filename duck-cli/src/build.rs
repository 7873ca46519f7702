//! One run of `cargo build`.

use std::collections::{HashMap, HashSet};
use std::env;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde::Deserialize;

use crate::failure::{Context, Failure, Result};
use crate::group::Group;
use crate::packages;
use crate::progress::Progress;
use crate::report;
use crate::site::Site;

/// The folder of copied sources, whose warnings are not the author's to mend.
const VENDOR: &str = "vendor";

/// A line that `cargo build --message-format=json` prints.
#[derive(Deserialize)]
#[serde(tag = "reason")]
enum Message {
    #[serde(rename = "compiler-artifact")]
    Artifact {
        package_id: String,
        target: Target,
        executable: Option<PathBuf>,
    },
    #[serde(rename = "compiler-message")]
    Diagnostic { target: Target, message: Diagnostic },
    #[serde(rename = "build-finished")]
    Finished { success: bool },
    #[serde(other)]
    Other,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    src_path: PathBuf,
}

#[derive(Deserialize)]
struct Diagnostic {
    level: String,
    rendered: Option<String>,
}

/// What a build came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    success: bool,
    executables: HashMap<String, PathBuf>,
    /// What the compiler said about the site, and cargo about the rest.
    diagnostics: Vec<String>,
    pub(crate) time: Duration,
}

impl Outcome {
    /// The site's binary.
    ///
    /// # Errors
    /// When the site does not compile, whose reasons are shown then, or has no such binary.
    pub(crate) fn binary(&self, site: &Site) -> Result<PathBuf> {
        if !self.success {
            self.show_diagnostics();
            return Err(Failure::new(format!("{} does not compile", site.name)));
        }
        self.executables.get(&site.binary).cloned().ok_or_else(|| {
            let name = &site.binary;
            Failure::new(format!(
                "the package has no binary `{name}`; is there a src/main.rs?"
            ))
        })
    }

    /// Prints what the compiler said: warnings, if the build was good.
    pub(crate) fn show_diagnostics(&self) {
        for text in &self.diagnostics {
            report::line(text.trim_end());
        }
    }

    pub(crate) fn diagnostics(&self) -> String {
        let texts: Vec<&str> = self
            .diagnostics
            .iter()
            .map(|text| text.trim_end())
            .collect();
        texts.join("\n\n")
    }
}

#[derive(Debug)]
pub(crate) struct Build {
    cargo: Child,
    group: Group,
    progress: Progress,
}

impl Build {
    /// Starts cargo in a process group of its own, so that [`cancel`](Self::cancel) ends the compilers
    /// too. `done` is called on another thread when cargo has no more to say.
    pub(crate) fn start(
        site: &Site,
        release: bool,
        done: impl FnOnce(Outcome) + Send + 'static,
    ) -> Result<Self> {
        let progress = progress(site);
        let (cargo, follow) = spawn(site, command(site, release).process_group(0), &progress)?;
        let group = Group::of(&cargo);
        thread::spawn(move || done(follow()));
        Ok(Self {
            cargo,
            group,
            progress,
        })
    }

    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    pub(crate) fn cancel(mut self) {
        self.group.terminate();
        let _ = self.cargo.wait();
    }

    /// Takes leave of a build that is done.
    pub(crate) fn finish(mut self) {
        let _ = self.cargo.wait();
    }
}

/// Builds the site and waits for it. Ctrl-C reaches cargo as it reaches us.
pub(crate) fn build(site: &Site, release: bool) -> Result<Outcome> {
    let (mut cargo, follow) = spawn(site, &mut command(site, release), &progress(site))?;
    let outcome = follow();
    cargo.wait().context(|| "cannot wait for cargo".into())?;
    Ok(outcome)
}

fn command(site: &Site, release: bool) -> Command {
    let format = if report::in_colour() {
        "json-diagnostic-rendered-ansi"
    } else {
        "json"
    };
    let mut command = Command::new(packages::cargo());
    command
        .arg("build")
        .arg(format!("--message-format={format}"));
    command.args(release.then_some("--release"));
    // Its own lines are read here; the compiler's are in colour by the format.
    command
        .env("CARGO_TERM_COLOR", "never")
        .current_dir(&site.root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Starts cargo; the function that comes with it reads along until cargo is done.
fn spawn(
    site: &Site,
    command: &mut Command,
    progress: &Progress,
) -> Result<(Child, impl FnOnce() -> Outcome + Send + use<>)> {
    let mut cargo = command
        .spawn()
        .context(|| "cannot start cargo; is Rust installed (https://rustup.rs)?".into())?;
    let pipes = cargo.stdout.take().zip(cargo.stderr.take());
    let (out, err) = pipes.ok_or_else(|| Failure::new("cargo has no output"))?;
    let (root, progress) = (site.root.clone(), progress.clone());
    Ok((cargo, move || follow(&root, out, err, &progress)))
}

fn follow(root: &Path, out: ChildStdout, err: ChildStderr, progress: &Progress) -> Outcome {
    let status = {
        let progress = progress.clone();
        thread::spawn(move || read_status(err, &progress))
    };
    let mut outcome = read_messages(root, out, progress);
    let other = status.join().unwrap_or_default();
    if !outcome.success && !other.is_empty() {
        outcome.diagnostics.push(other.join("\n"));
    }
    outcome.time = progress.finish();
    outcome
}

/// A bar that learns its length while the build is on its way.
fn progress(site: &Site) -> Progress {
    let first = !site.root.join("target").exists() && env::var_os("CARGO_TARGET_DIR").is_none();
    let progress = Progress::start(&site.name, first);
    if report::on_terminal() {
        let (progress, root) = (progress.clone(), site.root.clone());
        thread::spawn(move || packages::count(&root).map(|packages| progress.of(packages)));
    }
    progress
}

fn read_messages(root: &Path, out: impl Read, progress: &Progress) -> Outcome {
    let mut outcome = Outcome::default();
    let mut built = HashSet::new();
    for line in BufReader::new(out).lines().map_while(std::io::Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Message::Artifact {
                package_id,
                target,
                executable,
            }) => {
                built.insert(package_id);
                progress.built(&built);
                outcome
                    .executables
                    .extend(executable.map(|path| (target.name, path)));
            }
            Ok(Message::Diagnostic { target, message })
                if concerns_author(root, &target, &message) =>
            {
                outcome.diagnostics.extend(message.rendered);
            }
            Ok(Message::Finished { success }) => outcome.success = success,
            // A build script's output, or a line that is none of cargo's.
            Ok(_) | Err(_) => {}
        }
    }
    outcome
}

/// Errors wherever they are, and the warnings of the site's own code.
fn concerns_author(root: &Path, target: &Target, message: &Diagnostic) -> bool {
    let own = target.src_path.starts_with(root) && !target.src_path.starts_with(root.join(VENDOR));
    own || message.level.starts_with("error")
}

/// What cargo says after the compiler has said what is wrong.
const AFTERWORDS: [&str; 2] = ["error: could not compile", "warning: build failed, waiting"];

/// Cargo's own lines. `   Compiling hyper v1.12.0` is shown beside the bar; the rest is kept for the
/// case that the build fails.
fn read_status(err: impl Read, progress: &Progress) -> Vec<String> {
    let mut kept = Vec::new();
    for line in BufReader::new(err).lines().map_while(std::io::Result::ok) {
        if is_status(&line) {
            progress.note(doing(&line));
        } else if !AFTERWORDS.iter().any(|word| line.starts_with(word)) {
            kept.push(line);
        }
    }
    kept
}

/// A status begins with a verb that ends in the twelfth column. Indented lines without one tell more
/// about an error: its causes, what a build script printed.
fn is_status(line: &str) -> bool {
    let Some((verb, rest)) = line.split_at_checked(12) else {
        return false;
    };
    let verb = verb.trim_start();
    rest.starts_with(' ')
        && verb.starts_with(|first: char| first.is_ascii_uppercase())
        && verb.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The crate of a `Compiling` line; other lines as they are (`Blocking waiting for file lock …`).
fn doing(status: &str) -> &str {
    let status = status.trim();
    let package = status
        .strip_prefix("Compiling ")
        .and_then(|package| package.split(' ').next());
    package.unwrap_or(status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(lines: &str) -> Outcome {
        read_messages(
            Path::new("/site"),
            lines.as_bytes(),
            &Progress::start("site", false),
        )
    }

    /// The lines of cargo that are shown if the build fails.
    fn kept(lines: &str) -> Vec<String> {
        read_status(lines.as_bytes(), &Progress::start("site", false))
    }

    #[test]
    fn the_binary_of_a_good_build_is_found_by_its_name() {
        let outcome = read(concat!(
            r#"{"reason":"compiler-artifact","package_id":"a","target":{"name":"a","src_path":"/x/lib.rs"},"executable":null}"#,
            "\n",
            r#"{"reason":"compiler-artifact","package_id":"s","target":{"name":"site","src_path":"/site/src/main.rs"},"executable":"/t/site"}"#,
            "\n",
            "a line of a build script\n",
            r#"{"reason":"build-script-executed","package_id":"a"}"#,
            "\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
        ));
        assert!(outcome.success);
        assert_eq!(outcome.executables["site"], Path::new("/t/site"));
    }

    #[test]
    fn warnings_are_shown_for_the_sites_own_code_and_errors_for_all() {
        let message = |path: &str, level: &str| {
            format!(
                r#"{{"reason":"compiler-message","target":{{"name":"x","src_path":"{path}"}},"message":{{"level":"{level}","rendered":"{path} {level}"}}}}"#
            )
        };
        let lines = [
            message("/site/src/main.rs", "warning"),
            message("/site/vendor/duck/lib.rs", "warning"),
            message("/registry/lib.rs", "error"),
        ];
        let outcome = read(&lines.join("\n"));
        assert_eq!(
            outcome.diagnostics,
            ["/site/src/main.rs warning", "/registry/lib.rs error"]
        );
    }

    #[test]
    fn cargo_that_ends_without_a_word_has_failed() {
        assert!(!read("").success);
    }

    #[test]
    fn cargos_own_errors_are_kept_and_its_progress_is_not() {
        let lines = "   Compiling hyper v1.12.0\nerror: no matching package named `duck`\n    Blocking waiting for file lock\n";
        assert_eq!(kept(lines), ["error: no matching package named `duck`"]);
        assert_eq!(doing("   Compiling hyper v1.12.0"), "hyper");
    }

    #[test]
    fn the_cause_of_a_failed_build_script_is_kept() {
        let error = "error: failed to run custom build command for `site v0.1.0`\n\nCaused by:\n  \
                     process didn't exit successfully: `build-script-build` (exit status: 101)\n  --- stderr\n\n  \
                     thread 'main' panicked at build.rs:1:13:\n  The database is not there.\n";
        let cargo = format!(
            "   Compiling site v0.1.0\n{error}warning: build failed, waiting for other jobs to finish...\n"
        );
        assert_eq!(kept(&cargo).join("\n") + "\n", error);
    }

    #[test]
    fn what_the_compiler_has_said_is_not_said_again() {
        let lines = "warning: build failed, waiting for other jobs to finish...\nerror: could not compile `site` (lib) due to 1 previous error\n";
        assert_eq!(kept(lines), [""; 0]);
    }
}
