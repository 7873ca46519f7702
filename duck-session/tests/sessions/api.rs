//! What `request.session` offers a view.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use duck::session::{Expiry, SessionError};
use duck::testing::TestClient;
use duck::{App, Error, Request, Settings, path, text};
use duck_session::{Clock, SessionMiddleware};
use serde::{Deserialize, Serialize};

use crate::support::{
    ScriptedStore, id, over, page, page_with, read, scripted, settings, visit, with_id,
};

const DAY: Duration = Duration::from_hours(24);

#[tokio::test]
async fn values_come_back_as_they_were() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Item {
        name: String,
        tags: Vec<Option<u8>>,
        price: f64,
    }
    fn item() -> Item {
        Item {
            name: "дак \u{0} \"quoted\" 🦆".into(),
            tags: vec![Some(1), None],
            price: 0.1,
        }
    }
    let (client, _) = scripted([
        page("/begin", async |request| {
            let session = request.session;
            session.set("item", item()).await?;
            session.set("null", None::<u8>).await?;
            session.set("false", false).await?;
            session.set("", "the empty key").await?;
            session.set("quote \" \\ \u{1}", u128::MAX).await?;
            session.set("raw", "</script>").await?;
            Ok(text(""))
        }),
        page("/check", async |request| {
            let session = request.session;
            assert_eq!(session.get::<Item>("item").await?, Some(item()));
            assert_eq!(session.get::<Option<u8>>("null").await?, Some(None));
            assert!(session.contains("null").await?);
            assert_eq!(session.get::<Option<u8>>("missing").await?, None);
            assert_eq!(session.get::<bool>("false").await?, Some(false));
            assert_eq!(session.get::<String>("").await?.unwrap(), "the empty key");
            assert_eq!(session.get("quote \" \\ \u{1}").await?, Some(u128::MAX));
            assert_eq!(session.len().await?, 6);
            Ok(text(""))
        }),
    ])
    .await;
    read(&client, "/begin").await;
    read(&client, "/check").await;
}

#[tokio::test]
async fn a_falsy_value_popped_is_saved() {
    let (client, _) = scripted([
        page("/begin", async |request| {
            request.session.set("zero", 0).await?;
            request.session.set("null", None::<u8>).await?;
            request.session.set("empty", "").await?;
            request.session.set("kept", 1).await?;
            Ok(text(""))
        }),
        page("/pop", async |request| {
            assert_eq!(request.session.pop::<u8>("zero").await?, Some(0));
            assert_eq!(request.session.pop::<Option<u8>>("null").await?, Some(None));
            assert_eq!(request.session.pop::<String>("empty").await?.unwrap(), "");
            Ok(text(""))
        }),
        page("/keys", async |request| {
            Ok(text(format!("{:?}", request.session.keys().await?)))
        }),
    ])
    .await;
    read(&client, "/begin").await;
    read(&client, "/pop").await;
    assert_eq!(read(&client, "/keys").await, "[\"kept\"]");
}

#[tokio::test]
async fn a_value_of_another_type_is_an_error_and_stays() {
    let (client, _) = scripted([page("/check", async |request| {
        let session = request.session;
        let wrong = |error| matches!(error, SessionError::Value { .. });
        assert!(wrong(session.get::<u8>("a").await.unwrap_err()));
        assert!(wrong(session.pop::<u8>("a").await.unwrap_err()));
        assert!(wrong(session.get_mut::<u8>("a").await.unwrap_err()));
        let update = session.update("a", |number: &mut u8| *number += 1);
        assert!(wrong(update.await.unwrap_err()));
        let keys_that_are_no_text = BTreeMap::from([((1, 2), 3)]);
        assert!(wrong(
            session.set("b", keys_that_are_no_text).await.unwrap_err()
        ));
        assert!(wrong(session.set_struct(&7).await.unwrap_err()));
        assert!(!session.modified());
        Ok(text(""))
    })])
    .await;
    read(&client, "/set/a/text").await;
    read(&client, "/check").await;
    assert_eq!(read(&client, "/get/a").await, "\"text\"");
}

#[tokio::test]
async fn the_frameworks_own_keys_are_neither_shown_nor_lent_nor_cleared() {
    let (client, _) = scripted([page("/check", async |request| {
        let session = request.session;
        for key in ["_duck.user", "_duck.expiry", "_duck", "_duckling"] {
            let refused = |error| matches!(error, SessionError::ReservedKey(_));
            assert!(refused(session.get::<String>(key).await.unwrap_err()));
            assert!(refused(session.set(key, "admin").await.unwrap_err()));
            assert!(refused(session.contains(key).await.unwrap_err()));
            assert!(refused(session.remove(key).await.unwrap_err()));
            assert!(refused(session.pop::<String>(key).await.unwrap_err()));
            assert!(refused(session.get_mut::<String>(key).await.unwrap_err()));
            assert!(refused(
                session.update(key, |_: &mut u8| ()).await.unwrap_err()
            ));
            let fields = BTreeMap::from([(key, "admin")]);
            assert!(refused(session.set_struct(&fields).await.unwrap_err()));
        }
        assert_eq!(session.keys().await?, ["a"]);
        assert_eq!(session.len().await?, 1);
        assert!(!session.is_empty().await?);
        let whole: BTreeMap<String, String> = session.to_struct().await?;
        assert_eq!(whole.len(), 1);
        session.clear().await?;
        assert!(session.is_empty().await?);
        assert_eq!(session.user().await?.as_deref(), Some("7"));
        Ok(text(""))
    })])
    .await;
    read(&client, "/login/7").await;
    read(&client, "/set/a/1").await;
    read(&client, "/check").await;
    assert_eq!(read(&client, "/user").await, "7");
}

#[tokio::test]
async fn a_struct_is_a_key_for_each_field() {
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Visitor {
        name: String,
        visits: u32,
    }
    let (client, _) = scripted([page("/visit", async |request| {
        let mut visitor: Visitor = request.session.to_struct().await?;
        visitor.visits += 1;
        visitor.name = "Dot".into();
        request.session.set_struct(&visitor).await?;
        Ok(text(""))
    })])
    .await;
    read(&client, "/visit").await;
    read(&client, "/set/other/1").await;
    read(&client, "/visit").await;
    assert_eq!(read(&client, "/get/visits").await, "2");
    assert_eq!(read(&client, "/get/name").await, "\"Dot\"");
    assert_eq!(read(&client, "/get/other").await, "\"1\"");
}

#[tokio::test]
async fn says_of_itself_what_is_so() {
    let (client, _) = scripted([
        page("/new", async |request| {
            let session = request.session;
            assert!(!session.is_present());
            assert!(session.is_new().await?);
            assert!(session.is_empty().await?);
            assert!(!session.modified() && !session.needs_update());
            session.set("a", 1).await?;
            assert!(session.modified() && session.needs_update());
            Ok(text(""))
        }),
        page("/known", async |request| {
            let session = request.session;
            assert!(session.is_present() && !session.is_accessed());
            assert!(!session.is_new().await?);
            session.set_modified(true);
            assert!(session.needs_update());
            session.set_modified(false);
            assert!(!session.needs_update());
            session.cycle_id().await?;
            assert!(session.modified());
            Ok(text(""))
        }),
    ])
    .await;
    read(&client, "/new").await;
    read(&client, "/known").await;
}

#[tokio::test]
async fn without_middleware_every_method_says_so() {
    let app = duck::App::new(settings()).urls([page("/", async |request: Request| {
        assert!(!request.session.is_present());
        request.session.set_modified(true);
        assert!(!request.session.modified());
        let error = request.session.get::<u8>("a").await.unwrap_err();
        assert!(matches!(error, SessionError::Missing));
        Err(Error::from(request.session.save().await.unwrap_err()))
    })]);
    assert_eq!(TestClient::start(app).await.get("/").await.status(), 500);
}

/// A site whose pages set the expiry in each of its forms.
async fn expiries(clock: &Clock) -> (TestClient, ScriptedStore) {
    let cache = ScriptedStore::default();
    let set = |path, expiry: fn(SystemTime) -> Expiry| {
        let with = (clock.clone(), expiry);
        page_with(path, &with, async |request, (clock, expiry)| {
            let now = UNIX_EPOCH + Duration::from_millis(clock.now());
            request.session.set_expiry(expiry(now)).await?;
            Ok(text(""))
        })
    };
    let more = [
        set("/x/hour", |_| Duration::from_hours(1).into()),
        set("/x/zero", |_| Duration::ZERO.into()),
        set("/x/for-ever", |_| Duration::MAX.into()),
        set("/x/tomorrow", |now| (now + DAY).into()),
        set("/x/yesterday", |now| (now - DAY).into()),
        set("/x/1960", |_| (UNIX_EPOCH - 3650 * DAY).into()),
        set("/x/far", |_| {
            (UNIX_EPOCH + Duration::from_secs(u64::MAX >> 2)).into()
        }),
        set("/x/close", |_| Expiry::BrowserClose),
        set("/x/default", |_| Expiry::Default),
        page("/age", async |request| {
            let age = request.session.expiry_age().await?;
            Ok(text(age.as_secs().to_string()))
        }),
        page("/date", async |request| {
            let date = request.session.expiry_date().await?;
            let since = date.duration_since(UNIX_EPOCH)?;
            Ok(text(since.as_millis().to_string()))
        }),
    ];
    let sessions = over(&cache).clock(clock.clone());
    let client = visit(
        settings().with("SESSION_STORAGE", "TestStore"),
        sessions,
        more,
    )
    .await;
    (client, cache)
}

/// The `Max-Age` of the one cookie that a page sets.
async fn max_age(client: &TestClient, path: &str) -> Option<u64> {
    let response = client.get(path).await;
    assert_eq!(response.status(), 200, "{path}");
    let cookies = response.set_cookies();
    assert_eq!(cookies.len(), 1, "{path}");
    let (_, age) = cookies[0].split_once("Max-Age=")?;
    age.split(';').next()?.parse().ok()
}

#[tokio::test]
async fn an_expiry_can_be_set_in_every_form() {
    let clock = Clock::manual();
    let (client, cache) = expiries(&clock).await;
    assert_eq!(max_age(&client, "/set/a/1").await, Some(604_800));
    assert_eq!(read(&client, "/age").await, "604800");
    assert_eq!(max_age(&client, "/x/hour").await, Some(3600));
    assert_eq!(read(&client, "/age").await, "3600");
    clock.advance(Duration::from_mins(10));
    assert_eq!(read(&client, "/age").await, "3000");
    assert_eq!(
        max_age(&client, "/set/a/2").await,
        Some(3600),
        "from each save on"
    );
    assert_eq!(max_age(&client, "/x/tomorrow").await, Some(86_400));
    let end = clock.now() + 86_400_000;
    assert_eq!(read(&client, "/date").await, end.to_string());
    clock.advance(Duration::from_mins(10));
    let response = client.get("/set/a/3").await;
    assert_eq!(
        response.set_cookies(),
        [""; 0],
        "a fixed end stays where it is"
    );
    assert_eq!(read(&client, "/date").await, end.to_string());
    assert_eq!(max_age(&client, "/x/close").await, None);
    assert_eq!(read(&client, "/age").await, "604800");
    assert_eq!(max_age(&client, "/x/default").await, Some(604_800));
    assert_eq!(cache.len(), 1);
}

#[tokio::test]
async fn an_end_that_has_come_ends_the_session() {
    for path in ["/x/zero", "/x/yesterday", "/x/1960"] {
        let clock = Clock::manual();
        let (client, cache) = expiries(&clock).await;
        read(&client, "/login/7").await;
        let old = with_id(&client, &id(&client));
        assert_eq!(max_age(&client, path).await, Some(0), "{path}");
        assert_eq!(client.cookie("session_id"), None, "{path}");
        assert_eq!(cache.len(), 0, "{path}");
        assert_eq!(read(&old, "/user").await, "nobody", "{path}");
        let stranger = client.another();
        assert_eq!(stranger.get(path).await.set_cookies(), [""; 0], "{path}");
    }
}

/// No browser keeps a cookie for longer than 400 days, and no date has a year of five digits.
#[tokio::test]
async fn an_end_beyond_all_dates_is_no_panic() {
    for path in ["/x/for-ever", "/x/far"] {
        let clock = Clock::manual();
        let (client, _) = expiries(&clock).await;
        read(&client, "/set/a/1").await;
        assert_eq!(max_age(&client, path).await, Some(400 * 86_400), "{path}");
        assert!(read(&client, "/age").await.parse::<u64>().unwrap() > 400 * 86_400);
        read(&client, "/date").await;
        clock.advance(500 * DAY);
        assert_eq!(read(&client, "/get/a").await, "\"1\"", "{path}");
    }
}

/// The cookie's `Expires` and the record's end are of one clock.
#[tokio::test]
async fn expires_agrees_with_max_age_whatever_the_clock() {
    let clock = Clock::manual();
    clock.advance(1000 * DAY);
    let (client, _) = expiries(&clock).await;
    let response = client.get("/set/a/1").await;
    let (_, expires) = response.set_cookies()[0].split_once("Expires=").unwrap();
    let expires = httpdate::parse_http_date(expires.split(';').next().unwrap()).unwrap();
    let seconds = expires.duration_since(UNIX_EPOCH).unwrap().as_secs();
    assert_eq!(seconds, clock.now() / 1000 + 604_800);
}

#[tokio::test]
async fn logging_in_over_an_expiry_keeps_it_for_the_same_user_only() {
    let clock = Clock::manual();
    let (client, _) = expiries(&clock).await;
    read(&client, "/login/7").await;
    read(&client, "/x/hour").await;
    read(&client, "/login/7").await;
    assert_eq!(read(&client, "/age").await, "3600");
    read(&client, "/login/8").await;
    assert_eq!(read(&client, "/age").await, "604800");
}

#[tokio::test]
async fn an_update_may_ask_the_session_something_itself() {
    let (client, _) = scripted([page("/", async |request| {
        let session = request.session.clone();
        let change = move |n: &mut u8| *n += 1 + u8::from(session.modified());
        request.session.set("other", 1).await?;
        let n = request.session.update("n", change).await?;
        Ok(text(n.to_string()))
    })])
    .await;
    assert_eq!(client.get("/").await.text(), "2");
}

#[tokio::test]
async fn a_key_that_may_be_missing_took_two_ways_of_writing() {
    let append = async |request: Request| {
        let before: Vec<String> = request.session.get_or_default("list").await?;
        let mut list = request
            .session
            .get_mut_or_default::<Vec<String>>("list")
            .await?;
        list.push("x".to_owned());
        Ok::<_, Error>(before.len().to_string())
    };
    let look = async |request: Request| {
        request
            .session
            .get_mut_or_default::<Vec<String>>("other")
            .await?;
        Ok::<_, Error>(request.session.contains("other").await?.to_string())
    };
    let wrong = async |request: Request| {
        let list = request.session.get_or_default::<u8>("list").await;
        Ok::<_, Error>(list.is_err().to_string())
    };
    let settings = Settings::default().with("SESSION_STORAGE", "InMemoryCache");
    let client = TestClient::start(App::new(settings).with(SessionMiddleware::new()).urls([
        path("/append", append),
        path("/look", look),
        path("/wrong", wrong),
    ]))
    .await;
    assert_eq!(client.get("/look").await.text(), "false");
    assert_eq!(
        client.cookie("session_id"),
        None,
        "an unchanged default is not stored"
    );
    assert_eq!(client.get("/append").await.text(), "0");
    assert_eq!(client.get("/append").await.text(), "1");
    assert_eq!(client.get("/append").await.text(), "2");
    assert_eq!(client.get("/wrong").await.text(), "true");
}

/// NaN was stored as null, and then every read of the key was a 500.
#[tokio::test]
async fn nan_is_refused_wherever_it_is_written() {
    #[derive(Default, serde::Serialize, serde::Deserialize)]
    struct Typed {
        degrees: f64,
    }
    let view = async |request: Request, how: String| {
        let session = &request.session;
        let hot = Typed { degrees: f64::NAN };
        match how.as_str() {
            "set" => session.set("degrees", f64::NAN).await?,
            "update" => drop(
                session
                    .update("degrees", |degrees: &mut f64| *degrees /= 0.0)
                    .await?,
            ),
            "lend" => *session.get_mut_or_default::<f64>("degrees").await? = f64::INFINITY,
            "struct" => session.set_struct(&hot).await?,
            _ => session.set("degrees", 1.5).await?,
        }
        Ok::<_, Error>(session.get_or_default::<f64>("degrees").await?.to_string())
    };
    let settings = Settings::default().with("SESSION_STORAGE", "InMemoryCache");
    let app = App::new(settings).with(SessionMiddleware::new());
    let client = TestClient::start(app.setting("DEBUG", true).urls([path("/<how>", view)])).await;
    assert_eq!(client.get("/fine").await.text(), "1.5");
    for how in ["set", "update", "lend", "struct"] {
        let page = client.get(&format!("/{how}")).await;
        assert_eq!(page.status(), 500, "{how}");
        assert!(
            page.text().contains("NaN and infinity"),
            "{how}: {}",
            page.text()
        );
    }
    assert_eq!(client.get("/fine").await.text(), "1.5");
}

#[tokio::test]
async fn of_a_struct_that_is_too_large_no_field_is_kept() {
    let (client, _) = scripted([page("/check", async |request| {
        let session = request.session;
        for second in ["b", "_duck"] {
            let fields = BTreeMap::from([("A", "fine".into()), (second, "x".repeat(70_000))]);
            session.set_struct(&fields).await.unwrap_err();
            assert_eq!(session.len().await?, 0);
            assert!(!session.modified());
        }
        Ok(text(""))
    })])
    .await;
    read(&client, "/check").await;
}

/// A struct that is read by way of 64 bits would lose a wide integer.
#[tokio::test]
async fn a_wide_integer_in_a_struct_is_read_again() {
    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Wide {
        most: u128,
        least: i128,
        third: f64,
    }
    fn wide() -> Wide {
        Wide {
            most: u128::MAX,
            least: i128::MIN,
            third: 1.0 / 3.0,
        }
    }
    let (client, _) = scripted([
        page("/set", async |request| {
            request.session.set_struct(&wide()).await?;
            Ok(text(""))
        }),
        page("/get", async |request| {
            assert_eq!(request.session.to_struct::<Wide>().await?, wide());
            Ok(text(""))
        }),
    ])
    .await;
    read(&client, "/set").await;
    read(&client, "/get").await;
}
