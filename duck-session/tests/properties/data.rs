//! `SessionData`: its stored form, and what it does beside a plain map.

use std::collections::BTreeMap;

use duck::Bytes;
use duck::session::SessionData;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;

use crate::cases;

/// What is done to the data.
#[derive(Debug, Clone)]
enum Step {
    Set(String, Bytes),
    Remove(String),
    Clear,
    Store,
}

/// Few keys, so that steps meet; among them what is the framework's own, and what JSON has to escape.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        prop::sample::select(vec!["a", "b", "", "\"", "\u{0}", "ключ", "_duck.user"])
            .prop_map(str::to_owned),
        ".{0,8}",
        "k{120,140}",
    ]
}

fn json() -> impl Strategy<Value = Bytes> {
    prop_oneof![
        Just("null".to_owned()),
        any::<i64>().prop_map(|number| number.to_string()),
        ".{0,20}".prop_map(|text| Value::from(text).to_string()),
        "x{100,17000}".prop_map(|text| Value::from(text).to_string()),
        vec(any::<bool>(), 0..5).prop_map(|list| Value::from(list).to_string()),
    ]
    .prop_map(Bytes::from)
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (key(), json()).prop_map(|(key, json)| Step::Set(key, json)),
        3 => key().prop_map(Step::Remove),
        1 => Just(Step::Clear),
        2 => Just(Step::Store),
    ]
}

fn stored(data: &SessionData) -> Bytes {
    Bytes::copy_from_slice(data.as_bytes())
}

fn is_own(key: &str) -> bool {
    key.starts_with("_duck")
}

/// That the data holds what the map does, and nothing else.
fn compare(data: &SessionData, map: &BTreeMap<String, Bytes>) {
    assert_eq!(data.total(), map.len());
    assert_eq!(data.is_empty(), map.is_empty());
    for (key, json) in map {
        assert_eq!(data.get(key), Some(&json[..]), "{key:?}");
    }
    let keys = map.keys().filter(|key| !is_own(key));
    assert!(
        data.keys().eq(keys.map(String::as_str)),
        "keys come in order"
    );
    let parsed: BTreeMap<String, Value> = serde_json::from_slice(&data.to_json()).unwrap();
    let expected = map
        .iter()
        .map(|(key, json)| (key.clone(), serde_json::from_slice(json).unwrap()));
    assert!(parsed.into_iter().eq(expected), "as JSON");
    assert!(data.json_len() <= data.to_json().len());
}

/// All keys, in order; the framework's own among them.
fn keys(data: &SessionData) -> Vec<String> {
    let all: BTreeMap<String, Value> = serde_json::from_slice(&data.to_json()).unwrap();
    all.into_keys().collect()
}

proptest! {
    #![proptest_config(cases(100))]

    #[test]
    fn data_does_what_a_map_does(steps in vec(step(), 0..30)) {
        let mut data = SessionData::default();
        let mut map = BTreeMap::new();
        for step in steps {
            match step {
                Step::Set(key, json) => {
                    let changed = data.set(&key, &json);
                    assert_eq!(changed, map.insert(key, json.clone()) != Some(json));
                }
                Step::Remove(key) => assert_eq!(data.remove(&key), map.remove(&key)),
                Step::Clear => {
                    data.clear();
                    map.retain(|key, _| is_own(key));
                }
                Step::Store => data = SessionData::read(&stored(&data)).unwrap(),
            }
            compare(&data, &map);
        }
    }

    /// What a damaged storage could hold is read or refused, and never panics.
    #[test]
    fn any_bytes_are_refused_or_read(bytes in vec(any::<u8>(), 0..200)) {
        if let Some(data) = SessionData::read(&bytes) {
            assert_eq!(SessionData::read(&stored(&data)), Some(data));
        }
    }

    /// The same with bytes that are nearly right.
    #[test]
    fn nearly_right_bytes_are_refused_or_read(
        entries in vec((key(), json()), 1..6),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut data = SessionData::default();
        for (key, json) in entries {
            data.set(&key, &json);
        }
        let mut bytes = stored(&data).to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        for bytes in [Bytes::from(bytes.clone()), bytes[..cut.index(bytes.len())].to_vec().into()] {
            if let Some(data) = SessionData::read(&bytes) {
                assert_eq!(SessionData::read(&stored(&data)), Some(data));
            }
        }
    }

    /// Two stored forms one behind the other are one only if the keys stay in order.
    #[test]
    fn keys_are_read_in_order_or_not_at_all(
        one in vec((key(), json()), 1..3),
        two in vec((key(), json()), 1..3),
    ) {
        let [one, two] = [one, two].map(|entries| {
            let mut data = SessionData::default();
            for (key, json) in entries {
                data.set(&key, &json);
            }
            data
        });
        let last = |data: &SessionData| keys(data).pop();
        let in_order = last(&one) < keys(&two).first().cloned();
        let both = [stored(&one), stored(&two)].concat();
        assert_eq!(SessionData::read(&both).is_some(), in_order);
    }
}
