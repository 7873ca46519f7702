//! `./mysite tasks`, in a site's own program. It is this program, started once more.

use std::env;
use std::process::{Command, ExitCode, Output};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use duck::app::{Claim, Leases};
use duck::prelude::*;
use duck::tasks::Tasks;
use duck::{BoxFuture, Setup};

#[path = "own_program/mod.rs"]
mod own_program;

/// Says that this is the site, and what those answer who keep its leases: nobody does where it is "alone".
const SITE: &str = "TASKS_SITE";

fn main() -> ExitCode {
    if let Ok(leases) = env::var(SITE) {
        return site(leases).run();
    }
    own_program::run(&[
        ("tasks_are_listed_with_their_next_turns", lists),
        (
            "a_task_runs_by_hand_to_its_end_and_the_code_says_whether_it_failed",
            runs,
        ),
        (
            "a_task_does_not_run_by_hand_beside_its_run_in_another_process",
            runs_alone,
        ),
        (
            "what_is_no_task_is_refused_with_the_names_that_there_are",
            refuses,
        ),
        (
            "check_names_the_tasks_of_which_each_process_would_run_every_turn",
            checks,
        ),
    ])
}

fn site(leases: String) -> App {
    let tasks = Tasks::new()
        .once("warm up", async |_| {
            println!("warm");
            Ok(())
        })
        .every("10 min", "sweep", async |_| {
            println!("swept");
            Ok(())
        })
        .at("0 0 1 1 *", "fails", async |_| {
            Err(Error::internal("there are no carts"))
        })
        .at("@daily", "panics", async |_| panic!("as it has to"));
    App::new(Settings::default())
        .with(tasks)
        .with(async move |setup: &mut Setup<'_>| {
            if leases != "alone" {
                setup.leases(Arc::new(Answers(leases)));
            }
            Ok(())
        })
}

/// Leases of which all claims are "granted", "refused", or neither.
struct Answers(String);

impl Leases for Answers {
    fn acquire<'a>(&'a self, _: Claim<'a>) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async {
            match &*self.0 {
                "granted" => Ok(true),
                "refused" => Ok(false),
                _ => Err(Error::internal("the storage is down")),
            }
        })
    }
}

/// What a program said.
#[derive(Debug)]
struct Said {
    code: Option<i32>,
    out: String,
    err: String,
}

fn ask(leases: &str, arguments: &[&str]) -> Said {
    let mut program = Command::new(env::current_exe().expect("this program"));
    let output = program.args(arguments).env(SITE, leases).output();
    let Output {
        status,
        stdout,
        stderr,
    } = output.expect("it runs");
    Said {
        code: status.code(),
        out: String::from_utf8(stdout).expect("text"),
        err: String::from_utf8(stderr).expect("text"),
    }
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.expect("a clock").as_secs()
}

fn lists() {
    let before = now();
    let said = ask("alone", &["tasks"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let rows: Vec<_> = said.out.lines().collect();
    assert_eq!(rows.len(), 5, "{said:?}");
    assert_eq!(rows[0], "  NAME     WHEN (UTC)          NEXT");
    assert_eq!(rows[1], "  warm up  once, at the start");
    let next = |row: usize, start: &str| {
        let next = rows[row].strip_prefix(start);
        let next = next.unwrap_or_else(|| panic!("{said:?}")).trim();
        let next = humantime::parse_rfc3339(next).expect("a time");
        next.duration_since(UNIX_EPOCH)
            .expect("after 1970")
            .as_secs()
    };
    let ten_minutes = next(2, "  sweep    every 10m  ");
    assert!(ten_minutes.is_multiple_of(600), "{said:?}");
    assert!((before..=now() + 600).contains(&ten_minutes), "{said:?}");
    assert!(next(3, "  fails    0 0 1 1 *  ") > before, "{said:?}");
    assert!(rows[3].ends_with("-01-01T00:00:00Z"), "{said:?}");
    let tomorrow = next(4, "  panics   @daily  ");
    assert!(tomorrow.is_multiple_of(86_400), "{said:?}");
}

fn runs() {
    for leases in ["alone", "granted"] {
        for (task, says) in [("sweep", "swept\n"), ("warm up", "warm\n")] {
            let said = ask(leases, &["tasks", "run", task]);
            assert_eq!((said.code, &*said.out), (Some(0), says), "{said:?}");
        }
        for (task, cause) in [("fails", "there are no carts"), ("panics", "as it has to")] {
            let said = ask(leases, &["tasks", "run", task]);
            assert_eq!((said.code, &*said.out), (Some(1), ""), "{said:?}");
            assert!(said.err.contains(cause), "{said:?}");
            assert!(said.err.contains("tasks_command.rs:"), "{said:?}");
        }
    }
}

fn runs_alone() {
    for (leases, says) in [
        ("refused", "the task \"sweep\" runs in another process"),
        ("down", "the storage is down"),
    ] {
        let said = ask(leases, &["tasks", "run", "sweep"]);
        assert_eq!((said.code, &*said.out), (Some(1), ""), "{said:?}");
        assert!(said.err.contains(says), "{said:?}");
    }
}

fn refuses() {
    let said = ask("alone", &["tasks", "run", "swep"]);
    assert_eq!((said.code, &*said.out), (Some(2), ""), "{said:?}");
    let says =
        "there is no task \"swep\"; this site has [\"warm up\", \"sweep\", \"fails\", \"panics\"]";
    assert!(said.err.contains(says), "{said:?}");
    for wrong in [
        &["tasks", "run"][..],
        &["tasks", "run", "sweep", "fails"],
        &["tasks", "sweep"],
        &["tasks", "--json"],
    ] {
        let said = ask("alone", wrong);
        assert_eq!((said.code, &*said.out), (Some(2), ""), "{said:?}");
        assert!(said.err.contains("usage: tasks"), "{said:?}");
    }
    let help = ask("alone", &["tasks", "--help"]);
    assert_eq!(help.code, Some(0));
    assert!(help.out.contains("tasks run NAME"), "{help:?}");
    let help = ask("alone", &["--help"]);
    assert!(help.out.contains("List the timed tasks"), "{help:?}");
}

fn checks() {
    let note =
        "  ! tasks: each process of this site runs every turn of \"sweep\", \"fails\", \"panics\".";
    let said = ask("alone", &["check"]);
    assert_eq!(said.code, Some(0), "it is no mistake: {said:?}");
    assert!(said.out.contains(note), "{said:?}");
    let said = ask("granted", &["check"]);
    assert!(!said.out.contains("each process"), "{said:?}");
}
