//! Ids that were given up in time and come again: `SESSION_ON_REPLAY`, the grace, and whoever can read the
//! storage.

use std::time::Duration;

use aes_gcm_siv::aead::{Aead, KeyInit};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};
use data_encoding::BASE64URL_NOPAD;
use duck::testing::TestClient;
use duck::{Settings, UrlPattern, text};
use duck_session::Clock;
use hkdf::Hkdf;
use sha2::Sha256;

use crate::log::Log;
use crate::support::{Gate, ScriptedStore, id, over, page_with, read, settings, visit, with_id};

const HOUR: Duration = Duration::from_secs(3600);
const GRACE: Duration = Duration::from_secs(30);

fn renewing() -> Settings {
    settings()
        .with("SESSION_STORAGE", "TestStore")
        .with("SESSION_RENEWAL_INTERVAL", "1 hour")
}

struct Site {
    client: TestClient,
    store: ScriptedStore,
    clock: Clock,
}

impl Site {
    async fn new(settings: Settings, more: impl IntoIterator<Item = UrlPattern>) -> Self {
        let (store, clock) = (ScriptedStore::default(), Clock::manual());
        let client = visit(settings, over(&store).clock(clock.clone()), more).await;
        read(&client, "/login/7").await;
        Self {
            client,
            store,
            clock,
        }
    }

    /// Gives the session another id in time, and returns a visitor with the one before. Its grace begins.
    async fn renewed(&self) -> TestClient {
        let old = with_id(&self.client, &id(&self.client));
        self.clock.advance(HOUR);
        for _ in 0..2 {
            assert_eq!(read(&self.client, "/user").await, "7");
        }
        assert_ne!(id(&self.client), id(&old));
        old
    }
}

#[tokio::test]
async fn an_id_that_comes_after_its_grace_is_said_and_ends_the_session_where_the_site_wants_it() {
    for (on_replay, user) in [("ignore", "7"), ("end", "nobody")] {
        let site = Site::new(renewing().with("SESSION_ON_REPLAY", on_replay), []).await;
        let old = site.renewed().await;
        site.clock.advance(GRACE);
        let log = Log::default();
        let _guard = tracing::subscriber::set_default(log.clone());
        let answer = old.get("/user").await;
        assert_eq!(answer.text(), "nobody", "{on_replay}");
        assert_eq!(answer.set_cookies(), [""; 0], "{on_replay}");
        let heard = log.entries("duck_session ");
        assert!(heard.contains("replayed_old_id"), "{heard}");
        assert_eq!(read(&site.client, "/user").await, user, "{on_replay}");
    }
}

/// The last eight are known for as long as the session lives.
#[tokio::test]
async fn a_thief_who_waits_is_known_by_an_id_of_seven_renewals_ago() {
    let site = Site::new(renewing().with("SESSION_ON_REPLAY", "end"), []).await;
    let first = site.renewed().await;
    for _ in 0..7 {
        site.renewed().await;
    }
    read(&first, "/user").await;
    assert_eq!(site.store.len(), 0, "the session has ended");
}

/// A login or `cycle_id` begins the list anew: an id from before it may be in a tab that was left open.
#[tokio::test]
async fn an_id_of_before_a_login_is_no_replay() {
    for asked in ["/login/7", "/cycle"] {
        let site = Site::new(renewing().with("SESSION_ON_REPLAY", "end"), []).await;
        let (old, current) = (site.renewed().await, id(&site.client));
        site.clock.advance(GRACE);
        read(&site.client, asked).await;
        site.clock.advance(GRACE);
        for id in [id(&old), current] {
            read(&with_id(&site.client, &id), "/user").await;
        }
        assert_eq!(read(&site.client, "/user").await, "7", "{asked}");
    }
}

/// A page that takes its time before it asks for the session: a slow upload.
fn slow(gate: &Gate) -> UrlPattern {
    page_with("/slow", gate, async |request, gate| {
        gate.pass().await;
        let user = request.session.user().await?;
        request.session.set("slow", 1).await?;
        Ok(text(user.unwrap_or_else(|| "nobody".into())))
    })
}

#[tokio::test]
async fn grace_and_replay_are_judged_by_when_the_head_arrived() {
    for others_visit in [false, true] {
        let gate = Gate::new();
        let strict = renewing().with("SESSION_ON_REPLAY", "end");
        let site = Site::new(strict, [slow(&gate)]).await;
        let old = site.renewed().await;
        site.clock.advance(GRACE * 99 / 100);
        let answer = gate
            .beside(old.get("/slow"), async {
                site.clock.advance(HOUR / 2);
                if others_visit {
                    read(&site.client, "/user").await; // for others the grace is over by then
                }
            })
            .await;
        assert_eq!(answer.text(), "7");
        if others_visit {
            assert_eq!(answer.set_cookies(), [""; 0], "nobody knows the new id");
        }
        assert_eq!(read(&site.client, "/user").await, "7", "it is no replay");
        assert_eq!(read(&site.client, "/get/slow").await, "1");
    }
}

/// The verifier that an id leads to, for somebody who has it, the stored session and `SECRET_KEY`: without
/// `SESSION_ENCRYPT` what the seal holds is readable as it is.
fn unwrapped(old: &str, stored: &[u8]) -> Option<Vec<u8>> {
    let id = BASE64URL_NOPAD.decode(old.as_bytes()).unwrap();
    let (selector, verifier) = id.split_at(16);
    let mut key = [0; 32];
    let derive = Hkdf::<Sha256>::new(Some(selector), verifier);
    derive
        .expand(b"duck-session next verifier", &mut key)
        .unwrap();
    let cipher = Aes256GcmSiv::new(&Key::<Aes256GcmSiv>::from(key));
    stored.windows(12 + 16 + 16).find_map(|sealed| {
        let (nonce, sealed) = sealed.split_first_chunk().unwrap();
        cipher.decrypt(&Nonce::from(*nonce), sealed).ok()
    })
}

#[tokio::test]
async fn who_reads_the_storage_cannot_make_the_current_id_from_an_old_one_after_its_grace() {
    let site = Site::new(renewing().with("SESSION_ENCRYPT", false), []).await;
    let old = id(&site.renewed().await);
    let current = BASE64URL_NOPAD.decode(id(&site.client).as_bytes()).unwrap();
    let found = unwrapped(&old, site.store.only().bytes());
    assert_eq!(
        found.as_deref(),
        Some(&current[16..]),
        "in grace it can be sent again"
    );
    site.clock.advance(GRACE);
    read(&site.client, "/user").await;
    assert_eq!(unwrapped(&old, site.store.only().bytes()), None);

    let before = id(&site.client);
    read(&site.client, "/login/7").await;
    for old in [old, before] {
        assert_eq!(
            unwrapped(&old, site.store.only().bytes()),
            None,
            "no grace after a login"
        );
    }
}
