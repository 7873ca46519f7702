//! Cookies that no browser sends: rules 4, 48 and 49. After each one, what the storage holds and what
//! lies beside it is as it was, to the byte, and no page has failed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use duck::http::{Body, Connection, HeaderValue};
use duck::testing::TestClient;
use duck_session::SessionMiddleware;

use crate::support::{id, read, settings, visit};

/// Every file and folder, and what is in it.
type Tree = BTreeMap<PathBuf, Vec<u8>>;

struct Storage {
    temp: tempfile::TempDir,
    client: TestClient,
}

impl Storage {
    /// A storage with one session in it, and folders beside it that nobody may touch.
    async fn new(name: &str) -> Self {
        let temp = tempfile::tempdir().unwrap();
        for precious in ["precious", "sessions-precious", "v1"] {
            std::fs::create_dir(temp.path().join(precious)).unwrap();
            std::fs::write(temp.path().join(precious).join("record"), "precious").unwrap();
        }
        let dir = temp.path().join("sessions");
        let on_disk = settings()
            .with("SESSION_STORAGE", name)
            .with("SESSION_DIR", dir.to_str().unwrap());
        let client = visit(on_disk, SessionMiddleware::new(), []).await;
        read(&client, "/login/7").await;
        read(&client, "/user").await; // a file storage notes that the cookie came back
        Self { temp, client }
    }

    fn tree(&self) -> Tree {
        let mut tree = Tree::new();
        walk(self.temp.path(), &mut tree);
        tree
    }

    async fn ask(&self, path: &str, cookie: &HeaderValue) -> u16 {
        let mut request = http::Request::new(Body::empty());
        *request.uri_mut() = path.parse().unwrap();
        request.headers_mut().insert("cookie", cookie.clone());
        let site = self.client.site();
        let response = site.respond(request, Connection::default()).await;
        response.status().as_u16()
    }
}

fn walk(dir: &Path, tree: &mut Tree) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        // Empty files that are locked; and what SQLite keeps for those who have a file open.
        let name = path.to_string_lossy();
        if name.contains("/v1/locks/") || name.ends_with("-shm") {
            continue;
        }
        if path.is_dir() {
            tree.insert(path.clone(), Vec::new());
            walk(&path, tree);
        } else {
            tree.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
}

async fn nothing_does_any_harm(name: &str) {
    let storage = Storage::new(name).await;
    let before = storage.tree();
    let mut sent = 0;
    for headers in hostile_headers(storage.temp.path(), &before) {
        for header in &headers {
            let shown = String::from_utf8_lossy(&header[..header.len().min(80)]);
            let Ok(cookie) = HeaderValue::from_bytes(header) else {
                let control = |byte: &u8| (*byte < 0x20 && *byte != b'\t') || *byte == 0x7f;
                assert!(header.iter().any(control), "{shown}");
                continue; // no such header can come in
            };
            for path in ["/user", "/get/a", "/logout", "/cycle", "/clear"] {
                assert_eq!(storage.ask(path, &cookie).await, 200, "{path} {shown}");
            }
            sent += 1;
        }
        let shown = String::from_utf8_lossy(&headers[0][..headers[0].len().min(80)]);
        assert!(storage.tree() == before, "something changed: {shown}");
    }
    assert!(sent > 200, "{sent}");
    // Beside any of it, the visitor's own cookie leads where it leads.
    let own = format!("session_id={}", id(&storage.client));
    for value in values(storage.temp.path(), &before) {
        for pairs in [
            format!("session_id={value}; {own}"),
            format!("{own}; session_id={value}"),
        ] {
            let Ok(cookie) = HeaderValue::from_bytes(pairs.as_bytes()) else {
                continue;
            };
            let request = storage.client.another();
            let response = request
                .get("/user")
                .header("cookie", cookie.to_str().unwrap_or(&own));
            assert_eq!(response.await.text(), "7", "{pairs}");
        }
    }
    assert!(storage.tree() == before);
}

#[tokio::test]
async fn no_cookie_a_client_can_send_does_any_harm_to_folders() {
    nothing_does_any_harm("KeyAsFolderCache").await;
}

#[cfg(feature = "dynamic-file")]
#[tokio::test]
async fn no_cookie_a_client_can_send_does_any_harm_to_shards() {
    nothing_does_any_harm("DynamicFileCache").await;
}

/// Values for the cookie; among them every name that the storage has given to something.
fn values(beside: &Path, tree: &Tree) -> Vec<String> {
    let good = "A".repeat(43);
    let precious = beside.join("precious");
    let mut values: Vec<String> = [
        ".",
        "..",
        "../x",
        "../precious",
        "../../precious",
        "../sessions-precious",
        "../v1",
        "/",
        "//",
        "~",
        "*",
        "?",
        precious.to_str().unwrap(),
        "C:\\x",
        "\\\\server\\share",
        "CON",
        "NUL",
        "aux.txt",
        "%2e%2e%2f",
        "%252e%252e%252f",
        "..%c0%af",
        "%00",
        "\0",
        "a\0b",
        "a\r\nSet-Cookie: a=b",
        "a\nb",
        "\t",
        "\u{7f}",
        "x",
        "дак",
        "\u{202e}",
        "\u{feff}",
        "💥",
        "\"quoted\"",
        "\"",
        "'",
        "",
        " ",
        "=",
        "==",
        "a=b",
        ",",
        "' OR 1=1 --",
        "'; DROP TABLE entries; --",
        "1 UNION SELECT value FROM entries",
        "*1\\r\\n$8\\r\\nFLUSHALL\\r\\n",
        "*1\r\n$8\r\nFLUSHALL\r\n",
        "EVAL \"return 1\" 0",
        "${jndi:ldap://a}",
        "{{7*7}}",
        "<script>",
        "null",
        "[]",
        "{\"a\":1}",
        "__proto__",
        "-1",
        "0",
        "1e999",
    ]
    .map(str::to_owned)
    .into();
    values.extend([
        good[..42].to_owned(),
        format!("{good}A"),
        format!("{}B", &good[..42]), // not the canonical spelling of its last bits
        format!("{}/", &good[..42]),
        format!("{}=", &good[..42]),
        format!("\"{good}\""),
        format!("{good},{good}"),
        format!(" {good} {good}"),
        format!("{good}\0"),
        "x".repeat(5 << 10),
        "A".repeat(64 << 10),
        "0".repeat(64),
    ]);
    // Not of each bucket: they are all alike.
    for path in tree
        .keys()
        .filter(|path| path.file_name().unwrap().len() > 2)
    {
        values.push(path.to_str().unwrap().to_owned());
        values.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    values
}

/// Whole headers, those of one value together: alone, beside an id that leads nowhere, and in odd
/// spellings.
fn hostile_headers(beside: &Path, tree: &Tree) -> Vec<Vec<Vec<u8>>> {
    let good = "A".repeat(43);
    let of_value = |value: String| {
        let headers = [
            format!("session_id={value}"),
            format!("session_id={value}; session_id={good}"),
            format!("session_id={good}; session_id={value}"),
            format!("session_id = {value}"),
            value,
        ];
        headers.map(String::into_bytes).into()
    };
    let mut all: Vec<Vec<Vec<u8>>> = values(beside, tree).into_iter().map(of_value).collect();
    let mut headers = Vec::new();
    headers.push(b"session_id=\xff\xfe\xc0\xae".to_vec());
    headers.push(b"session_id=\xc0\xaf..\xc0\xaf..".to_vec()); // slashes, overlong
    headers.push(b"\xff=\xff; session_id=\x80".to_vec());
    let many = |pair: &dyn Fn(usize) -> String| (0..500).map(pair).collect::<Vec<_>>().join("; ");
    headers.push(many(&|n| format!("c{n}=v")).into_bytes());
    headers.push(many(&|n| format!("session_id={n:0>42}A")).into_bytes());
    headers.push(many(&|n| format!("session_id={n}")).into_bytes());
    headers.push(many(&|_| "session_id".to_owned()).into_bytes());
    headers.push(vec![b';'; 64 << 10]);
    headers.push(vec![b'='; 64 << 10]);
    all.extend(headers.into_iter().map(|header| vec![header]));
    all
}
