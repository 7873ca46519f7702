//! A value that a session takes is read back the same; any other is refused when it is set.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use duck::session::SessionError;
use duck::testing::TestClient;
use duck::{App, Error, Request, Settings, path};
use duck_session::SessionMiddleware;
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use crate::cases;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Nothing;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Wrapped(Option<f32>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
enum Colour {
    Red,
    Blue,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Flat {
    name: u8,
    #[serde(flatten)]
    more: BTreeMap<String, u8>,
}

/// Whatever a site may think of.
#[expect(clippy::option_option, reason = "a site may have one")]
#[derive(Debug, Clone, Serialize, Deserialize)]
enum Value {
    Unit,
    Nothing(Nothing),
    Float(f64),
    Short(f32),
    Wide(i128),
    Wider(u128),
    Char(char),
    Text(String),
    Bytes(Vec<u8>),
    Nested(Option<Option<Option<u8>>>),
    Empty(Option<()>),
    Wrapped(Option<Wrapped>),
    Boxed { inner: Option<Box<Value>> },
    Pair(Box<Value>, f32),
    List(Vec<Value>),
    ByText(BTreeMap<String, Value>),
    ByNumber(BTreeMap<i64, Value>),
    ByWide(BTreeMap<u128, u8>),
    ByChar(BTreeMap<char, u8>),
    ByBool(BTreeMap<bool, u8>),
    ByColour(BTreeMap<Colour, u8>),
    ByOption(BTreeMap<Option<String>, u8>),
    ByPair(BTreeMap<(u8, u8), u8>),
    Flat(Flat),
}

fn value() -> impl Strategy<Value = Value> {
    let float = any::<u64>().prop_map(f64::from_bits);
    let short = any::<u32>().prop_map(f32::from_bits);
    let wide = prop_oneof![any::<i64>().prop_map(i128::from), any::<i128>()];
    let wider = prop_oneof![any::<u64>().prop_map(u128::from), any::<u128>()];
    let colour = prop_oneof![Just(Colour::Red), Just(Colour::Blue)];
    let key = prop_oneof![Just("name".to_owned()), ".{0,4}"];
    let leaf = prop_oneof![
        Just(Value::Unit),
        Just(Value::Nothing(Nothing)),
        float.prop_map(Value::Float),
        short.clone().prop_map(Value::Short),
        wide.prop_map(Value::Wide),
        wider.clone().prop_map(Value::Wider),
        any::<char>().prop_map(Value::Char),
        ".{0,12}".prop_map(Value::Text),
        vec(any::<u8>(), 0..6).prop_map(Value::Bytes),
        any::<Option<Option<Option<u8>>>>().prop_map(Value::Nested),
        any::<Option<()>>().prop_map(Value::Empty),
        prop::option::of(prop::option::of(short.clone()))
            .prop_map(|value| Value::Wrapped(value.map(Wrapped))),
        btree_map(wider, any::<u8>(), 0..3).prop_map(Value::ByWide),
        btree_map(any::<char>(), any::<u8>(), 0..3).prop_map(Value::ByChar),
        btree_map(any::<bool>(), any::<u8>(), 0..3).prop_map(Value::ByBool),
        btree_map(colour, any::<u8>(), 0..3).prop_map(Value::ByColour),
        btree_map(prop::option::of(".{0,4}"), any::<u8>(), 0..3).prop_map(Value::ByOption),
        btree_map(any::<(u8, u8)>(), any::<u8>(), 0..2).prop_map(Value::ByPair),
        (any::<u8>(), btree_map(key, any::<u8>(), 0..3))
            .prop_map(|(name, more)| Value::Flat(Flat { name, more })),
    ];
    leaf.prop_recursive(3, 12, 4, move |inner| {
        prop_oneof![
            prop::option::of(inner.clone().prop_map(Box::new))
                .prop_map(|inner| Value::Boxed { inner }),
            (inner.clone().prop_map(Box::new), short.clone())
                .prop_map(|(value, number)| Value::Pair(value, number)),
            vec(inner.clone(), 0..4).prop_map(Value::List),
            btree_map(".{0,4}", inner.clone(), 0..4).prop_map(Value::ByText),
            btree_map(any::<i64>(), inner, 0..4).prop_map(Value::ByNumber),
        ]
    })
}

async fn site(values: Arc<Mutex<Option<Value>>>) -> TestClient {
    let set = move |request: Request| {
        let value = values.lock().unwrap().clone();
        Box::pin(async move {
            match request.session.set("value", &value).await {
                Ok(()) => Ok("taken"),
                Err(SessionError::Value { .. }) => Ok("refused"),
                Err(error) => Err(Error::from(error)),
            }
        }) as duck::BoxFuture<'static, _>
    };
    let get = async |request: Request| {
        let value: Option<Option<Value>> = request.session.get("value").await?;
        Ok::<_, Error>(format!("{:?}", value.flatten()))
    };
    let settings = Settings::default()
        .with("SESSION_STORAGE", "InMemoryCache")
        .with("DEBUG", true);
    let app = App::new(settings).with(SessionMiddleware::new());
    TestClient::start(app.urls([path("/set", set), path("/get", get)])).await
}

proptest! {
    #![proptest_config(cases(300))]

    #[test]
    fn what_is_stored_is_read_back_the_same(value in value()) {
        let value = Some(value);
        let expected = format!("{value:?}");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(async {
            let client = site(Arc::new(Mutex::new(value))).await;
            let answer = client.get("/set").await;
            assert_eq!(answer.status(), 200, "{}", answer.text());
            if answer.text() == "taken" {
                let answer = client.get("/get").await;
                assert_eq!(answer.text(), expected);
            }
        });
    }
}
