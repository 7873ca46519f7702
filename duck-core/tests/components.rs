//! How the parts of a site start.

use std::sync::{Arc, Mutex};

use duck::files::static_folder;
use duck::prelude::*;
use duck::testing::TestClient;
use duck::{Component, Error, Setup};

fn app() -> App {
    App::new(Settings::default())
}

/// Stands for a database pool: connecting takes a while, and can fail.
struct Pool(String);

impl Pool {
    async fn connect(url: &str) -> std::io::Result<Self> {
        tokio::task::yield_now().await;
        match url {
            "down" => Err(std::io::Error::other("nobody listens there")),
            url => Ok(Self(url.to_owned())),
        }
    }
}

async fn database(setup: &mut Setup<'_>) -> Result<()> {
    let url: String = setup.settings().get("DATABASE_URL")?.unwrap_or_default();
    setup.insert(Pool::connect(&url).await?);
    Ok(())
}

async fn which(request: Request) -> Result<String> {
    Ok(request.state::<Pool>()?.0.clone())
}

#[tokio::test]
async fn views_have_what_a_component_opened() {
    let app = app()
        .with(database)
        .setting("DATABASE_URL", "sqlite::memory:")
        .urls([path("/", which)]);
    let page = TestClient::start(app).await.get("/").await;
    assert_eq!(page.text(), "sqlite::memory:");
}

#[tokio::test]
async fn a_component_that_fails_keeps_the_site_from_starting() {
    let error = app()
        .setting("DATABASE_URL", "down")
        .with(database)
        .with(async |_: &mut Setup<'_>| -> Result<()> { panic!("started after a failure") })
        .start()
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "nobody listens there");
    let place = error.place().unwrap().to_string();
    assert!(place.contains("components.rs:"), "{place}");
}

#[tokio::test]
#[should_panic(expected = "cannot start: nobody listens there")]
async fn a_test_of_a_site_that_cannot_start_says_why() {
    TestClient::start(app().setting("DATABASE_URL", "down").with(database)).await;
}

#[tokio::test]
async fn a_component_uses_what_came_before_it() {
    struct Notes(usize);
    let app = app()
        .state("from the site")
        .with(database)
        .with(async |setup: &mut Setup<'_>| {
            let length = setup.get::<Pool>()?.0.len() + setup.get::<&str>()?.len();
            setup.insert(Notes(length));
            Ok(())
        });
    let site = app
        .setting("DATABASE_URL", "four")
        .urls([path("/", async |request: Request| {
            Ok::<_, Error>(request.state::<Notes>()?.0.to_string())
        })]);
    assert_eq!(TestClient::start(site).await.get("/").await.text(), "17");
}

#[tokio::test]
async fn a_component_that_misses_another_says_where_it_belongs() {
    let app = app()
        .with(async |setup: &mut Setup<'_>| setup.get::<Pool>().map(|_| ()))
        .with(database);
    let error = app.start().await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "no component before this one gives a `components::Pool`: add it with `App::with` further up"
    );
    let place = error.place().unwrap().to_string();
    assert!(place.contains("components.rs:"), "{place}");
}

#[tokio::test]
async fn middleware_and_components_stand_in_the_order_they_were_added() {
    type Names = Arc<Mutex<Vec<&'static str>>>;
    struct Named(&'static str, Names);
    impl Middleware for Named {
        async fn handle(&self, request: Request, next: Next<'_>) -> Result<Response> {
            self.1.lock().unwrap().push(self.0);
            Ok(next.run(request).await)
        }
    }
    struct Part(Named);
    impl Component for Part {
        async fn start(self, setup: &mut Setup<'_>) -> Result<()> {
            setup.middleware(self.0);
            Ok(())
        }
    }
    let names = Names::default();
    let app = app()
        .middleware(Named("first", names.clone()))
        .with(Part(Named("second", names.clone())))
        .middleware(Named("third", names.clone()))
        .urls([path("/", async |_: Request| "")]);
    TestClient::start(app).await.get("/").await;
    assert_eq!(*names.lock().unwrap(), ["first", "second", "third"]);
}

#[tokio::test]
async fn a_component_stops_before_what_it_uses() {
    type Names = Arc<Mutex<Vec<&'static str>>>;
    fn part(name: &'static str, stopped: Names) -> impl Component {
        async move |setup: &mut Setup<'_>| {
            setup.on_stop(move || {
                stopped.lock().unwrap().push(name);
                std::future::ready(())
            });
            Ok::<_, Error>(())
        }
    }
    let stopped = Names::default();
    let app = app()
        .with(part("database", stopped.clone()))
        .with(part("sessions", stopped.clone()));
    app.start().await.unwrap().stop().await;
    assert_eq!(*stopped.lock().unwrap(), ["sessions", "database"]);
}

#[tokio::test]
async fn a_component_adds_pages() {
    let app = app().with(async |setup: &mut Setup<'_>| {
        assert!(setup.is_serving());
        setup.urls([path("/about", async |_: Request| "about").name("about")]);
        Ok(())
    });
    let site = TestClient::start(app).await;
    assert_eq!(site.get("/about").await.text(), "about");
    assert_eq!(site.site().routes()[0].name, "about");
}

#[tokio::test]
async fn static_files_go_by_settings_that_were_set_after_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.txt"), "text").unwrap();
    let of = folder.path().to_str().unwrap().to_owned();
    let app = app()
        .with(StaticFiles::new())
        .setting("STATIC_DIR", of)
        .setting("STATIC_URL", "/assets/")
        .setting("STATIC_CACHE_AGE", 60);
    let page = TestClient::start(app).await.get("/assets/a.txt").await;
    assert_eq!(page.text(), "text");
    assert_eq!(page.header("cache-control"), Some("public, max-age=60"));
}

#[tokio::test]
async fn every_folder_goes_by_settings_that_were_set_after_it() {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("a.txt"), "text").unwrap();
    let app = app()
        .urls([static_folder("/media/", site.path())])
        .setting("STATIC_CACHE_AGE", 60);
    let page = TestClient::start(app).await.get("/media/a.txt").await;
    assert_eq!(page.header("cache-control"), Some("public, max-age=60"));
}

#[test]
fn a_site_can_be_put_together_on_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    is_send(&app().with(database).with(StaticFiles::new()));
}
