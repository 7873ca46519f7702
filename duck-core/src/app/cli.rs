//! The commands of a site's own binary.

use std::ffi::OsString;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};
use tokio::runtime::{self, Runtime};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::app::App;
use crate::app::command_hint::hint;
use crate::app::deploy;
use crate::app::run;
use crate::app::setup::{Check, Purpose};
use crate::app::site::Site;
use crate::app::stderr::{self, Stderr};
use crate::error::Result;
use crate::routing::route::RouteLine;
use crate::server::descriptors;
use crate::settings::secret::SecretKey;

#[derive(Parser)]
#[command(about = "A site made with Duck", disable_help_subcommand = true)]
struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the site (what happens without a command, too)
    Run {
        /// Where to listen, in place of ADDRESS in the settings: 127.0.0.1:8000
        #[arg(long, value_name = "HOST:PORT")]
        address: Option<String>,
    },
    /// List the URL patterns
    Routes {
        /// As JSON, for scripts
        #[arg(long)]
        json: bool,
    },
    /// Read the settings, start the site, and say what is wrong
    Check {
        /// Be as strict as a site on the internet needs
        #[arg(long)]
        deploy: bool,
    },
    /// Print a new secret key
    Secret,
    /// Make a certificate for HTTPS while developing, where the settings say or in .duck/
    #[cfg(feature = "tls")]
    SslGen {
        /// For whom, in place of this machine alone
        #[arg(value_name = "HOST")]
        names: Vec<String>,
        /// Replace the files that are there
        #[arg(long)]
        force: bool,
    },
    /// A command that a part of the site has.
    #[command(external_subcommand)]
    Other(Vec<OsString>),
}

impl App {
    /// Runs the site's command line: `run` (the default), `routes`, `check`, `secret`, with the feature `tls` `ssl-gen`, and what
    /// its parts add with [`Setup::command`](crate::Setup::command).
    ///
    /// What goes wrong is printed to standard error; the exit code is 1 then, and 2 for a command
    /// that is not understood.
    pub fn run(self) -> ExitCode {
        if matches!(std::env::args_os().nth(1), Some(first) if first == "--help" || first == "-h") {
            return code_of(help(self));
        }
        let args = match Args::try_parse() {
            Ok(args) => args,
            Err(usage) => return code_of(show(&usage)),
        };
        log_to_stderr(&args);
        code_of(answer(
            self,
            args.command.unwrap_or(Command::Run { address: None }),
        ))
    }
}

/// Help is an answer; a complaint has its code whether or not anybody reads it.
fn show(usage: &clap::Error) -> Result<ExitCode> {
    let printed = usage.print();
    if !usage.use_stderr() {
        written(printed)?;
    }
    Ok(ExitCode::from(u8::try_from(usage.exit_code()).unwrap_or(2)))
}

fn code_of(answer: Result<ExitCode>) -> ExitCode {
    answer.unwrap_or_else(|error| {
        stderr::write(format!("error: {}\n", error.chain()).as_bytes());
        ExitCode::FAILURE
    })
}

/// Whoever reads an answer may leave before its end: `… | head -1`. They have seen enough.
fn written(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            Err(io::Error::new(error.kind(), format!("cannot write the answer: {error}")).into())
        }
        Ok(()) => Ok(()),
    }
}

/// Writes an answer to standard output.
pub(crate) fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

/// Says on standard error why a command is not one.
pub(crate) fn refuse(text: &str) -> ExitCode {
    stderr::write(text.as_bytes());
    ExitCode::from(2)
}

fn answer(app: App, command: Command) -> Result<ExitCode> {
    match command {
        Command::Run { address: None } => run::serve(app)?,
        Command::Run {
            address: Some(address),
        } => run::serve(app.setting("ADDRESS", address))?,
        Command::Routes { json } => {
            on_site(app, async |site| {
                print(&routes(&site.0.context.routes, json))
            })?;
        }
        Command::Check { deploy } => {
            descriptors::raise_limit();
            return on_site(app, async |site| check(site, deploy));
        }
        #[cfg(feature = "tls")]
        Command::SslGen { names, force } => {
            print(&crate::app::ssl_gen::run(app.settings()?, names, force)?)?;
        }
        Command::Secret => print(&format!("{}\n", SecretKey::generate()?))?,
        Command::Other(line) => return on_site(app, async |site| run_command(site, line).await),
    }
    Ok(ExitCode::SUCCESS)
}

/// Starts the site for a command, and stops it as a server would.
fn on_site<T>(app: App, work: impl AsyncFnOnce(&Site) -> Result<T>) -> Result<T> {
    let (runtime, site) = started(app)?;
    let result = runtime.block_on(work(&site));
    stop(&runtime, site);
    result
}

// These two are no part of `on_site`, whose code is in the program once for each kind of work.

#[inline(never)]
fn started(app: App) -> Result<(Runtime, Site)> {
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let site = runtime.block_on(app.start_for(Purpose::Command))?;
    Ok((runtime, site))
}

#[inline(never)]
fn stop(runtime: &Runtime, site: Site) {
    runtime.block_on(async move {
        site.stop().await;
        drop(site); // what it has may need the runtime for that
    });
}

/// Runs a command of one of the site's components.
async fn run_command(site: &Site, mut line: Vec<OsString>) -> Result<ExitCode> {
    let arguments = line.split_off(1);
    let name = line.pop().unwrap_or_default();
    let name = name.to_string_lossy();
    let commands = &site.0.hooks.commands;
    let Some(command) = commands.iter().find(|command| name == command.name) else {
        let own = Args::command();
        let names = own.get_subcommands().map(clap::Command::get_name);
        let names: Vec<_> = names
            .chain(commands.iter().map(|command| command.name))
            .collect();
        let hint = hint(&name, &names).map_or_else(String::new, |hint| format!(": {hint}"));
        let names = names.join(", ");
        let text = format!("error: there is no command {name:?}{hint}\nthis site has {names}\n");
        return Ok(refuse(&text));
    };
    (command.run)(arguments, site.0.context.clone()).await
}

/// The help, with the commands of the site's components. Of a site that cannot start only those that
/// every site has are known: `check` says what is wrong with it.
fn help(app: App) -> Result<ExitCode> {
    let program = std::env::args_os().next().unwrap_or_default();
    let program = Path::new(&program).file_name().unwrap_or_default();
    let mut args = Args::command().bin_name(program.to_string_lossy());
    let commands = on_site(app, async |site| Ok(site.0.hooks.commands.clone()));
    for part in commands.unwrap_or_default() {
        if args.find_subcommand(part.name).is_none() {
            args = args.subcommand(clap::Command::new(part.name).about(part.about));
        }
    }
    written(args.print_help())?;
    Ok(ExitCode::SUCCESS)
}

/// What the framework has to say goes to standard error; `RUST_LOG` chooses how much. Somebody who
/// asks for one thing wants that, and what is wrong.
fn log_to_stderr(args: &Args) {
    let usual = match args.command {
        Some(Command::Other(_)) => LevelFilter::WARN,
        _ => LevelFilter::INFO,
    };
    let wanted = std::env::var_os("RUST_LOG").unwrap_or_default();
    let (filter, mistake) = match levels(&wanted.to_string_lossy()) {
        Ok(filter) => (filter, None),
        Err(mistake) => (None, Some(mistake)),
    };
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(io::stderr().is_terminal())
        .with_writer(|| Stderr)
        .with_target(false);
    let log = tracing_subscriber::registry()
        .with(lines)
        .with(filter.unwrap_or_else(|| Targets::new().with_default(usual)));
    // A program that embeds a site may have set up its log already: that one stays.
    let _ = log.try_init();
    if let Some(mistake) = mistake {
        tracing::warn!("RUST_LOG is not followed: {mistake}");
    }
}

/// What `RUST_LOG` asks for: `warn`, or `duck=debug,sqlx=info`. `None` where it asks for nothing.
fn levels(wanted: &str) -> Result<Option<Targets>, String> {
    if wanted.contains('[') {
        return Err("it names a span, and levels are those of crates and modules".into());
    }
    let wanted = wanted.split(',').map(str::trim);
    let wanted: Vec<_> = wanted.filter(|part| !part.is_empty()).collect();
    if wanted.is_empty() {
        return Ok(None);
    }
    let filter = wanted.join(",").parse::<Targets>();
    filter.map(Some).map_err(|error| error.to_string())
}

fn routes(routes: &[RouteLine], json: bool) -> String {
    if json {
        let list: Vec<_> = routes
            .iter()
            .map(|route| {
                serde_json::json!({
                    "methods": route.methods.split(' ').collect::<Vec<_>>(),
                    "host": (!route.host.is_empty()).then_some(&route.host), "path": route.path, "name": route.name, "view": route.view,
                })
            })
            .collect();
        return format!("{:#}\n", serde_json::Value::from(list));
    }
    let mut rows = vec![["METHOD", "PATH", "NAME", "VIEW"].map(str::to_owned)];
    rows.extend(routes.iter().cloned().map(|route| {
        let path = route.host + &route.path;
        [route.methods, path, route.name, route.view.to_owned()]
    }));
    let width = |column: usize| {
        rows.iter()
            .map(move |row| row[column].chars().count())
            .max()
    };
    let [methods, paths, names] = [0, 1, 2].map(|column| width(column).unwrap_or(0));
    let line = |[method, path, name, view]: &[String; 4]| {
        format!("  {method:<methods$}  {path:<paths$}  {name:<names$}  {view}\n")
    };
    rows.iter().map(line).collect()
}

fn check(site: &Site, deploy: bool) -> Result<ExitCode> {
    let (text, is_well) = report(site, deploy);
    print(&text)?;
    Ok(if is_well {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// What `check` has to say, and whether all is well.
fn report(site: &Site, deploy: bool) -> (String, bool) {
    // First: what is checked below asks for keys too.
    let absent = site.settings().warnings_of_absent();
    let mut findings = site.settings().warnings();
    findings.extend_from_slice(&site.0.hooks.findings);
    #[cfg(feature = "tls")]
    findings.extend(crate::app::https::findings(site.settings(), deploy));
    if deploy {
        findings.extend(deploy::findings(site));
    }
    let patterns = site.0.context.routes.len();
    let mut text = format!("  ✓ the settings are read, {patterns} URL patterns fit together\n");
    for Check {
        is_well,
        findings: found,
    } in &site.0.hooks.checks
    {
        if found.is_empty() {
            text += &format!("  ✓ {is_well}\n");
        }
        findings.extend(found.iter().cloned());
    }
    match descriptors::shortage(site.settings(), site.0.context.limits.max_connections) {
        Some(shortage) if deploy => findings.push(shortage),
        // Where a site is written it may well have less room than where it is run.
        Some(shortage) => text += &format!("  ! {shortage}\n"),
        None => {}
    }
    let of_deploy = if deploy { deploy::notes() } else { Vec::new() };
    let notes = absent.iter().chain(&site.0.hooks.check_notes);
    for warning in notes.chain(&of_deploy) {
        text += &format!("  ! {warning}\n");
    }
    for finding in &findings {
        text += &format!("  ✗ {finding}\n");
    }
    (text, findings.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Setup;
    use crate::files::StaticFiles;
    #[cfg(feature = "templates")]
    use crate::pages::Templates;
    use crate::settings::Settings;

    #[tokio::test]
    async fn check_names_keys_of_components_that_the_site_does_not_have_and_all_is_well() {
        let settings = "SESSION_COOKIE_AGE = 60\nSECRET_KEY = 'hush'\nSTATIC_URL = '/s/'";
        let settings = Settings::from_toml(settings).unwrap();
        for deploy in [false, true] {
            let app = App::new(settings.clone());
            let site = app.start_for(Purpose::Command).await.unwrap();
            let (text, is_well) = report(&site, deploy);
            assert_eq!(is_well, !deploy, "{text}");
            for (line, warning) in [
                (
                    1,
                    "SESSION_COOKIE_AGE: is set, but the site has no SessionMiddleware",
                ),
                (
                    2,
                    "SECRET_KEY: is set, but the site has no SessionMiddleware",
                ),
                (3, "STATIC_URL: is set, but the site has no StaticFiles"),
            ] {
                let warning = format!("  ! the settings text, line {line}: {warning}\n");
                assert!(text.contains(&warning), "{text}");
            }
            assert!(!text.contains("hush"), "{text}");
            assert!(
                site.settings().warnings().is_empty(),
                "a start says nothing of it"
            );
        }
        let app = App::new(settings).with(StaticFiles::new());
        let site = app.start_for(Purpose::Command).await.unwrap();
        let (text, _) = report(&site, false);
        assert!(!text.contains("STATIC_URL"), "{text}");
    }

    #[test]
    fn rust_log_sets_levels_of_everything_or_of_crates_and_modules() {
        use tracing::Level;
        for (wanted, target, least, too_fine) in [
            ("warn", "sqlx", Level::WARN, Level::INFO),
            ("DEBUG", "duck::app", Level::DEBUG, Level::TRACE),
            ("info,duck=debug", "sqlx", Level::INFO, Level::DEBUG),
            ("info, duck=debug,", "duck::app", Level::DEBUG, Level::TRACE),
            ("trace,duck=warn", "duck::app", Level::WARN, Level::INFO),
        ] {
            let filter = levels(wanted).unwrap().unwrap();
            assert!(filter.would_enable(target, &least), "{wanted}");
            assert!(!filter.would_enable(target, &too_fine), "{wanted}");
        }
        for (wanted, target) in [("duck=debug", "sqlx"), ("off", "duck")] {
            let filter = levels(wanted).unwrap().unwrap();
            assert!(!filter.would_enable(target, &Level::ERROR), "{wanted}");
        }
    }

    #[test]
    fn rust_log_without_a_level_is_as_if_it_were_not_set() {
        for nothing in ["", " ", ",", " , ,"] {
            assert_eq!(levels(nothing), Ok(None), "{nothing:?}");
        }
    }

    #[test]
    fn a_rust_log_that_is_no_level_is_a_mistake() {
        for (wrong, why) in [
            ("duck=loud", "expected one of"),
            ("duck=debug=info", "too many '='"),
            ("duck[request]=debug", "names a span"),
            ("[{user=7}]=debug", "names a span"),
        ] {
            let mistake = levels(wrong).unwrap_err();
            assert!(mistake.contains(why), "{wrong}: {mistake}");
        }
    }

    #[tokio::test]
    async fn routes_are_listed_with_their_hosts() {
        async fn home(_request: crate::Request) -> &'static str {
            "home"
        }
        let app = App::new(Settings::default())
            .urls([crate::path("/", home)])
            .urls(crate::routing::host(
                "<tenant>.example.org",
                [crate::path("/notes", home)],
            ));
        let site = app.start_for(Purpose::Command).await.unwrap();
        let text = routes(site.routes(), false);
        let rows: Vec<Vec<_>> = text
            .lines()
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[0], ["METHOD", "PATH", "NAME", "VIEW"]);
        assert_eq!(rows[1][..3], ["GET", "HEAD", "/"]);
        assert_eq!(rows[2][..3], ["GET", "HEAD", "<tenant>.example.org/notes"]);
        let json: serde_json::Value = serde_json::from_str(&routes(site.routes(), true)).unwrap();
        assert_eq!(json[0]["host"], serde_json::Value::Null);
        assert_eq!(json[1]["host"], "<tenant>.example.org");
        assert_eq!(json[1]["path"], "/notes");
    }

    #[tokio::test]
    async fn check_lists_notes_of_components_and_all_is_well() {
        let app = App::new(Settings::default()).with(async |setup: &mut Setup<'_>| {
            setup.check_note("CACHE (not set): only this process has it");
            Ok(())
        });
        let site = app.start_for(Purpose::Command).await.unwrap();
        let (text, is_well) = report(&site, false);
        assert!(is_well, "{text}");
        assert!(
            text.contains("  ! CACHE (not set): only this process has it\n"),
            "{text}"
        );
    }

    #[tokio::test]
    async fn check_fails_for_keys_that_no_component_has() {
        let settings = Settings::from_toml("ADRESS = ''\nSTATIC_ULR = '/s/'").unwrap();
        let app = App::new(settings).with(StaticFiles::new());
        let site = app.start_for(Purpose::Command).await.unwrap();
        let (text, is_well) = report(&site, false);
        for right in ["did you mean `ADDRESS`?", "did you mean `STATIC_URL`?"] {
            assert!(!is_well && text.contains(right), "{text}");
        }
    }

    #[cfg(feature = "templates")]
    #[tokio::test]
    async fn check_says_how_many_templates_compile_or_lists_those_that_do_not() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        std::fs::write(file("a.html"), "fine").unwrap();
        for debug in [true, false] {
            let app = || {
                App::new(Settings::default().with("DEBUG", debug))
                    .with(Templates::on_disk([folder.path()]))
                    .start_for(Purpose::Command)
            };
            let (text, is_well) = report(&app().await.unwrap(), false);
            assert!(
                is_well && text.contains("✓ 1 template compiles\n"),
                "{text}"
            );
            std::fs::write(file("b.html"), "\n{{ }}").unwrap();
            std::fs::write(file("c.html"), "{% nothing %}").unwrap();
            let (text, is_well) = report(&app().await.unwrap(), false);
            for line in ["b.html:2: syntax error: ", "c.html:1: syntax error: "] {
                let place = file(line).display().to_string();
                assert!(!is_well && text.contains(&format!("✗ {place}")), "{text}");
            }
            std::fs::remove_file(file("b.html")).unwrap();
            std::fs::remove_file(file("c.html")).unwrap();
        }
    }
}
