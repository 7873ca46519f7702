//! What shared caches are told: rules 51 to 53.

use duck::http::stream;
use duck::session::SessionError;
use duck::testing::TestResponse;
use duck::{Error, Request, StatusCode, UrlPattern, path, text};
use futures_util::{StreamExt, stream as streams};

use crate::support::{page, read, scripted};

fn shared(path: &str) -> [UrlPattern; 2] {
    let public = |response: duck::Response| {
        response
            .with_header("cache-control", "public, max-age=2592000, s-maxage=9")?
            .with_header("vary", "Accept-Encoding")
    };
    [
        page(
            &format!("{path}/sets"),
            move |request: Request| async move {
                request.session.set("a", 1).await?;
                Ok(public(text("mine"))?)
            },
        ),
        page(
            &format!("{path}/reads"),
            move |request: Request| async move {
                request.session.get::<u8>("a").await?;
                Ok(public(text("mine"))?)
            },
        ),
    ]
}

fn all(response: &TestResponse, name: &str) -> Vec<String> {
    let values = response.headers().get_all(name).iter();
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_response_with_the_cookie_is_not_cacheable() {
    let (client, _) = scripted(shared("/public")).await;
    let response = client.get("/public/sets").await;
    assert_eq!(response.set_cookies().len(), 1);
    assert_eq!(all(&response, "cache-control"), ["no-store"]);
    assert_eq!(all(&response, "vary"), ["Accept-Encoding", "Cookie"]);
    let response = client.get("/logout").await;
    assert!(response.set_cookies()[0].contains("Max-Age=0"));
    assert_eq!(all(&response, "cache-control"), ["no-store"]);
}

/// Its head leaves before anybody knows whether it asks.
#[tokio::test]
async fn a_stream_that_may_still_ask_varies() {
    let (client, _) = scripted([
        page("/asks-late", async |request: Request| {
            let said = streams::once(async move {
                let name: Option<String> = request.session.get("name").await?;
                Ok::<_, SessionError>(name.unwrap_or_else(|| "nobody".to_owned()).into())
            });
            Ok(stream("text/plain", said.boxed()))
        }),
        page("/never-asks", async |_| {
            let said = streams::once(async { Ok::<_, SessionError>("all the same".into()) });
            Ok(stream("text/plain", said.boxed()))
        }),
        page("/keeps-it-for-a-task", async |request: Request| {
            tokio::spawn(async move {
                tokio::task::yield_now().await;
                request.session.get::<u8>("a").await
            });
            Ok(text("all the same"))
        }),
    ])
    .await;
    let response = client.get("/asks-late").await;
    assert_eq!(all(&response, "vary"), ["Cookie"]);
    assert_eq!(response.text(), "nobody");
    for page in ["/never-asks", "/keeps-it-for-a-task"] {
        assert_eq!(all(&client.get(page).await, "vary"), [""; 0], "{page}");
    }
}

#[tokio::test]
async fn a_page_that_only_reads_keeps_its_caching_and_varies() {
    let (client, _) = scripted(shared("/public")).await;
    read(&client, "/public/sets").await;
    let response = client.get("/public/reads").await;
    assert_eq!(response.set_cookies(), [""; 0]);
    assert_eq!(
        all(&response, "cache-control"),
        ["public, max-age=2592000, s-maxage=9"]
    );
    assert_eq!(all(&response, "vary"), ["Accept-Encoding", "Cookie"]);
}

#[tokio::test]
async fn every_status_varies_once_the_session_was_asked_for() {
    let (client, _) = scripted([
        path("/status/<status>", async |request: Request, status: u16| {
            request.session.get::<u8>("a").await?;
            Ok::<_, Error>(text("").with_status(StatusCode::from_u16(status)?))
        }),
        page("/error", async |request: Request| {
            request.session.get::<u8>("a").await?;
            Err(Error::not_found("on purpose"))
        }),
        page("/panic", async |request: Request| {
            request.session.get::<u8>("a").await?;
            panic!("on purpose")
        }),
    ])
    .await;
    let by_accept = ["Cookie", "Accept"];
    for (path, varies) in [
        ("/status/200", &by_accept[..1]),
        ("/status/302", &by_accept[..1]),
        ("/status/304", &by_accept[..1]),
        ("/status/404", &by_accept[..1]),
        ("/status/500", &by_accept[..1]),
        ("/error", &by_accept),
        ("/panic", &by_accept),
    ] {
        let response = client.get(path).await;
        assert_eq!(all(&response, "vary"), varies, "{path}");
        assert_eq!(response.header("cache-control"), None, "{path}");
    }
}

#[tokio::test]
async fn a_vary_that_says_it_already_is_left_alone() {
    for vary in ["Cookie", "accept, COOKIE", "*", "Accept-Encoding,cookie ,x"] {
        let (client, _) = scripted([page("/vary", move |request: Request| async move {
            request.session.get::<u8>("a").await?;
            Ok(text("").with_header("vary", vary)?)
        })])
        .await;
        assert_eq!(all(&client.get("/vary").await, "vary"), [vary]);
    }
    let (client, _) = scripted([page("/vary", async |request: Request| {
        request.session.get::<u8>("a").await?;
        Ok(text("").with_header("vary", "X-Cookie")?)
    })])
    .await;
    let response = client.get("/vary").await;
    assert_eq!(all(&response, "vary"), ["X-Cookie", "Cookie"]);
}

#[tokio::test]
async fn a_page_of_somebody_who_is_logged_in_is_private_unless_the_view_says_otherwise() {
    let (client, _) = scripted([
        page("/mine", async |request: Request| {
            request.session.get::<u8>("a").await?;
            Ok(text("mine"))
        }),
        page("/anybodys", async |_| Ok(text("all the same"))),
        page("/public", async |request: Request| {
            request.session.get::<u8>("a").await?;
            Ok(text("").with_header("cache-control", "public, max-age=60")?)
        }),
        page("/gone", async |request: Request| {
            request.session.get::<u8>("a").await?;
            Err(Error::not_found("no such thing"))
        }),
    ])
    .await;
    let none: [String; 0] = [];
    assert_eq!(all(&client.get("/mine").await, "cache-control"), none);
    client.get("/login/ada").await;
    for (path, says) in [
        ("/mine", &["private"][..]),
        ("/gone", &["private"]),
        ("/public", &["public, max-age=60"]),
        ("/anybodys", &[]),
    ] {
        assert_eq!(
            all(&client.get(path).await, "cache-control"),
            says,
            "{path}"
        );
    }
    let mine = client.get("/mine").await;
    assert_eq!(all(&mine, "vary"), ["Cookie"]);
    assert_eq!(
        all(&client.get("/logout").await, "cache-control"),
        ["no-store"]
    );
    assert_eq!(all(&client.get("/mine").await, "cache-control"), none);
}
