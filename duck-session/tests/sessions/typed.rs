//! The session as a struct that has versions: rule 71.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use duck::session::TypedSession;
use duck::testing::TestClient;
use duck::{Request, Session, StatusCode, UrlPattern, text};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::support::{Heard, Op, ScriptedCache, id, page, read, scripted, with_id};

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct First {
    name: String,
    count: u32,
}

impl TypedSession for First {
    const VERSION: u32 = 1;
}

/// Since then `count` is `visits`, and there is a theme.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Second {
    name: String,
    visits: u64,
    theme: String,
}

impl Default for Second {
    fn default() -> Self {
        Self {
            name: "nobody".into(),
            visits: 0,
            theme: "dark".into(),
        }
    }
}

impl TypedSession for Second {
    const VERSION: u32 = 2;

    fn migrate(from: u32, mut values: Map<String, Value>) -> Option<Map<String, Value>> {
        let visits = match (from, values.get("name")?.as_str()?) {
            (0, _) => values.get("visits")?.as_str()?.len().into(),
            (1, "to nonsense") => "many".into(),
            (1, "to a reserved key") => {
                values.insert("_duck.user".into(), "admin".into());
                values.remove("count")?
            }
            (1, _) => values.remove("count")?,
            (2, "to be repaired") => 1.into(),
            _ => return None,
        };
        values.insert("visits".into(), visits);
        Some(values)
    }
}

fn shows<T: TypedSession + Debug + Send>(at: &str) -> UrlPattern {
    page(at, async |request: Request| {
        let value: T = request.session.typed().await?;
        Ok(text(format!("{value:?}")))
    })
}

fn stores<T: TypedSession + Clone + Send + Sync + 'static>(at: &str, value: T) -> UrlPattern {
    page(at, move |request: Request| {
        let value = value.clone();
        async move {
            request.session.set_typed(&value).await?;
            Ok(text(""))
        }
    })
}

fn first(name: &str) -> First {
    let name = name.into();
    First { name, count: 7 }
}

async fn visitor(more: impl IntoIterator<Item = UrlPattern>) -> (TestClient, ScriptedCache) {
    let pages = [
        shows::<First>("/first"),
        shows::<Second>("/second"),
        stores("/store-first", first("ada")),
        stores("/store-nonsense", first("to nonsense")),
        stores("/store-reserved", first("to a reserved key")),
        stores("/store-second", Second::default()),
        page("/keys", async |request| {
            Ok(text(format!("{:?}", request.session.keys().await?)))
        }),
    ];
    scripted(pages.into_iter().chain(more)).await
}

const NOBODY: &str = r#"Second { name: "nobody", visits: 0, theme: "dark" }"#;
const ADA: &str = r#"Second { name: "ada", visits: 7, theme: "dark" }"#;

#[tokio::test]
async fn a_visitor_who_is_new_has_the_default_and_costs_nothing() {
    let (client, cache) = visitor([]).await;
    assert_eq!(read(&client, "/second").await, NOBODY);
    assert_eq!(cache.calls(), [Op::Get; 0]);
    assert_eq!(client.cookie("session_id"), None);
}

#[tokio::test]
async fn what_is_stored_is_read_and_other_keys_stay() {
    let (client, cache) = visitor([]).await;
    read(&client, "/set/cart/full").await;
    assert_eq!(
        read(&client, "/first").await,
        r#"First { name: "", count: 0 }"#
    );
    read(&client, "/store-first").await;
    cache.calls();
    assert_eq!(
        read(&client, "/first").await,
        r#"First { name: "ada", count: 7 }"#
    );
    read(&client, "/store-first").await;
    assert_eq!(cache.calls(), [Op::Get, Op::Get], "the same is no change");
    assert_eq!(read(&client, "/get/cart").await, "\"full\"");
    assert_eq!(read(&client, "/keys").await, r#"["cart", "count", "name"]"#);
    read(&client, "/remove/count").await;
    assert_eq!(
        read(&client, "/first").await,
        r#"First { name: "ada", count: 0 }"#
    );
    read(&client, "/clear").await;
    assert_eq!(
        read(&client, "/first").await,
        r#"First { name: "", count: 0 }"#
    );
}

#[tokio::test]
async fn an_older_session_is_brought_up_to_date_and_saved_so() {
    let (client, cache) = visitor([]).await;
    read(&client, "/set/cart/full").await;
    read(&client, "/store-first").await;
    let before = id(&client);
    cache.calls();
    assert_eq!(read(&client, "/second").await, ADA);
    assert_eq!(cache.calls(), [Op::Get, Op::Swap, Op::Save]);
    assert_eq!(read(&client, "/second").await, ADA);
    assert_eq!(cache.calls(), [Op::Get], "once");
    assert_eq!(id(&client), before);
    assert_eq!(
        read(&client, "/keys").await,
        r#"["cart", "name", "visits"]"#
    );
}

#[tokio::test]
async fn values_from_before_there_were_versions_are_taken_as_they_are_if_they_fit() {
    let (client, _) = visitor([]).await;
    read(&client, "/set/name/bob").await;
    read(&client, "/add/visits").await;
    let bob = r#"Second { name: "bob", visits: 1, theme: "dark" }"#;
    assert_eq!(read(&client, "/second").await, bob);
    read(&client, "/set/visits/xxx").await;
    let bob = r#"Second { name: "bob", visits: 3, theme: "dark" }"#;
    assert_eq!(read(&client, "/second").await, bob, "migrated from 0");
    assert_eq!(read(&client, "/get/visits").await, "3");
}

#[tokio::test]
async fn a_value_of_another_type_may_be_repaired() {
    let (client, _) = visitor([]).await;
    for page in [
        "/store-second",
        "/set/name/to%20be%20repaired",
        "/set/visits/x",
    ] {
        read(&client, page).await;
    }
    let repaired = r#"Second { name: "to be repaired", visits: 1, theme: "dark" }"#;
    assert_eq!(read(&client, "/second").await, repaired);
}

/// Whatever cannot be read ends: a version without a way, a way that leads nowhere, a newer
/// version, and a value of another type.
#[tokio::test]
async fn a_session_that_cannot_be_read_is_dead_and_the_visitor_begins_anew() {
    let cases: [(&[&str], &str, &str); 4] = [
        (&["/store-nonsense"], "/second", "from=1 version=2"),
        (&["/store-second"], "/first", "from=2 version=1"),
        (
            &["/store-second", "/set/visits/many"],
            "/second",
            "from=2 version=2",
        ),
        (
            &["/set/name/bob", "/set/count/many"],
            "/first",
            "from=0 version=1",
        ),
    ];
    for (pages, path, event) in cases {
        let (client, cache) = visitor([]).await;
        read(&client, "/login/ada").await;
        for page in pages {
            read(&client, page).await;
        }
        let old = id(&client);
        let heard = Heard::default();
        let guard = tracing::subscriber::set_default(heard.clone());
        let response = client.get(path).await;
        drop(guard);
        let default = match path {
            "/second" => NOBODY,
            _ => r#"First { name: "", count: 0 }"#,
        };
        assert_eq!(
            (response.status().as_u16(), response.text()),
            (200, default),
            "{pages:?}"
        );
        assert!(response.set_cookies()[0].contains("Max-Age=0"), "{pages:?}");
        assert_eq!(cache.len(), 0, "{pages:?}");
        let heard = heard.text();
        assert!(
            heard.contains(event) && heard.contains("it is ended"),
            "{pages:?}: {heard}"
        );
        assert!(
            !heard.contains("many") && !heard.contains(&old[..6]),
            "{heard}"
        );
        read(&client, "/store-first").await;
        assert_ne!(id(&client), old);
        assert_eq!(read(&with_id(&client, &old), "/user").await, "nobody");
        assert_eq!(read(&client, "/user").await, "nobody");
    }
}

#[tokio::test]
async fn a_dead_session_is_replaced_by_what_the_same_page_sets() {
    let (client, cache) = visitor([page("/go-on", async |request| {
        let mut value: First = request.session.typed().await?;
        assert_eq!(request.session.user().await?, None);
        value.count += 1;
        request.session.set_typed(&value).await?;
        Ok(text(format!("{value:?}")))
    })])
    .await;
    read(&client, "/login/ada").await;
    read(&client, "/store-second").await;
    let old = id(&client);
    assert_eq!(
        read(&client, "/go-on").await,
        r#"First { name: "", count: 1 }"#
    );
    assert_ne!(id(&client), old);
    assert_eq!(
        read(&client, "/go-on").await,
        r#"First { name: "", count: 2 }"#
    );
    assert_eq!(cache.len(), 1);
}

#[tokio::test]
async fn a_dead_session_stays_dead_though_the_page_fails() {
    let (client, cache) = visitor([page("/fails", async |request| {
        request.session.typed::<First>().await?;
        Ok(text("").with_status(StatusCode::INTERNAL_SERVER_ERROR))
    })])
    .await;
    read(&client, "/store-second").await;
    client.get("/fails").await;
    assert_eq!(cache.len(), 0);
}

#[tokio::test]
async fn no_way_leads_to_the_frameworks_own_keys() {
    let (client, _) = visitor([]).await;
    read(&client, "/store-reserved").await;
    assert_eq!(client.get("/second").await.status(), 500);
    assert_eq!(read(&client, "/user").await, "nobody");
}

/// A stream may read an old session; there it can be neither changed nor ended.
#[tokio::test]
async fn after_the_response_an_old_session_is_read_and_left_as_it_is() {
    let kept: Arc<Mutex<Option<Session>>> = Arc::default();
    let keep = kept.clone();
    let (client, cache) = visitor([page("/keep", move |request| {
        *keep.lock().unwrap() = Some(request.session);
        std::future::ready(Ok(text("")))
    })])
    .await;
    read(&client, "/store-first").await;
    read(&client, "/keep").await;
    let session = kept.lock().unwrap().take().unwrap();
    assert_eq!(
        format!("{:?}", session.typed::<Second>().await.unwrap()),
        ADA
    );
    read(&client, "/store-nonsense").await;
    read(&client, "/keep").await;
    let session = kept.lock().unwrap().take().unwrap();
    assert_eq!(
        format!("{:?}", session.typed::<Second>().await.unwrap()),
        NOBODY
    );
    assert_eq!(cache.len(), 1);
}

#[test]
fn a_struct_without_a_way_says_so() {
    assert_eq!(
        First::migrate(0, Map::from_iter([("a".into(), json!(1))])),
        None
    );
}
