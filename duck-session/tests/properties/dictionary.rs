//! A session is a dictionary: what a site does to it, over many requests and restarts, is what a
//! plain map does.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use duck::session::SessionError;
use duck::testing::TestClient;
use duck::{App, Error, Request, Session, Settings, path, text};
use duck_session::SessionMiddleware;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::cases;

type Map = BTreeMap<String, Value>;

/// What a view does with its session.
#[derive(Debug, Clone)]
enum Step {
    Get(String),
    Set(String, Value),
    Update(String),
    Lend(String),
    Remove(String),
    Pop(String),
    Clear,
    Save,
    CycleId,
}

/// A request, how it ends, and whether the site is started anew after it.
#[derive(Debug, Clone)]
struct Visit {
    steps: Vec<Step>,
    fails: bool,
    restart: bool,
}

/// Few keys, so that steps meet.
fn key() -> impl Strategy<Value = String> {
    let keys = vec!["a", "b", "c", "", "\"\\\n", "ключ", "a.b/c"];
    prop::sample::select(keys).prop_map(str::to_owned)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
        ".{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(".{0,4}", inner, 0..4)
                .prop_map(|map| map.into_iter().collect()),
        ]
    })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => key().prop_map(Step::Get),
        6 => (key(), value()).prop_map(|(key, value)| Step::Set(key, value)),
        2 => key().prop_map(Step::Update),
        2 => key().prop_map(Step::Lend),
        2 => key().prop_map(Step::Remove),
        2 => key().prop_map(Step::Pop),
        1 => Just(Step::Clear),
        1 => Just(Step::Save),
        1 => Just(Step::CycleId),
    ]
}

fn visits() -> impl Strategy<Value = Vec<Visit>> {
    let visit = (
        vec(step(), 0..8),
        prop::bool::weighted(0.15),
        prop::bool::weighted(0.3),
    );
    vec(
        visit.prop_map(|(steps, fails, restart)| Visit {
            steps,
            fails,
            restart,
        }),
        1..8,
    )
}

/// How a value changes: in a way that depends on what it was.
fn grow(value: &mut Value) {
    match value {
        Value::Array(list) => list.push(Value::Null),
        Value::Null => *value = Value::from(1),
        _ => *value = Value::from(vec![value.take()]),
    }
}

/// Does a step to the session and to the map; an error says where they differ.
async fn act(step: Step, session: &Session, map: &mut Map) -> Result<(), String> {
    let said = |error: SessionError| format!("{step:?}: {error}");
    let same = |is: &dyn std::fmt::Debug, expected: &dyn std::fmt::Debug| {
        let (is, expected) = (format!("{is:?}"), format!("{expected:?}"));
        if is == expected {
            return Ok(());
        }
        Err(format!("{step:?}: {is}, not {expected}"))
    };
    match &step {
        Step::Get(key) => {
            let value: Option<Value> = session.get(key).await.map_err(said)?;
            same(&value.as_ref(), &map.get(key))?;
            same(
                &session.contains(key).await.map_err(said)?,
                &map.contains_key(key),
            )?;
        }
        Step::Set(key, value) => {
            session.set(key, value).await.map_err(said)?;
            map.insert(key.clone(), value.clone());
        }
        Step::Update(key) => {
            let value = session.update(key, grow).await.map_err(said)?;
            grow(map.entry(key.clone()).or_default());
            same(&Some(&value), &map.get(key))?;
        }
        Step::Lend(key) => {
            let lent = session.get_mut::<Value>(key).await.map_err(said)?;
            same(&lent.is_some(), &map.contains_key(key))?;
            if let (Some(mut lent), Some(value)) = (lent, map.get_mut(key)) {
                grow(&mut lent);
                grow(value);
            }
        }
        Step::Remove(key) => {
            let removed = session.remove(key).await.map_err(said)?;
            same(&removed, &map.remove(key).is_some())?;
        }
        Step::Pop(key) => {
            let popped: Option<Value> = session.pop(key).await.map_err(said)?;
            same(&popped, &map.remove(key))?;
        }
        Step::Clear => {
            session.clear().await.map_err(said)?;
            map.clear();
        }
        Step::Save => session.save().await.map_err(said)?,
        Step::CycleId => session.cycle_id().await.map_err(said)?,
    }
    same(
        &session.keys().await.map_err(said)?,
        &map.keys().collect::<Vec<_>>(),
    )?;
    same(&session.len().await.map_err(said)?, &map.len())
}

/// The map beside the session: as it is, and as it was when it was last saved.
#[derive(Default)]
struct Beside {
    visit: Option<Visit>,
    map: Map,
}

async fn site(storage: &str, dir: &Path, beside: &Arc<Mutex<Beside>>) -> TestClient {
    let settings = Settings::default()
        .with(
            "SECRET_KEY",
            "a key for tests of more than thirty-two bytes",
        )
        .with("SESSION_STORAGE", storage)
        .with("SESSION_FSYNC", "none")
        .with("SESSION_DIR", dir.join("sessions").to_str().unwrap());
    let beside = beside.clone();
    let view = move |request: Request| {
        let beside = beside.clone();
        Box::pin(async move {
            let (visit, mut map) = {
                let mut beside = beside.lock().unwrap();
                (beside.visit.take().unwrap(), beside.map.clone())
            };
            for step in visit.steps {
                let saves = matches!(step, Step::Save);
                if let Err(differs) = act(step, &request.session, &mut map).await {
                    return Ok(text(differs));
                }
                if saves {
                    beside.lock().unwrap().map = map.clone();
                }
            }
            if visit.fails {
                return Err(Error::internal("on purpose"));
            }
            beside.lock().unwrap().map = map;
            Ok(text(""))
        }) as duck::BoxFuture<'static, _>
    };
    let app = App::new(settings).with(SessionMiddleware::new());
    TestClient::start(app.urls([path("/", view)])).await
}

async fn run(storage: &str, visits: Vec<Visit>) {
    let temp = tempfile::tempdir().unwrap();
    let beside = Arc::new(Mutex::new(Beside::default()));
    let mut client = site(storage, temp.path(), &beside).await;
    for visit in visits {
        let (fails, restart) = (visit.fails, visit.restart);
        beside.lock().unwrap().visit = Some(visit);
        let response = client.get("/").await;
        if fails {
            assert_eq!(response.status(), 500, "{}", response.text());
        } else {
            assert_eq!((response.status().as_u16(), response.text()), (200, ""));
        }
        if restart && storage != "InMemoryCache" {
            client.site().stop().await;
            let cookie = client.cookie("session_id");
            client = site(storage, temp.path(), &beside).await;
            if let Some(cookie) = cookie {
                client.set_cookie("session_id", &cookie);
            }
        }
    }
    // What is left is what the map has, to a visitor who only looks.
    let map = beside.lock().unwrap().map.clone();
    let steps = map.into_keys().map(Step::Get).collect();
    beside.lock().unwrap().visit = Some(Visit {
        steps,
        fails: false,
        restart: false,
    });
    assert_eq!(client.get("/").await.text(), "");
}

macro_rules! dictionaries {
    ($($test:ident: $storage:literal, $cases:literal;)*) => {
        proptest! {$(
            #![proptest_config(cases($cases))]
            #[test]
            fn $test(visits in visits()) {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                runtime.unwrap().block_on(run($storage, visits));
            }
        )*}
    };
}

mod in_memory {
    use super::*;
    dictionaries! { a_session_does_what_a_map_does: "InMemoryCache", 64; }
}

mod folder {
    use super::*;
    dictionaries! { a_session_does_what_a_map_does: "KeyAsFolderCache", 4; }
}

#[cfg(feature = "dynamic-file")]
mod dynamic_file {
    use super::*;
    dictionaries! { a_session_does_what_a_map_does: "DynamicFileCache", 8; }
}
