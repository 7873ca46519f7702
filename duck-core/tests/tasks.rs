//! Timed tasks, beside a server that runs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use duck::app::{Claim, Leases};
use duck::prelude::*;
use duck::tasks::{Task, Tasks};
use duck::{BoxFuture, Setup};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

#[path = "http/log.rs"]
mod log;
#[path = "running/mod.rs"]
mod running;

use self::running::Running;

async fn start(app: App) -> Running {
    let site = app.start().await.unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Running::start(listener, site)
}

async fn stop(server: Running) -> Duration {
    let start = Instant::now();
    server.stopped().await;
    start.elapsed()
}

fn app() -> App {
    App::new(Settings::default())
}

/// A task that counts its runs.
fn counting() -> (
    Arc<AtomicUsize>,
    impl Fn(Task) -> std::future::Ready<Result<()>> + Send + Sync,
) {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let run = move |_: Task| {
        counted.fetch_add(1, SeqCst);
        std::future::ready(Ok(()))
    };
    (count, run)
}

#[tokio::test]
async fn tasks_run_at_their_times_and_have_what_the_site_has() {
    let (count, run) = counting();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noted = seen.clone();
    let tasks = Tasks::new()
        .every("1s", "count", run)
        .once("look", move |task: Task| {
            let noted = noted.clone();
            async move {
                let name = task.state::<&str>()?;
                noted
                    .lock()
                    .unwrap()
                    .push(format!("{name} {}", task.settings().is_debug()));
                assert!(task.state::<u8>().is_err());
                Ok(())
            }
        });
    let server = start(app().state("duck").with(tasks)).await;
    sleep(Duration::from_millis(3300)).await;
    stop(server).await;
    let count = count.load(SeqCst);
    assert!((3..=4).contains(&count), "{count}");
    assert_eq!(*seen.lock().unwrap(), ["duck false"]);
}

#[tokio::test]
async fn tests_and_commands_of_a_site_run_none() {
    let (count, run) = counting();
    let site = duck::testing::TestClient::start(app().with(Tasks::new().once("count", run))).await;
    assert_eq!(site.get("/").await.status(), 404);
    sleep(Duration::from_millis(100)).await;
    assert_eq!(count.load(SeqCst), 0);
}

#[tokio::test]
async fn an_error_and_a_panic_are_logged_with_their_line_and_the_next_turn_comes() {
    let (log, _guard) = log::Log::listen();
    let (failed, panicked) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (fails, panics) = (failed.clone(), panicked.clone());
    let tasks = Tasks::new()
        .every("1s", "fails", move |_| {
            fails.fetch_add(1, SeqCst);
            async { Ok(std::fs::read("/nowhere").map(|_| ())?) }
        })
        .every("1s", "panics", move |_| {
            panics.fetch_add(1, SeqCst);
            async { panic!("as it has to") }
        });
    let server = start(app().with(tasks)).await;
    sleep(Duration::from_millis(2300)).await;
    stop(server).await;
    assert!(failed.load(SeqCst) >= 2 && panicked.load(SeqCst) >= 2);
    let lines = log.take();
    for (task, cause) in [
        ("fails", "No such file"),
        ("panics", "panicked: as it has to"),
    ] {
        let line = lines
            .iter()
            .find(|line| line.contains(&format!("task=\"{task}\"")));
        let line = line.unwrap_or_else(|| panic!("{task}: {lines:#?}"));
        assert!(line.contains(cause) && line.contains("tasks.rs:"), "{line}");
    }
}

#[tokio::test]
async fn a_run_that_takes_longer_than_its_interval_is_alone_and_said_once() {
    let (log, _guard) = log::Log::listen();
    let (running, most, runs) = (
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
        Arc::new(AtomicUsize::new(0)),
    );
    let (now, high, count) = (running.clone(), most.clone(), runs.clone());
    let tasks = Tasks::new().every("1s", "slow", move |_| {
        let (now, high, count) = (now.clone(), high.clone(), count.clone());
        async move {
            high.fetch_max(now.fetch_add(1, SeqCst) + 1, SeqCst);
            count.fetch_add(1, SeqCst);
            sleep(Duration::from_millis(1300)).await;
            now.fetch_sub(1, SeqCst);
            Ok(())
        }
    });
    let server = start(app().with(tasks)).await;
    sleep(Duration::from_millis(6500)).await;
    stop(server).await;
    assert_eq!(most.load(SeqCst), 1);
    assert!((3..=4).contains(&runs.load(SeqCst)), "{runs:?}");
    let told = log
        .take()
        .into_iter()
        .filter(|line| line.contains("passed over"))
        .count();
    assert_eq!(told, 1);
}

#[tokio::test]
async fn a_run_under_way_is_finished_when_the_site_stops_and_no_turn_begins() {
    let (begun, done) = (Arc::new(Notify::new()), Arc::new(AtomicBool::new(false)));
    let (begins, ends) = (begun.clone(), done.clone());
    let (count, run) = counting();
    let tasks = Tasks::new()
        .every("1s", "other", run)
        .once("long", move |_| {
            let (begins, ends) = (begins.clone(), ends.clone());
            async move {
                begins.notify_one();
                sleep(Duration::from_millis(2500)).await;
                ends.store(true, SeqCst);
                Ok(())
            }
        });
    let server = start(app().with(tasks)).await;
    begun.notified().await;
    let before = count.load(SeqCst);
    let took = stop(server).await;
    assert!(done.load(SeqCst));
    assert!(took >= Duration::from_secs(2), "{took:?}");
    assert!(count.load(SeqCst) <= before + 1, "no turns while it waits");
}

#[tokio::test]
async fn a_task_hears_that_the_site_stops() {
    let begun = Arc::new(Notify::new());
    let begins = begun.clone();
    let tasks = Tasks::new().once("endless", move |task: Task| {
        begins.notify_one();
        async move {
            task.stopping().await;
            Ok(())
        }
    });
    let server = start(app().with(tasks)).await;
    begun.notified().await;
    let took = stop(server).await;
    assert!(took < Duration::from_secs(2), "{took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_task_that_never_ends_or_blocks_its_thread_does_not_keep_the_site_from_stopping() {
    for blocks in [false, true] {
        let begun = Arc::new(Notify::new());
        let begins = begun.clone();
        let stopped = Arc::new(AtomicBool::new(false));
        let stops = stopped.clone();
        let tasks = Tasks::new().once("endless", move |_| {
            let begins = begins.clone();
            async move {
                begins.notify_one();
                if blocks {
                    std::thread::sleep(Duration::from_secs(8));
                }
                pending().await
            }
        });
        let on_stop = async move |setup: &mut Setup<'_>| {
            let stops = stops.clone();
            setup.on_stop(move || {
                stops.store(true, SeqCst);
                std::future::ready(())
            });
            Ok(())
        };
        let app = app()
            .setting("SHUTDOWN_TIMEOUT", 1)
            .with(on_stop)
            .with(tasks);
        let server = start(app).await;
        begun.notified().await;
        let took = stop(server).await;
        assert!(
            (Duration::from_millis(900)..Duration::from_secs(4)).contains(&took),
            "{blocks}: {took:?}"
        );
        assert!(stopped.load(SeqCst), "the rest of the site is stopped");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_task_keeps_the_site_from_starting_and_names_it() {
    let run = |_: Task| std::future::ready(Ok(()));
    for (tasks, says) in [
        (
            Tasks::new().every("10 minuts", "sweep", run),
            "the task \"sweep\": \"10 minuts\" is no interval",
        ),
        (
            Tasks::new().at("0 25 * * *", "report", run),
            "the task \"report\": \"0 25 * * *\" is no time of cron",
        ),
        (
            Tasks::new().at("0 0 31 2 *", "report", run),
            "the task \"report\": \"0 0 31 2 *\" never comes",
        ),
        (
            Tasks::new().once("a", run).every("1s", "a", run),
            "two tasks are named \"a\"",
        ),
    ] {
        let error = app().with(tasks).start().await.unwrap_err();
        assert!(error.to_string().contains(says), "{error}");
    }
    let twice = app()
        .with(Tasks::new().once("a", run))
        .with(Tasks::new().once("a", run))
        .start()
        .await;
    assert!(
        twice
            .unwrap_err()
            .to_string()
            .contains("two tasks are named")
    );
}

/// Leases of a test: who holds what, or that nobody can know.
#[derive(Default)]
struct Shared {
    granted: Mutex<Option<([u8; 16], u64, bool)>>,
    turns: Mutex<Vec<u64>>,
    is_down: AtomicBool,
    hands_over: AtomicBool,
}

impl Leases for Shared {
    fn acquire<'a>(&'a self, claim: Claim<'a>) -> BoxFuture<'a, Result<bool>> {
        Box::pin(async move {
            if self.is_down.load(SeqCst) {
                return Err(Error::internal("the storage is down"));
            }
            let mut granted = self.granted.lock().unwrap();
            let is_mine = granted
                .is_some_and(|(holder, turn, _)| (holder, turn) == (claim.holder, claim.turn));
            if is_mine && self.hands_over.load(SeqCst) {
                return Ok(false);
            }
            let is_free = granted.is_none_or(|(_, turn, held)| !held && claim.turn > turn);
            if !is_mine && !is_free {
                return Ok(false);
            }
            if !is_mine {
                self.turns.lock().unwrap().push(claim.turn);
            }
            *granted = Some((claim.holder, claim.turn, !claim.time.is_zero()));
            Ok(true)
        })
    }
}

fn shared_app(leases: &Arc<Shared>) -> App {
    let leases = leases.clone();
    app().with(async move |setup: &mut Setup<'_>| {
        setup.leases(leases);
        Ok(())
    })
}

#[tokio::test]
async fn of_two_sites_that_share_leases_one_runs_each_turn() {
    for order in ["leases first", "tasks first"] {
        let (leases, (count, run)) = (Arc::<Shared>::default(), counting());
        let run = Arc::new(run);
        let mut servers = Vec::new();
        for _ in 0..2 {
            let run = run.clone();
            let tasks = Tasks::new().every("1s", "count", move |task| run(task));
            let site = if order == "tasks first" {
                let leases = leases.clone();
                app().with(tasks).with(async move |setup: &mut Setup<'_>| {
                    setup.leases(leases);
                    Ok(())
                })
            } else {
                shared_app(&leases).with(tasks)
            };
            servers.push(start(site).await);
        }
        sleep(Duration::from_millis(3300)).await;
        for server in servers {
            stop(server).await;
        }
        let turns = leases.turns.lock().unwrap().clone();
        assert_eq!(count.load(SeqCst), turns.len(), "{order}: {turns:?}");
        assert!((3..=4).contains(&turns.len()), "{order}: {turns:?}");
        assert!(
            turns.windows(2).all(|pair| pair[0] < pair[1]),
            "{order}: {turns:?}"
        );
    }
}

#[tokio::test]
async fn where_nobody_can_know_who_runs_a_task_none_does() {
    let (leases, (count, run)) = (Arc::<Shared>::default(), counting());
    leases.is_down.store(true, SeqCst);
    let (log, _guard) = log::Log::listen();
    let server = start(shared_app(&leases).with(Tasks::new().every("1s", "count", run))).await;
    sleep(Duration::from_millis(1500)).await;
    assert_eq!(count.load(SeqCst), 0);
    leases.is_down.store(false, SeqCst);
    sleep(Duration::from_millis(1500)).await;
    stop(server).await;
    assert!(count.load(SeqCst) >= 1);
    assert!(
        log.take()
            .iter()
            .any(|line| line.contains("the storage is down"))
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_is_prolonged_and_cut_off_when_its_lease_is_lost() {
    for (how, earliest, latest) in [
        ("kept", 200, 201),
        ("handed over", 15, 31),
        ("down", 30, 61),
    ] {
        let leases = Arc::<Shared>::default();
        let (begun, ended) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let (begins, ends) = (begun.clone(), ended.clone());
        // Once in each process knows no leases: a turn of every second does.
        let tasks = Tasks::new().every("1s", "long", move |_| {
            let begins = begins.clone();
            let tell = Tell(ends.clone());
            async move {
                begins.notify_one();
                sleep(Duration::from_secs(200)).await;
                drop(tell);
                Ok(())
            }
        });
        let mut server = start(shared_app(&leases).with(tasks)).await;
        begun.notified().await;
        let start = Instant::now();
        match how {
            "handed over" => leases.hands_over.store(true, SeqCst),
            "down" => leases.is_down.store(true, SeqCst),
            _ => {}
        }
        ended.notified().await;
        let ran = start.elapsed().as_secs();
        assert!((earliest..=latest).contains(&ran), "{how}: {ran}");
        server.begin_to_stop();
    }
}

/// Tells when it is dropped.
struct Tell(Arc<Notify>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}
