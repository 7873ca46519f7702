//! Views that do all there is to a session, with a user and values that nobody else may see.

use std::collections::BTreeMap;
use std::time::Duration;

use duck::session::SessionError;
use duck::{Error, Request, Response, Result, UrlPattern, text};

use crate::say;
use crate::support::page;

/// The texts that are in nothing but the sessions: if one of them is anywhere else, it came from there.
pub(crate) const SECRETS: [&str; 4] = [
    "grace.hopper@navy",
    "chartreuse-4111-2222",
    "vermilion-37",
    "a key of the site for secrecy, 32 bytes and more",
];

pub(crate) const USER: &str = SECRETS[0];
pub(crate) const VALUE: &str = SECRETS[1];
pub(crate) const HASH: &str = SECRETS[2];
pub(crate) const KEY: &str = SECRETS[3];

/// Says what an error says to whoever prints it.
fn print<T>(result: std::result::Result<T, SessionError>) {
    let error = result.err().unwrap();
    say(format!("{error} {error:?}"));
    say(Error::from(error).chain());
}

pub(crate) fn urls() -> Vec<UrlPattern> {
    let mut pages = doing();
    pages.extend(failing());
    pages
}

/// The paths of all views, in an order in which each has something to do.
pub(crate) const PATHS: [&str; 21] = [
    "/s/set",
    "/s/look",
    "/s/login",
    "/s/look",
    "/s/nested",
    "/s/flash",
    "/s/struct",
    "/s/wrong",
    "/s/cycle",
    "/s/expiry",
    "/s/large",
    "/s/reserved",
    "/s/panic",
    "/s/fail",
    "/s/cookie",
    "/s/others",
    "/s/clear",
    "/s/set",
    "/s/user",
    "/s/logout",
    "/s/look",
];

fn doing() -> Vec<UrlPattern> {
    vec![
        page("/s/set", async |request: Request| {
            request.session.set("card", VALUE).await?;
            Ok(text(""))
        }),
        page("/s/look", async |request: Request| {
            let session = &request.session;
            session.get::<String>("card").await?;
            session.user().await?;
            let lent = session.get_mut::<String>("card").await?.is_some();
            say(format!(
                "{request:?} {session:?} {lent} {:?}",
                session.visitor()
            ));
            Ok(text(""))
        }),
        page("/s/login", async |request: Request| {
            request.session.login(USER).await?;
            Ok(text(""))
        }),
        page("/s/nested", async |request: Request| {
            let list = |list: &mut Vec<String>| list.push(VALUE.into());
            request.session.update("list", list).await?;
            if let Some(mut list) = request.session.get_mut::<Vec<String>>("list").await? {
                list.push(VALUE.into());
            }
            request.session.save().await?;
            Ok(text(""))
        }),
        page("/s/flash", async |request: Request| {
            request
                .session
                .flash(duck::session::FlashLevel::Info, VALUE)
                .await?;
            request.session.flashes().await?;
            Ok(text(""))
        }),
        page("/s/struct", async |request: Request| {
            let fields = BTreeMap::from([("card", VALUE), ("colour", VALUE)]);
            request.session.set_struct(&fields).await?;
            request.session.to_struct::<serde_json::Value>().await?;
            Ok(text(""))
        }),
        page("/s/cycle", async |request: Request| {
            request.session.cycle_id().await?;
            Ok(text(""))
        }),
        page("/s/expiry", async |request: Request| {
            request.session.set_expiry(Duration::from_mins(10)).await?;
            Ok(text(""))
        }),
        page("/s/clear", async |request: Request| {
            request.session.clear().await?;
            Ok(text(""))
        }),
        page("/s/others", async |request: Request| {
            say(format!("{:?}", request.session.sessions().await));
            request.session.revoke_others().await.unwrap_or_default();
            Ok(text(""))
        }),
        page("/s/user", async |request: Request| {
            request.session.revoke_user(USER).await.unwrap_or_default();
            Ok(text(""))
        }),
        page("/s/logout", async |request: Request| {
            request.session.logout().await?;
            Ok(text(""))
        }),
    ]
}

fn failing() -> Vec<UrlPattern> {
    vec![
        page("/s/wrong", async |request: Request| {
            let session = &request.session;
            print(session.get::<u8>("card").await);
            print(session.get::<Vec<u8>>("card").await);
            print(session.pop::<BTreeMap<String, u8>>("card").await);
            print(session.get_mut::<Colour>("card").await);
            print(session.update("card", |number: &mut u8| *number += 1).await);
            print(session.to_struct::<BTreeMap<String, u8>>().await);
            session.get::<u8>("card").await?;
            Ok(text("")) // not reached
        }),
        page("/s/large", async |request: Request| {
            let large = request.session.set("large", VALUE.repeat(10_000)).await;
            say(format!("{large:?}"));
            large?;
            Ok(text(""))
        }),
        page("/s/reserved", async |request: Request| {
            request.session.set("_duck.user", USER).await?;
            Ok(text(""))
        }),
        page("/s/panic", async |request: Request| {
            request.session.set("card", VALUE).await?;
            panic!("{:?} {:?}", request.session, request.session.visitor())
        }),
        page("/s/fail", async |request: Request| -> Result<Response> {
            request.session.set("card", VALUE).await?;
            Err(Error::internal("on purpose"))
        }),
        page("/s/cookie", async |request: Request| {
            request.session.set("seen", 1).await?;
            Ok(text("").with_cookie(("session_id", "mine"))?)
        }),
    ]
}

#[derive(serde::Serialize, serde::Deserialize)]
enum Colour {
    Green,
}
