//! Several processes on one folder, each noting what it did and saw, and whether all of that can
//! have happened.
//!
//! No value is ever written twice, so a value is a state of its key. Each change that was
//! acknowledged takes a state to the next one; each look says which state there was. From the
//! times before and after each of them it is known when a state cannot have been there.

use std::collections::HashMap;
use std::fmt;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime};

use duck_session::store::{Durability, SessionKey, SessionStore, StoredSession, UserKey, Version};

use crate::children::child;
use crate::site::Place;
use crate::storage::{Storage, on_each_storage};

/// In a hundred years.
const LATER: u64 = 4_900_000_000_000;
const KEYS: u32 = 5;
const TASKS: u32 = 2;

/// What a session holds: the how-manieth state since it was created, and who wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct State {
    version: u32,
    writer: u32,
    number: u32,
}

impl State {
    /// From a few bytes to some thousand: a torn one shows.
    fn bytes(self) -> Vec<u8> {
        let times = 1 + self.number as usize * 37 % 300;
        format!("{self} ").repeat(times).into_bytes()
    }

    fn of(bytes: &[u8]) -> Self {
        let text = str::from_utf8(bytes).unwrap();
        let state: Self = text.split(' ').next().unwrap().parse().unwrap();
        assert!(state.bytes() == bytes, "a torn value of {state}");
        state
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.version, self.writer, self.number)
    }
}

impl FromStr for State {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut numbers = text.split('/').map(str::parse);
        let mut next = || numbers.next().unwrap();
        Ok(Self {
            version: next()?,
            writer: next()?,
            number: next()?,
        })
    }
}

/// What one process did or saw. Times are nanoseconds, of the one clock of the machine.
#[derive(Debug, Clone, Copy)]
struct Event {
    key: u32,
    began: u64,
    ended: u64,
    deed: Deed,
}

#[derive(Debug, Clone, Copy)]
enum Deed {
    Saw(Option<State>),
    Changed {
        from: Option<State>,
        to: Option<State>,
    },
}

fn text(state: Option<State>) -> String {
    state.map_or_else(|| "-".to_owned(), |state| state.to_string())
}

fn state(text: &str) -> Option<State> {
    (text != "-").then(|| text.parse().unwrap())
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            key,
            began,
            ended,
            deed,
        } = self;
        write!(f, "event {key} {began} {ended} ")?;
        match *deed {
            Deed::Saw(seen) => write!(f, "saw {}", text(seen)),
            Deed::Changed { from, to } => write!(f, "changed {} {}", text(from), text(to)),
        }
    }
}

impl Event {
    fn parse(line: &str) -> Option<Self> {
        let words: Vec<_> = line.strip_prefix("event ")?.split(' ').collect();
        let deed = match words[3] {
            "saw" => Deed::Saw(state(words[4])),
            _ => Deed::Changed {
                from: state(words[4]),
                to: state(words[5]),
            },
        };
        Some(Self {
            key: words[0].parse().unwrap(),
            began: words[1].parse().unwrap(),
            ended: words[2].parse().unwrap(),
            deed,
        })
    }
}

fn now() -> u64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

/// What a child does, for so many milliseconds.
pub(crate) async fn make<S: Storage>(dir: &Path, millis: u64) {
    let store = S::open(dir).await;
    let end = Instant::now() + Duration::from_millis(millis);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let writer = std::process::id() * TASKS + task;
            tokio::spawn(act(store.clone(), writer, end))
        })
        .collect();
    let mut events = Vec::new();
    for task in tasks {
        events.extend(task.await.unwrap());
    }
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout).unwrap();
    for event in events {
        writeln!(stdout, "{event}").unwrap();
    }
}

async fn act(store: impl SessionStore, writer: u32, end: Instant) -> Vec<Event> {
    let mut events = Vec::new();
    let mut number = 0;
    while Instant::now() < end {
        let key = fastrand::u32(..KEYS);
        let began = now();
        let seen = look(&store, key).await;
        let from = seen.as_ref().map(|seen| State::of(seen.bytes()));
        events.push(Event {
            key,
            began,
            ended: now(),
            deed: Deed::Saw(from),
        });
        number += 1;
        let new = State {
            version: from.map_or(0, |from| from.version) + 1,
            writer,
            number,
        };
        let to = (from.is_none() || fastrand::u32(..6) > 0).then_some(new);
        let began = now();
        if change(&store, key, seen.as_ref(), to).await {
            events.push(Event {
                key,
                began,
                ended: now(),
                deed: Deed::Changed { from, to },
            });
        }
        if fastrand::u32(..32) == 0 {
            sweep(&store).await;
        }
    }
    events
}

fn session_key(key: u32) -> SessionKey {
    // Each byte of a key says where it is kept.
    SessionKey::from_bytes([u8::try_from(key * 50).unwrap(); 16])
}

fn user(key: u32) -> UserKey {
    UserKey::from_bytes([u8::try_from(key).unwrap(); 16])
}

/// By its key, or as the only session of its user.
async fn look(store: &impl SessionStore, key: u32) -> Option<StoredSession> {
    if fastrand::bool() {
        return store.load(&session_key(key)).await.unwrap();
    }
    let mut theirs = store.of_user(&user(key), 10).await.unwrap();
    assert!(theirs.len() < 2, "a session is there twice");
    theirs.pop()
}

/// Returns whether it was made.
async fn change(
    store: &impl SessionStore,
    key: u32,
    from: Option<&StoredSession>,
    to: Option<State>,
) -> bool {
    let durability = match fastrand::u32(..8) {
        0 => Durability::PowerCut,
        _ => Durability::Crash,
    };
    let session = |version, to: State| {
        let (key, user) = (session_key(key), Some(user(key)));
        StoredSession::new(key, version, user, LATER, to.bytes())
    };
    let made = match (from, to) {
        (None, None) => return false,
        (None, Some(to)) => {
            let new = session(Version::first(), to);
            store.create(&new, durability).await
        }
        (Some(from), Some(to)) => {
            let new = session(from.version().next(), to);
            store.replace(from.version(), &new, durability).await
        }
        (Some(from), None) => {
            let expected = Some(from.version());
            store.remove(from.key(), expected, durability).await
        }
    };
    made.unwrap()
}

/// Removes a session of its own that is expired, and whatever others left.
async fn sweep(store: &impl SessionStore) {
    let key = SessionKey::from_bytes(fastrand::u128(..).to_be_bytes());
    let expired = StoredSession::new(key, Version::first(), None, 1, "expired");
    assert!(store.create(&expired, Durability::Crash).await.unwrap());
    store.remove_expired(1000, 1000).await.unwrap();
}

/// When a state came and when it went, each between two times.
#[derive(Debug, Clone, Copy)]
struct Life {
    came: (u64, u64),
    went: Option<(u64, u64)>,
}

/// One state after another, from a creation to a removal.
struct Generation {
    from: u64,
    to: u64,
}

/// Whether what happened to one key can have happened.
fn check(events: &[Event], last: Option<State>) {
    let lives = lives(events);
    for event in events {
        match event.deed {
            Deed::Saw(Some(seen)) => {
                let life = lives.get(&seen).expect("a state that nobody made");
                assert!(life.came.0 <= event.ended, "{event} came later: {life:?}");
                let gone = life.went.is_some_and(|went| went.1 < event.began);
                assert!(!gone, "{event} was gone: {life:?}");
            }
            Deed::Saw(None) => {}
            Deed::Changed { from, to } => {
                if let (from, Some(to)) = (from, to) {
                    let before = from.map_or(0, |from| from.version);
                    assert_eq!(to.version, before + 1, "{event}");
                }
            }
        }
    }
    let generations = generations(events, &lives);
    for event in events {
        if let Deed::Saw(None) = event.deed {
            let surely = generations
                .iter()
                .any(|it| it.from < event.began && event.ended < it.to);
            assert!(!surely, "{event}, though there was something all the time");
        }
    }
    let mut until = 0;
    for generation in generations.iter().filter(|it| it.from < it.to) {
        assert!(until <= generation.from, "two states at once");
        until = until.max(generation.to);
    }
    let alive: Vec<_> = lives
        .iter()
        .filter(|(_, life)| life.went.is_none())
        .collect();
    assert!(alive.len() <= 1, "{alive:?}");
    assert_eq!(alive.first().map(|(state, _)| **state), last);
}

/// Each state is made once, and given up once at most: so each acknowledged change counts once.
fn lives(events: &[Event]) -> HashMap<State, Life> {
    let mut lives = HashMap::new();
    for event in events {
        if let Deed::Changed { to: Some(to), .. } = event.deed {
            let life = Life {
                came: (event.began, event.ended),
                went: None,
            };
            assert!(lives.insert(to, life).is_none(), "{to} was made twice");
        }
    }
    for event in events {
        if let Deed::Changed {
            from: Some(from), ..
        } = event.deed
        {
            let life = lives.get_mut(&from).expect("a state that nobody made");
            let went = life.went.replace((event.began, event.ended));
            assert!(went.is_none(), "{from} was changed twice: {event}");
        }
    }
    lives
}

/// The times in which there surely was something.
fn generations(events: &[Event], lives: &HashMap<State, Life>) -> Vec<Generation> {
    let next: HashMap<_, _> = events
        .iter()
        .filter_map(|event| match event.deed {
            Deed::Changed {
                from: Some(from),
                to: Some(to),
            } => Some((from, to)),
            _ => None,
        })
        .collect();
    let mut generations: Vec<_> = lives
        .iter()
        .filter(|(state, _)| state.version == 1)
        .map(|(first, life)| {
            let mut last = first;
            while let Some(next) = next.get(last) {
                last = next;
            }
            let went = lives[last].went;
            Generation {
                from: life.came.1,
                to: went.map_or(u64::MAX, |went| went.0),
            }
        })
        .collect();
    generations.sort_by_key(|generation| generation.from);
    generations
}

async fn share<S: Storage>(processes: usize, millis: u64) {
    let place = Place::new();
    let children: Vec<_> = (0..processes)
        .map(|_| {
            child::<S>("makes history", &place.dir(), millis)
                .spawn()
                .unwrap()
        })
        .collect();
    let mut events: Vec<Event> = Vec::new();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        let text = String::from_utf8(output.stdout).unwrap();
        events.extend(text.lines().filter_map(Event::parse));
    }
    let store = S::open(&place.dir()).await;
    for key in 0..KEYS {
        let events: Vec<_> = events
            .iter()
            .filter(|event| event.key == key)
            .copied()
            .collect();
        let changes = events
            .iter()
            .filter(|event| matches!(event.deed, Deed::Changed { .. }));
        assert!(changes.count() > 5, "nothing happened");
        let last = store.load(&session_key(key)).await.unwrap();
        check(&events, last.map(|last| State::of(last.bytes())));
    }
    store.clear().await.unwrap();
    assert_eq!(S::leftovers(&place.dir()), [""; 0].map(PathBuf::from));
}

async fn two_processes_agree_on_what_happened<S: Storage>() {
    share::<S>(2, 700).await;
}

async fn eight_processes_agree_on_what_happened<S: Storage>() {
    share::<S>(8, 1000).await;
}

async fn eight_processes_agree_for_a_minute<S: Storage>() {
    share::<S>(8, 60_000).await;
}

on_each_storage!(
    two_processes_agree_on_what_happened,
    eight_processes_agree_on_what_happened,
    #[ignore = "takes a minute"]
    eight_processes_agree_for_a_minute,
);

/// The check itself: it has to see what is wrong.
mod check {
    use super::*;

    const A: State = State {
        version: 1,
        writer: 1,
        number: 1,
    };
    const B: State = State {
        version: 2,
        writer: 1,
        number: 2,
    };
    const C: State = State {
        version: 2,
        writer: 2,
        number: 1,
    };

    fn event(began: u64, ended: u64, deed: Deed) -> Event {
        Event {
            key: 0,
            began,
            ended,
            deed,
        }
    }

    fn changed(began: u64, ended: u64, from: Option<State>, to: Option<State>) -> Event {
        event(began, ended, Deed::Changed { from, to })
    }

    #[test]
    fn accepts_what_can_have_happened() {
        let events = [
            event(0, 1, Deed::Saw(None)),
            changed(2, 4, None, Some(A)),
            event(3, 4, Deed::Saw(None)),
            event(3, 5, Deed::Saw(Some(A))),
            changed(6, 8, Some(A), Some(B)),
            event(7, 8, Deed::Saw(Some(A))),
            changed(9, 10, Some(B), None),
            event(11, 12, Deed::Saw(None)),
        ];
        check(&events, None);
    }

    #[test]
    #[should_panic(expected = "changed twice")]
    fn sees_a_lost_update() {
        let first = changed(0, 1, None, Some(A));
        check(
            &[
                first,
                changed(2, 3, Some(A), Some(B)),
                changed(2, 3, Some(A), Some(C)),
            ],
            Some(C),
        );
    }

    #[test]
    #[should_panic(expected = "was gone")]
    fn sees_what_came_back() {
        let gone = [changed(0, 1, None, Some(A)), changed(2, 3, Some(A), None)];
        check(&[gone[0], gone[1], event(4, 5, Deed::Saw(Some(A)))], None);
    }

    #[test]
    #[should_panic(expected = "all the time")]
    fn sees_what_was_missing_for_a_moment() {
        let events = [
            changed(0, 1, None, Some(A)),
            event(2, 3, Deed::Saw(None)),
            changed(4, 5, Some(A), Some(B)),
        ];
        check(&events, Some(B));
    }

    #[test]
    #[should_panic(expected = "at once")]
    fn sees_a_creation_over_what_was_there() {
        let second = State { version: 1, ..B };
        let twice = [
            changed(0, 1, None, Some(A)),
            changed(2, 3, None, Some(second)),
        ];
        check(
            &[twice[0], twice[1], changed(5, 6, Some(A), None)],
            Some(second),
        );
    }

    #[test]
    #[should_panic(expected = "left == right")]
    fn sees_a_write_that_is_gone_in_the_end() {
        check(&[changed(0, 1, None, Some(A))], None);
    }
}
