//! Responses made smaller on their way.

use std::io::Read;
use std::time::Duration;

use duck::http::{Body, Connection, stream};
use duck::middleware::{Compress, Compression};
use duck::testing::TestResponse;
use http_body_util::BodyExt;

use super::*;

const LONG: usize = 200_000;

fn words(length: usize) -> String {
    "abcdefghijklmnopqrstuvw"
        .chars()
        .cycle()
        .take(length)
        .collect()
}

/// A page whose headers are in its path: `/page/NAME=VALUE/…`.
async fn page(_request: Request, rest: String) -> Result<Response> {
    let mut page = html(words(5000));
    for header in rest.split('|').filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once('=').unwrap();
        page = page.with_header(name, value)?;
    }
    Ok(page)
}

async fn compressing(settings: &str) -> TestClient {
    let marked = async |_request: Request, mark: String| -> Result<Response> {
        let mut page = html(words(5000)).with_header("vary", "Cookie")?;
        page.extensions_mut().insert(match mark.as_str() {
            "always" => Compress::Always,
            _ => Compress::Never,
        });
        Ok(page)
    };
    let status = async |_request: Request, status: u16| {
        html(words(5000)).with_status(StatusCode::from_u16(status).unwrap())
    };
    let app = App::new(Settings::from_toml(settings).unwrap())
        .with(Compression::new())
        .urls([
            path("/page/<rest>", page),
            path("/short", async |_request: Request| html(words(1023))),
            path("/enough", async |_request: Request| html(words(1024))),
            path("/long", async |_request: Request| html(words(LONG))),
            path("/noise", async |_request: Request| {
                let noise = (0..5000).map(|_| uuid::Uuid::new_v4().into_bytes()[0]);
                html(noise.collect::<Vec<u8>>())
            }),
            path("/stream", async |_request: Request| {
                let pieces = (0..100).map(|_| Ok::<_, Error>(Bytes::from(words(1000))));
                stream("text/html", futures_util::stream::iter(pieces))
            }),
            path("/marked/<mark>", marked),
            path("/status/<status>", status),
            path("/fails", async |_request: Request| -> Result<String> {
                Err(Error::internal("as it has to"))
            }),
        ]);
    TestClient::start(app).await
}

/// What a client makes of a body.
fn decoded(answer: &TestResponse) -> Vec<u8> {
    let bytes = answer.bytes();
    let mut whole = Vec::new();
    match answer.header("content-encoding") {
        Some("gzip") => flate2::read::MultiGzDecoder::new(&bytes[..]).read_to_end(&mut whole),
        Some("br") => brotli::Decompressor::new(&bytes[..], 4096).read_to_end(&mut whole),
        Some(other) => panic!("{other}"),
        None => return bytes.to_vec(),
    }
    .unwrap();
    whole
}

async fn ask(site: &TestClient, path: &str) -> TestResponse {
    site.get(path).header("accept-encoding", "gzip, br").await
}

#[tokio::test]
async fn a_text_comes_smaller_and_is_the_same() {
    let site = compressing("").await;
    for (path, length) in [
        ("/page/|", 5000),
        ("/enough", 1024),
        ("/long", LONG),
        ("/stream", 100_000),
    ] {
        for coding in ["gzip", "br"] {
            let answer = site.get(path).header("accept-encoding", coding).await;
            assert_eq!(answer.header("content-encoding"), Some(coding), "{path}");
            assert_eq!(answer.header("vary"), Some("Accept-Encoding"));
            assert!(answer.bytes().len() < length / 4, "{path}");
            if let Some(named) = answer.header("content-length") {
                assert_eq!(named, answer.bytes().len().to_string());
            }
            assert_eq!(decoded(&answer).len(), length, "{path}");
        }
        let plain = site.get(path).await;
        assert_eq!(plain.header("content-encoding"), None);
        assert_eq!(
            plain.header("vary"),
            Some("Accept-Encoding"),
            "{path}: caches keep both"
        );
        assert_eq!(plain.bytes().len(), length);
        let compressed = ask(&site, path).await;
        assert_eq!(decoded(&compressed), plain.bytes().to_vec());
    }
}

#[tokio::test]
async fn what_is_small_or_does_not_become_smaller_is_sent_as_it_is() {
    let site = compressing("").await;
    for path in ["/short", "/noise"] {
        let answer = ask(&site, path).await;
        assert_eq!(answer.header("content-encoding"), None, "{path}");
    }
    let site = compressing("COMPRESS_MIN_BYTES = 500").await;
    assert_eq!(
        ask(&site, "/short").await.header("content-encoding"),
        Some("br")
    );
}

#[tokio::test]
async fn what_must_stay_as_it_is_stays() {
    let site = compressing("").await;
    for headers in [
        "content-encoding=gzip",
        "content-encoding=identity",
        "content-range=bytes 0-4999%2F9000",
        "cache-control=public, No-Transform",
        "content-type=image%2Fpng",
        "content-type=text%2Fevent-stream",
    ] {
        let answer = ask(&site, &format!("/page/{headers}").replace(' ', "%20")).await;
        assert_eq!(answer.status(), 200, "{headers}");
        assert_ne!(answer.header("content-encoding"), Some("br"), "{headers}");
        assert_eq!(answer.bytes().len(), 5000, "{headers}");
    }
    for status in [204, 205, 206, 304] {
        let answer = ask(&site, &format!("/status/{status}")).await;
        assert_eq!(answer.header("content-encoding"), None, "{status}");
    }
    for status in [404, 201, 500] {
        let answer = ask(&site, &format!("/status/{status}")).await;
        assert_eq!(answer.header("content-encoding"), Some("br"), "{status}");
    }
}

#[tokio::test]
async fn a_page_with_a_secret_is_left_alone_unless_the_site_asks() {
    let asked = compressing("COMPRESS_SESSION_PAGES = true").await;
    let site = compressing("").await;
    for headers in [
        "set-cookie=a",
        "vary=Cookie",
        "vary=Accept, cookie",
        "vary=*",
        "vary=Authorization",
    ] {
        let path = format!("/page/{headers}")
            .replace("=a", "=a%3D1")
            .replace(' ', "%20");
        let answer = ask(&site, &path).await;
        assert_eq!(answer.header("content-encoding"), None, "{headers}");
        assert_eq!(answer.bytes().len(), 5000);
        let answer = ask(&asked, &path).await;
        assert_eq!(answer.header("content-encoding"), Some("br"), "{headers}");
    }
    let answer = site
        .get("/page/|")
        .header("accept-encoding", "br")
        .header("authorization", "Basic YTpi")
        .await;
    assert_eq!(answer.header("content-encoding"), None);
    assert_eq!(
        ask(&site, "/marked/always")
            .await
            .header("content-encoding"),
        Some("br")
    );
    assert_eq!(
        ask(&asked, "/marked/never")
            .await
            .header("content-encoding"),
        None
    );
}

#[tokio::test]
async fn a_strong_tag_becomes_weak_and_a_304_repeats_it() {
    let site = compressing("").await;
    let answer = ask(&site, "/page/etag=%22one%22|accept-ranges=bytes").await;
    assert_eq!(answer.header("etag"), Some("W/\"one\""));
    assert_eq!(answer.header("accept-ranges"), None);
    let answer = ask(&site, "/page/etag=W%2F%22one%22").await;
    assert_eq!(answer.header("etag"), Some("W/\"one\""));
    let plain = site.get("/page/etag=%22one%22").await;
    assert_eq!(plain.header("etag"), Some("\"one\""));
}

#[tokio::test]
async fn files_are_compressed_once_and_ranges_of_them_never() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("site.css"), words(5000)).unwrap();
    std::fs::write(folder.path().join("large.css"), words(LONG)).unwrap();
    std::fs::write(folder.path().join("small.css"), words(5000)).unwrap();
    std::fs::write(folder.path().join("small.css.br"), "made before").unwrap();
    let past = std::time::SystemTime::now() - Duration::from_secs(60);
    for name in ["site.css", "small.css", "large.css"] {
        let file = std::fs::File::options()
            .append(true)
            .open(folder.path().join(name))
            .unwrap();
        file.set_modified(past).unwrap();
    }
    let settings = Settings::default().with("STATIC_DIR", folder.path());
    let app = App::new(settings)
        .with(StaticFiles::new())
        .with(Compression::new());
    let site = TestClient::start(app).await;

    let before = ask(&site, "/static/small.css").await;
    assert_eq!(
        (before.header("content-encoding"), before.text()),
        (Some("br"), "made before")
    );

    for path in ["/static/site.css", "/static/large.css"] {
        let answer = ask(&site, path).await;
        assert_eq!(answer.header("content-encoding"), Some("br"));
        assert_eq!(decoded(&answer), site.get(path).await.bytes().to_vec());
        let tag = answer.header("etag").unwrap().to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let again = site
            .get(path)
            .header("accept-encoding", "br")
            .header("if-none-match", &tag)
            .await;
        assert_eq!(
            (again.status().as_u16(), again.header("etag")),
            (304, Some(tag.as_str()))
        );
        assert!(again.bytes().is_empty());
        let piece = site
            .get(path)
            .header("accept-encoding", "br")
            .header("range", "bytes=0-1999")
            .await;
        assert_eq!((piece.status().as_u16(), piece.bytes().len()), (206, 2000));
        assert_eq!(piece.header("content-encoding"), None);
        // The part of what was compressed would be one of something else.
        let piece = site
            .get(path)
            .header("range", "bytes=0-1999")
            .header("if-range", &tag)
            .await;
        assert_eq!(piece.status(), 200);

        let head = site.head(path).header("accept-encoding", "br").await;
        assert_eq!(head.header("content-encoding"), Some("br"));
        assert_eq!(head.header("etag"), Some(tag.as_str()));
        assert_eq!(
            head.header("content-length"),
            None,
            "nobody has compressed it"
        );
        let head = site.head(path).await;
        assert!(head.header("content-length").is_some());
    }
}

#[tokio::test]
async fn the_head_of_a_page_is_the_head_of_its_get() {
    let site = compressing("").await;
    let (get, head) = (
        ask(&site, "/page/|").await,
        site.head("/page/|")
            .header("accept-encoding", "gzip, br")
            .await,
    );
    assert!(head.bytes().is_empty());
    for name in ["content-encoding", "content-length", "vary", "content-type"] {
        let length = get.bytes().len().to_string();
        let expected = get
            .header(name)
            .or((name == "content-length").then_some(&length));
        assert_eq!(head.header(name), expected, "{name}");
    }
}

#[tokio::test]
async fn a_stream_is_on_its_way_piece_by_piece() {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(1);
    let receiver = std::sync::Mutex::new(Some(receiver));
    let view = move |_request: Request| {
        let receiver = receiver.lock().unwrap().take().unwrap();
        let pieces = futures_util::stream::unfold(receiver, async |mut receiver| {
            receiver
                .recv()
                .await
                .map(|piece| (Ok::<_, Error>(piece), receiver))
        });
        std::future::ready(stream("text/html", pieces))
    };
    let app = App::new(Settings::default())
        .with(Compression::new())
        .urls([path("/", view)]);
    let site = app.start().await.unwrap();
    let request = http::Request::get("/")
        .header("host", "a")
        .header("accept-encoding", "gzip");
    let request = request.body(Body::empty()).unwrap();
    let mut response = site.respond(request, Connection::default()).await;
    assert_eq!(response.headers()["content-encoding"], "gzip");
    let mut body = response.take_body();
    let mut came = Vec::new();
    for piece in ["first", "second", "third"] {
        sender.send(Bytes::from(piece)).await.unwrap();
        let frame = tokio::time::timeout(Duration::from_secs(10), body.frame());
        let frame = frame
            .await
            .expect("it does not wait for more")
            .unwrap()
            .unwrap();
        came.extend_from_slice(&frame.into_data().unwrap());
        let mut text = [0; 100];
        let mut decoder = flate2::read::GzDecoder::new(&came[..]);
        let mut length = 0;
        while let Ok(read @ 1..) = decoder.read(&mut text[length..]) {
            length += read;
        }
        assert!(text[..length].ends_with(piece.as_bytes()), "{piece}");
    }
    drop(sender);
    let rest = body.collect().await.unwrap().to_bytes();
    came.extend_from_slice(&rest);
    let mut text = String::new();
    flate2::read::GzDecoder::new(&came[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(text, "firstsecondthird");
}

#[tokio::test]
async fn a_stream_that_breaks_off_breaks_off_for_the_client_too() {
    let view = async |_request: Request| {
        let pieces = [
            Ok(Bytes::from(words(5000))),
            Err(Error::internal("as it has to")),
        ];
        stream("text/html", futures_util::stream::iter(pieces))
    };
    let short = async |_request: Request| {
        let pieces = futures_util::stream::iter([Ok::<_, Error>(Bytes::from(words(5000)))]);
        stream("text/html", pieces).with_header("content-length", "6000")
    };
    let app = App::new(Settings::default())
        .with(Compression::new())
        .urls([path("/", view), path("/short", short)]);
    let site = TestClient::start(app).await;
    for path in ["/", "/short"] {
        assert!(ask(&site, path).await.body().is_err(), "{path}");
    }
}

#[tokio::test]
async fn an_error_page_is_compressed_like_any_other() {
    let app = App::new(Settings::default().with("DEBUG", true)).with(Compression::new());
    let site = TestClient::start(app).await;
    let page = site
        .get("/missing")
        .header("accept", "text/html")
        .header("accept-encoding", "br")
        .await;
    assert_eq!(
        (page.status().as_u16(), page.header("content-encoding")),
        (404, Some("br"))
    );
    assert!(
        String::from_utf8(decoded(&page))
            .unwrap()
            .contains("404 Not Found")
    );
}
