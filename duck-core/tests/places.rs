//! Errors and panics name the line of the site's own code that they come from.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error as StdError;
use std::io::Write;
use std::num::ParseIntError;
use std::sync::{Mutex, Once};

use duck::files::file;
use duck::prelude::*;
use duck::routing::{FromParams, View};
use duck::testing::TestClient;

type BoxError = Box<dyn StdError + Send + Sync>;

/// What a hook of the site's own, set before any site was built, was told.
static HOOK_WAS_TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What all sites of this program have logged.
static LOG: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Sets what belongs to the whole program: every test does, before it builds a site.
fn prepare() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let shown = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let message = info.payload().downcast_ref::<&str>().copied();
            let mut told = HOOK_WAS_TOLD.lock().expect("no panic while noting");
            told.push(message.unwrap_or_default().to_owned());
            drop(told);
            shown(info);
        }));
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(|| Log)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("there is no other");
    });
}

struct Log;

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        LOG.lock().expect("no panic while logging").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Asks a view, and gives the status and the details that its author sees.
async fn page<V, Args>(view: V) -> String
where
    V: View<Args>,
    V::Future: Future<Output: IntoResponse> + Send + 'static,
    Args: FromParams,
{
    prepare();
    let settings = Settings::default().with("DEBUG", true);
    let site = TestClient::start(App::new(settings).urls([path("/", view)])).await;
    site.get("/").await.text().to_owned()
}

/// The lines that a page names.
fn places(page: &str) -> Vec<&str> {
    let places = page.lines().filter_map(|line| line.strip_prefix("at "));
    // The compiler counts from the workspace, a backtrace from the folder the test runs in.
    places
        .map(|place| place.strip_prefix("duck-core/").unwrap_or(place))
        .collect()
}

/// That a page names the line that its view stands on.
macro_rules! names_its_line {
    ($view:expr) => {
        let page = page($view).await;
        assert_eq!(
            places(&page),
            [concat!("tests/places.rs:", line!())],
            "{page}"
        );
    };
}

// One line for each view: `line!()` is that of the whole macro.
#[rustfmt::skip]
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_panic_named_a_line_of_the_framework() {
    names_its_line!(async |_: Request| -> String { panic!("enough") });
    names_its_line!(async |_: Request| -> String { panic!("{}", "at run time") });
    names_its_line!(async |_: Request| -> String { std::panic::panic_any(7) });
    names_its_line!(async |_: Request| -> String { no_text().expect("a text") });
    names_its_line!(async |_: Request| -> String { [""][number()].into() });
    names_its_line!(async |_: Request| -> String { u8::try_from(number()).unwrap().to_string() });
    names_its_line!(async |_: Request| -> String { tokio::task::yield_now().await; panic!("late") });
}

/// The panic's own line is of Rust's library there.
#[rustfmt::skip]
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_panic_in_what_a_view_called_named_no_line_of_the_site() {
    names_its_line!(async |_: Request| -> String { VecDeque::from([1_u8]).drain(number()..).map(|_| "").collect() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_panic_in_a_task_named_the_line_that_waited_for_it() {
    let line = line!() + 2;
    let blocking = page(async |_: Request| -> Result<String> {
        let task = tokio::task::spawn_blocking(|| panic!("in a blocking task"));
        Ok(task.await?)
    });
    assert_eq!(places(&blocking.await), [format!("tests/places.rs:{line}")]);

    let line = line!() + 2;
    let spawned = page(async |_: Request| -> Result<String> {
        let task = tokio::spawn(async { panic!("in a task") });
        let answer: Result<String, BoxError> = task.await.map_err(Into::into);
        answer.or_500("waiting for the task")
    });
    let page = spawned.await;
    assert_eq!(places(&page), [format!("tests/places.rs:{line}")], "{page}");
    assert!(page.contains("waiting for the task: task "), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_panic_in_blocking_work_named_its_own_line() {
    let line = line!() + 2;
    let page = page(async |_: Request| -> Result<String> {
        duck::blocking(|| -> String { panic!("in blocking work") }).await
    });
    assert_eq!(places(&page.await), [format!("tests/places.rs:{line}")]);
}

/// `resume_unwind` does not come by the hook: the panic on this thread before it is another one.
#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_panic_that_is_carried_on_is_not_taken_for_another() {
    let line = line!() + 2;
    let page = page(async |_: Request| -> String {
        let task = tokio::spawn(async { panic!("carried on") });
        let error = task.await.map(|()| "").expect_err("it panics");
        let _ = std::panic::catch_unwind(|| panic!("caught by the view itself"));
        std::panic::resume_unwind(error.into_panic())
    });
    assert_eq!(places(&page.await), [format!("tests/places.rs:{line}")]);
}

#[tokio::test]
async fn a_hook_of_the_sites_own_is_still_called() {
    page(async |_: Request| -> String { panic!("for the hook") }).await;
    let told = HOOK_WAS_TOLD.lock().expect("no panic while noting");
    let times = told.iter().filter(|message| *message == "for the hook");
    assert_eq!(times.count(), 1);
}

#[rustfmt::skip]
#[tokio::test]
async fn an_error_named_a_line_of_rust_or_none() {
    names_its_line!(async |_: Request| -> Result<String> { Ok("x".parse::<u8>()?.to_string()) });
    names_its_line!(async |_: Request| -> Result<String> { boxed().map_err(Error::internal) });
    names_its_line!(async |_: Request| -> Result<String> { boxed().or_500("asking for a box") });
    names_its_line!(async |_: Request| -> Result<()> { "x".parse().map_err(Error::from).map(|_: u8| ()) });
    names_its_line!(async |_: Request| -> Result<String> { Err(std::io::Error::other("no").into()) });
    names_its_line!(async |_: Request| -> Result<String> { no_text().or_404() });
    names_its_line!(async |_: Request| -> Result<String> { no_text().or_500("looking for a text") });
    names_its_line!(async |_: Request| -> Response { json(&BTreeMap::from([((1, 2), 3)])) });
    names_its_line!(async |request: Request| -> Result<Response> { file(&request, "there is none").await });
    names_its_line!(async |request: Request| -> Result<Response> { redirect(&request, "nowhere", ()) });
    names_its_line!(async |_: Request| -> Result<Response> { redirect_to("https://evil.example") });
}

/// An error of a type of its own was never passed on to Duck by any line: there is the view's name.
#[tokio::test]
async fn where_no_line_is_known_the_view_is_named_and_no_line_of_the_framework() {
    async fn typed(_request: Request) -> Result<String, ParseIntError> {
        Ok("x".parse::<u8>()?.to_string())
    }
    let page = page(typed).await;
    assert_eq!(places(&page), [""; 0], "{page}");
    assert!(
        page.contains("view places::where_no_line_is_known"),
        "{page}"
    );
}

#[tokio::test]
async fn an_error_that_is_passed_on_keeps_its_line() {
    fn load() -> Result<String> {
        no_text().or_404()
    }
    let page = page(async |_: Request| -> Result<String> { load().or_500("loading") }).await;
    assert_eq!(places(&page).len(), 1, "{page}");
    assert!(
        page.contains("loading: the value asked for is not there"),
        "{page}"
    );
}

#[tokio::test]
async fn a_page_that_is_not_there_names_no_line() {
    prepare();
    let settings = Settings::default().with("DEBUG", true);
    let site = TestClient::start(App::new(settings)).await;
    let page = site.get("/nowhere").await;
    assert_eq!(places(page.text()), [""; 0], "{}", page.text());
}

#[tokio::test]
async fn the_log_names_the_line_too() {
    prepare();
    let panics = async |_: Request| -> String { panic!("for the log") };
    let missing = async |_: Request| -> Result<String> { no_text().or_404() };
    let line = line!() - 2;
    let urls = [path("/logged-panic", panics), path("/logged-404", missing)];
    let site = TestClient::start(App::new(Settings::default()).urls(urls)).await;
    for (path, line) in [("/logged-panic", line), ("/logged-404", line + 1)] {
        let page = site.get(path).await;
        assert!(!page.text().contains("places.rs"), "DEBUG is off");
        let log = LOG.lock().expect("no panic while logging").clone();
        let log = String::from_utf8(log).expect("a text");
        let logged = log.lines().find(|logged| logged.contains(path));
        let place = format!("place=duck-core/tests/places.rs:{line} view=");
        assert!(
            logged.is_some_and(|logged| logged.contains(&place)),
            "{logged:?}"
        );
    }
}

fn no_text() -> Option<String> {
    None
}

fn boxed() -> Result<String, BoxError> {
    Err("there is no box".into())
}

/// More than there is, in a way that the compiler does not see through.
fn number() -> usize {
    std::env::args().len() + 1000
}
