//! Two requests of one visitor, and what is left when both are over.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use duck::session::SessionId;
use duck::testing::{TestClient, TestResponse};
use duck::{Request, Response, Result, path, text};
use duck_session::Clock;
use duck_session::store::SessionKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use crate::scheduler::{Order, Steps, actor};
use crate::store::{Event, Fault, Store, What};
use crate::support::{id, over, page, read, settings, visit, with_id};

/// `SESSION_COOKIE_AGE` of the site, in seconds; without a visit a session ends after half of it.
pub(crate) const AGE: i64 = 3600;

/// What one of the two does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Sets a value under this key: the number of the actor.
    Set(&'static str),
    /// Counts `n` up.
    Update,
    /// Changes nothing: the visit is noted.
    Visit,
    Cycle,
    Login(&'static str),
    Logout,
    /// User 7 ends this session by its name, from another one.
    RevokeOne,
    /// User 7 ends all sessions but another one.
    RevokeOthers,
    /// An administrator ends all sessions of user 7.
    RevokeUser,
    /// The session's time passes.
    Expire,
}

impl Act {
    pub(crate) fn is_write(self) -> bool {
        matches!(self, Self::Set(_) | Self::Update)
    }

    pub(crate) fn is_login(self) -> bool {
        matches!(self, Self::Login(_))
    }

    /// Whether it asks for another id.
    pub(crate) fn asks_for_id(self) -> bool {
        self.is_login() || self == Self::Cycle
    }

    pub(crate) fn revokes(self) -> bool {
        matches!(
            self,
            Self::RevokeOne | Self::RevokeOthers | Self::RevokeUser
        )
    }

    /// Whether it ends sessions.
    pub(crate) fn ends(self) -> bool {
        self.revokes() || matches!(self, Self::Logout | Self::Expire)
    }
}

/// How the session stands that the two come for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// Nobody is logged in.
    Anonymous,
    /// User 7 is.
    LoggedIn,
    /// Another id is due in time.
    Due,
    /// It has got another id, with which nobody has come yet. Actor 0 comes with the one before.
    Pending,
    /// Somebody has: the id before is good for another minute. Actor 0 comes with it.
    Grace,
}

impl Start {
    fn renews(self) -> bool {
        self == Self::Due || self.has_two_ids()
    }

    /// Whether the two come with different ids, both good.
    pub(crate) fn has_two_ids(self) -> bool {
        matches!(self, Self::Pending | Self::Grace)
    }

    /// Who is logged in.
    pub(crate) fn user(self) -> &'static str {
        if self == Self::Anonymous { "" } else { "7" }
    }
}

/// A race that is over.
pub(crate) struct Race {
    client: Arc<TestClient>,
    pub(crate) clock: Clock,
    pub(crate) store: Store,
    pub(crate) start: Start,
    pub(crate) acts: [Act; 2],
    pub(crate) fault: Option<Fault>,
    /// The ids that the actors came with, and the store's key for both.
    pub(crate) ids: [String; 2],
    pub(crate) key: SessionKey,
    /// The session that revokes this one.
    device: Option<String>,
    responses: Vec<Option<TestResponse>>,
    pub(crate) events: Vec<Event>,
    order: String,
}

/// What is in a session: under `user` who is logged in.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen(Map<String, Value>);

impl Seen {
    /// A value as text; empty where there is none.
    pub(crate) fn text(&self, key: &str) -> String {
        match self.0.get(key) {
            None => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// The session cookie of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sent {
    None,
    /// The id that the actor came with.
    Same,
    /// The same session under another id.
    Renewed(String),
    /// A session of its own.
    Begun(String),
    Removal,
}

/// Runs a race in every order there is, and looks at each end. Returns how many orders there were.
pub(crate) async fn every_order(
    steps: Steps,
    start: Start,
    acts: [Act; 2],
    fault: Option<Fault>,
    check: impl AsyncFn(&Race),
) -> usize {
    let store = Store::new(steps);
    let clock = Clock::manual();
    let client = site(&store, &clock, start).await;
    let mut orders = 0;
    let mut next = Some(Order::default());
    while let Some(mut order) = next {
        let race = run(&client, &store, &clock, (start, acts, fault), &mut order).await;
        check(&race).await;
        orders += 1;
        next = order.next();
    }
    orders
}

async fn site(store: &Store, clock: &Clock, start: Start) -> Arc<TestClient> {
    let mut settings = settings()
        .with("SESSION_STORAGE", "TestStore")
        .with("SESSION_COOKIE_AGE", AGE)
        .with("SESSION_IDLE_TIMEOUT", AGE / 2)
        // The scheduler's seconds are not the store's.
        .with("SESSION_STORE_TIMEOUT", "1 day");
    if start.renews() {
        settings = settings
            .with("SESSION_RENEWAL_INTERVAL", "5 min")
            .with("SESSION_RENEWAL_GRACE", "1 min");
    }
    let pages = [
        page("/all", async |request: Request| {
            let user = request.session.user().await?;
            let mut all: Seen = request.session.to_struct().await?;
            all.0
                .extend(user.map(|user| ("user".to_owned(), user.into())));
            Ok(text(serde_json::to_string(&all)?))
        }),
        page("/name", async |request: Request| {
            let sessions = request.session.sessions().await?;
            let name = sessions.into_iter().find(|session| !session.is_current);
            Ok(text(name.map_or_else(String::new, |session| session.name)))
        }),
        page("/revoke_others", async |request: Request| {
            Ok(text(request.session.revoke_others().await?.to_string()))
        }),
        page("/revoke_user", async |request: Request| {
            Ok(text(request.session.revoke_user("7").await?.to_string()))
        }),
        path("/revoke/<name>", revoke),
    ];
    Arc::new(visit(settings, over(store).clock(clock.clone()), pages).await)
}

async fn revoke(request: Request, name: String) -> Result<Response> {
    Ok(text(request.session.revoke(&name).await?.to_string()))
}

/// The ids that the two come with.
async fn begin(client: &TestClient, clock: &Clock, start: Start) -> [String; 2] {
    let visitor = client.another();
    if start != Start::Anonymous {
        read(&visitor, "/login/7").await;
    }
    read(&visitor, "/set/old/0").await;
    let old = id(&visitor);
    // A visit is due to be noted, and where ids change in time, another one is due.
    clock.advance(Duration::from_mins(10));
    if start.has_two_ids() {
        read(&visitor, "/user").await;
    }
    if start == Start::Grace {
        read(&visitor, "/user").await;
    }
    [old, id(&visitor)]
}

/// The id of another session of user 7, where it is to revoke the one that the two come for, and the name
/// of that one.
async fn other_device(
    client: &TestClient,
    store: &Store,
    acts: [Act; 2],
) -> (Option<String>, String) {
    if !acts.contains(&Act::RevokeOne) && !acts.contains(&Act::RevokeOthers) {
        return (None, String::new());
    }
    let device = client.another();
    read(&device, "/login/7").await;
    store.set_bystander(key_of(&id(&device)));
    let name = if acts.contains(&Act::RevokeOne) {
        read(&device, "/name").await
    } else {
        String::new()
    };
    (Some(id(&device)), name)
}

/// What the store knows a session by that has this id.
pub(crate) fn key_of(id: &str) -> SessionKey {
    let id = SessionId::parse(id.as_bytes()).unwrap();
    let hash = Sha256::new_with_prefix(b"duck session key").chain_update(id.selector());
    SessionKey::from_bytes(hash.finalize()[..16].try_into().unwrap())
}

async fn run(
    client: &Arc<TestClient>,
    store: &Store,
    clock: &Clock,
    (start, acts, fault): (Start, [Act; 2], Option<Fault>),
    order: &mut Order,
) -> Race {
    store.start();
    let ids = begin(client, clock, start).await;
    let [key] = store.keys()[..] else {
        panic!("there is one session")
    };
    let (device, name) = other_device(client, store, acts).await;
    if let Some(fault) = fault {
        store.set_fault(0, fault);
    }
    let actors = [0, 1].map(|actor| {
        let tab = with_id(client, &ids[actor]);
        let device = device
            .as_ref()
            .map_or_else(|| client.another(), |id| with_id(client, id));
        let (store, clock, name) = (store.clone(), clock.clone(), name.clone());
        let act = acts[actor];
        async move {
            match act {
                Act::Set(key) => Some(tab.get(&format!("/set/{key}/{actor}")).await),
                Act::Update => Some(tab.get("/add/n").await),
                Act::Visit => Some(tab.get("/get/old").await),
                Act::Cycle => Some(tab.get("/cycle").await),
                Act::Login(user) => Some(tab.get(&format!("/login/{user}")).await),
                Act::Logout => Some(tab.get("/logout").await),
                Act::RevokeOne => Some(device.get(&format!("/revoke/{name}")).await),
                Act::RevokeOthers => Some(device.get("/revoke_others").await),
                Act::RevokeUser => Some(device.get("/revoke_user").await),
                Act::Expire => {
                    store.scheduler.step().await;
                    clock.advance(Duration::from_secs(AGE.unsigned_abs()));
                    None
                }
            }
        }
    });
    let responses = store.scheduler.run(actors, order).await;
    assert_eq!(actor(), None);
    Race {
        client: client.clone(),
        clock: clock.clone(),
        store: store.clone(),
        start,
        acts,
        fault,
        ids,
        key,
        device,
        responses,
        events: store.events(),
        order: order.to_string(),
    }
}

impl Race {
    pub(crate) fn response(&self, actor: usize) -> Option<&TestResponse> {
        self.responses[actor].as_ref()
    }

    /// Whether an actor was told that all went well.
    pub(crate) fn is_acknowledged(&self, actor: usize) -> bool {
        self.response(actor)
            .is_none_or(|response| response.status() == 200)
    }

    /// The cookie that an actor got.
    pub(crate) fn sent(&self, actor: usize) -> Sent {
        let cookie = self
            .response(actor)
            .and_then(|response| response.set_cookies().pop());
        let Some(cookie) = cookie else {
            return Sent::None;
        };
        let (value, rest) = cookie
            .strip_prefix("session_id=")
            .and_then(|cookie| cookie.split_once(';'))
            .unwrap();
        match value.to_owned() {
            empty if empty.is_empty() => {
                assert!(rest.contains("Max-Age=0"), "{rest}");
                Sent::Removal
            }
            same if same == self.ids[actor] => Sent::Same,
            id if key_of(&id) == self.key => Sent::Renewed(id),
            id => Sent::Begun(id),
        }
    }

    /// What a visitor with this id sees now.
    pub(crate) async fn see(&self, id: &str) -> Seen {
        serde_json::from_str(&read(&self.tab(Some(id)), "/all").await).unwrap()
    }

    /// A browser with this cookie.
    pub(crate) fn tab(&self, id: Option<&str>) -> TestClient {
        match id {
            Some(id) => with_id(&self.client, id),
            None => self.client.another(),
        }
    }

    /// Where in the course of events an actor first did this to the session.
    pub(crate) fn first(&self, actor: usize, what: What) -> Option<usize> {
        self.events
            .iter()
            .position(|event| (event.actor, event.what, event.key) == (actor, what, self.key))
    }

    /// Where in the course of events an actor last did this to the session.
    pub(crate) fn last(&self, actor: usize, what: What) -> Option<usize> {
        self.events
            .iter()
            .rposition(|event| (event.actor, event.what, event.key) == (actor, what, self.key))
    }

    pub(crate) fn has_replaced(&self, actor: usize) -> bool {
        self.last(actor, What::Replaced).is_some()
    }

    /// Where in the course of events an actor gave the session the new id that it had asked for.
    pub(crate) fn new_id_asked(&self, actor: usize) -> Option<usize> {
        let asks = self.acts[actor].asks_for_id();
        self.last(actor, What::Replaced).filter(|_| asks)
    }

    /// Where in the course of events the session ended.
    pub(crate) fn end(&self) -> Option<usize> {
        let ends = |event: &Event| event.what == What::Removed && event.key == self.key;
        self.events.iter().position(ends)
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.store.version(&self.key).is_some() && !self.acts.contains(&Act::Expire)
    }

    /// Whether an actor came when this had already happened.
    pub(crate) fn is_late(&self, actor: usize, than: Option<usize>) -> bool {
        let loaded = self.first(actor, What::Loaded);
        loaded.zip(than).is_some_and(|(loaded, than)| loaded > than)
    }

    /// How many sessions there are besides that of the race and the one that revokes it.
    pub(crate) fn others(&self) -> usize {
        let device = self.device.as_deref().map(key_of);
        let is_other = |key: &SessionKey| *key != self.key && Some(*key) != device;
        self.store.keys().into_iter().filter(is_other).count()
    }
}

impl fmt::Display for Race {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {:?} {:?}", self.start, self.acts, self.fault)?;
        write!(f, " order {}: ", self.order)?;
        for event in &self.events {
            let key = if event.key == self.key {
                "it"
            } else {
                "another"
            };
            write!(f, "{} {:?} {key}, ", event.actor, event.what)?;
        }
        write!(f, "sent {:?} {:?}", self.sent(0), self.sent(1))
    }
}
