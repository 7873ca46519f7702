//! Whom a site takes for its visitor behind proxies, and who may say so.

use duck::http::{Body, Connection};
use duck::prelude::*;
use duck::testing::TestClient;
use http_body_util::BodyExt;

/// What a site with these settings sees of a request: the address, whether it is encrypted, the host.
struct Site(TestClient);

impl Site {
    async fn new(settings: &str) -> Self {
        let view = async |request: Request| {
            let ip = request.client_ip().map(|ip| ip.to_string());
            let host = request.host().unwrap_or_default();
            format!("{} {} {host}", ip.unwrap_or_default(), request.is_secure())
        };
        let settings = Settings::from_toml(settings).expect("settings");
        Self(TestClient::start(App::new(settings).urls([path("/", view)])).await)
    }

    async fn behind_tens() -> Self {
        Self::new("TRUSTED_PROXIES = ['10.0.0.0/8', 'fd00::/8']").await
    }

    /// `peer` is `unix` for a Unix socket.
    async fn sees(&self, peer: &str, headers: &[(&str, &str)]) -> String {
        let mut request = http::Request::builder().uri("/").header("host", "own");
        for (name, value) in headers {
            let bytes: Vec<u8> = value
                .chars()
                .map(|c| u8::try_from(c).expect("Latin"))
                .collect();
            request = request.header(
                *name,
                http::HeaderValue::from_bytes(&bytes).expect("a value"),
            );
        }
        let connection = Connection {
            peer: (peer != "unix").then(|| peer.parse().expect("an address")),
            secure: false,
        };
        let request = request.body(Body::empty()).expect("a request");
        let mut response = self.0.site().respond(request, connection).await;
        let body = response
            .take_body()
            .collect()
            .await
            .expect("a body")
            .to_bytes();
        String::from_utf8_lossy(&body).into_owned()
    }

    /// What it sees behind one trusted proxy that sends one header.
    async fn told(&self, name: &str, value: &str) -> String {
        self.sees("10.0.0.1:9", &[(name, value)]).await
    }
}

#[tokio::test]
async fn an_address_is_read_in_every_spelling_of_proxies() {
    let site = Site::behind_tens().await;
    for (written, address) in [
        ("203.0.113.7", "203.0.113.7"),
        ("203.0.113.7:4711", "203.0.113.7"),
        (" 203.0.113.7:4711 ", "203.0.113.7"),
        ("203.0.113.7:_port", "203.0.113.7"),
        ("2001:db8::5", "2001:db8::5"),
        ("[2001:db8::5]", "2001:db8::5"),
        ("[2001:db8::5]:4711", "2001:db8::5"),
        ("fe80::1%eth0", "fe80::1"),
        ("[fe80::1%eth0]:4711", "fe80::1"),
        ("[fe80::1%25eth0]", "fe80::1"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("[::ffff:203.0.113.7]:4711", "203.0.113.7"),
        ("::1", "::1"),
    ] {
        let sees = format!("{address} false own");
        assert_eq!(
            site.told("x-forwarded-for", written).await,
            sees,
            "{written}"
        );
        let element = format!("for=\"{written}\"");
        assert_eq!(site.told("forwarded", &element).await, sees, "{element}");
    }
}

#[tokio::test]
async fn what_is_no_address_ends_at_the_proxy_that_wrote_it() {
    let site = Site::behind_tens().await;
    for written in [
        "unknown",
        "_hidden",
        "_hidden:80",
        "unknown:80",
        "203.0.113.7:",
        "203.0.113.7:x",
        "203.0.113.7:99999",
        "203.0.113.7:80:90",
        "[203.0.113.7]",
        "[2001:db8::5",
        "2001:db8::5]",
        "[2001:db8::5]4711",
        "203.0.113.7%eth0",
        "203.0.113.07",
        "999.1.1.1",
        "<script>",
        "é",
        "",
    ] {
        for (name, value) in [
            ("x-forwarded-for", format!("6.6.6.6, {written}")),
            ("forwarded", format!("for=6.6.6.6, for=\"{written}\"")),
            ("forwarded", format!("for=6.6.6.6, {written}")),
        ] {
            assert_eq!(
                site.told(name, &value).await,
                "10.0.0.1 false own",
                "{value}"
            );
        }
    }
    let two_lines = [("x-forwarded-for", "6.6.6.6"), ("x-forwarded-for", "é, é")];
    assert_eq!(
        site.sees("10.0.0.1:9", &two_lines).await,
        "10.0.0.1 false own"
    );
}

#[tokio::test]
async fn a_proxy_may_be_named_as_the_socket_sees_it() {
    let for_seven = [("x-forwarded-for", "203.0.113.7")];
    for (named, trusted, not) in [
        (
            "127.0.0.1",
            &["127.0.0.1:9", "[::ffff:127.0.0.1]:9"][..],
            "127.0.0.2:9",
        ),
        (
            "::ffff:127.0.0.1",
            &["127.0.0.1:9", "[::ffff:127.0.0.1]:9"],
            "127.0.0.2:9",
        ),
        (" ::ffff:7f00:1 ", &["127.0.0.1:9"], "[::1]:9"),
        (
            "::ffff:10.0.0.0/104",
            &["10.255.0.1:9", "[::ffff:10.0.0.1]:9"],
            "11.0.0.1:9",
        ),
        (
            "10.0.0.0/8",
            &["10.255.0.1:9", "[::ffff:10.0.0.1]:9"],
            "[a00::1]:9",
        ),
        (
            "::ffff:0:0/96",
            &["192.0.2.1:9", "[::ffff:192.0.2.1]:9"],
            "[::1]:9",
        ),
        (
            "0.0.0.0/0",
            &["192.0.2.1:9", "[::ffff:192.0.2.1]:9"],
            "[2001:db8::1]:9",
        ),
        ("fd00::/8", &["[fd00::1]:9"], "10.0.0.1:9"),
        ("::1", &["[::1]:9"], "127.0.0.1:9"),
    ] {
        let site = Site::new(&format!("TRUSTED_PROXIES = ['{named}']")).await;
        for peer in trusted {
            let sees = site.sees(peer, &for_seven).await;
            assert_eq!(sees, "203.0.113.7 false own", "{named}: {peer}");
        }
        let sees = site.sees(not, &for_seven).await;
        assert!(!sees.contains("203.0.113.7"), "{named}: {not}: {sees}");
    }
    let site = Site::new("TRUSTED_PROXIES = ['::ffff:10.0.0.0/104']").await;
    let chain = [(
        "x-forwarded-for",
        "203.0.113.7, ::ffff:10.0.0.9, 10.0.0.8:80",
    )];
    assert_eq!(
        site.sees("10.0.0.1:9", &chain).await,
        "203.0.113.7 false own"
    );
}

#[tokio::test]
async fn the_scheme_that_counts_is_that_of_the_visitors_hop() {
    let site = Site::behind_tens().await;
    for (addresses, schemes, sees) in [
        // Two proxies: the visitor comes by HTTPS to the first, which asks the second without.
        (
            "203.0.113.7, 10.0.0.2",
            "https, http",
            "203.0.113.7 true own",
        ),
        (
            "203.0.113.7, 10.0.0.2",
            "http, https",
            "203.0.113.7 false own",
        ),
        (
            "203.0.113.7, 10.0.0.3, 10.0.0.2",
            "https, http, http",
            "203.0.113.7 true own",
        ),
        // Only the first says it, or only the last.
        ("203.0.113.7, 10.0.0.2", "https", "203.0.113.7 true own"),
        ("203.0.113.7", "HTTPS", "203.0.113.7 true own"),
        ("203.0.113.7", "wss", "203.0.113.7 true own"),
        // A client's own words stand before those of the proxies.
        ("203.0.113.7", "https, http", "203.0.113.7 false own"),
        (
            "10.0.0.9, 203.0.113.7",
            "https, http",
            "203.0.113.7 false own",
        ),
        (
            "203.0.113.7, 10.0.0.2",
            "https, http, http",
            "203.0.113.7 false own",
        ),
        ("203.0.113.7", "", "203.0.113.7 false own"),
        ("203.0.113.7", "https:", "203.0.113.7 false own"),
        ("203.0.113.7", "httpsx", "203.0.113.7 false own"),
    ] {
        let headers = [
            ("x-forwarded-for", addresses),
            ("x-forwarded-proto", schemes),
        ];
        let seen = site.sees("10.0.0.1:9", &headers).await;
        assert_eq!(seen, sees, "{addresses}; {schemes}");
        let elements = addresses.split(", ").zip(schemes.split(", "));
        let forwarded: Vec<_> = elements
            .map(|(a, s)| format!("for={a};proto=\"{s}\""))
            .collect();
        if addresses.split(", ").count() == schemes.split(", ").count() {
            let seen = site.told("forwarded", &forwarded.join(", ")).await;
            assert_eq!(seen, sees, "{forwarded:?}");
        }
        let direct = site.sees("203.0.113.7:9", &headers).await;
        assert_eq!(direct, "203.0.113.7 false own");
    }
    let lines = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-for", "10.0.0.2"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-proto", "http"),
    ];
    assert_eq!(
        site.sees("10.0.0.1:9", &lines).await,
        "203.0.113.7 true own"
    );
}

#[tokio::test]
async fn a_scheme_may_be_all_that_a_proxy_tells() {
    let site = Site::behind_tens().await;
    for (schemes, secure) in [
        ("https", true),
        ("http", false),
        ("https, http", false),
        ("", false),
        ("httpss", false),
    ] {
        let seen = site.told("x-forwarded-proto", schemes).await;
        assert_eq!(seen, format!("10.0.0.1 {secure} own"), "{schemes}");
    }
}

#[tokio::test]
async fn only_those_are_believed_whom_the_list_names() {
    let told = [
        ("x-forwarded-for", "1.2.3.4, 203.0.113.9"),
        ("x-forwarded-proto", "https"),
    ];
    for (list, peer, sees) in [
        ("", "10.0.0.1:9", "10.0.0.1 false own"),
        ("", "unix", " false own"),
        ("'127.0.0.1', '::/0', '0.0.0.0/0'", "unix", " false own"),
        ("'unix'", "unix", "203.0.113.9 true own"),
        ("'unix'", "127.0.0.1:9", "127.0.0.1 false own"),
        ("'unix', '203.0.113.0/24'", "unix", "1.2.3.4 true own"),
        ("'0.0.0.0/0'", "10.0.0.1:9", "1.2.3.4 true own"),
    ] {
        let site = Site::new(&format!("TRUSTED_PROXIES = [{list}]")).await;
        assert_eq!(site.sees(peer, &told).await, sees, "{list} {peer}");
    }
    let unix = Site::new("TRUSTED_PROXIES = ['unix']").await;
    assert_eq!(unix.sees("unix", &[]).await, " false own");
    let odd = [("x-forwarded-for", "1.2.3.4, unknown")];
    assert_eq!(unix.sees("unix", &odd).await, " false own");
}

#[tokio::test]
async fn forwarded_is_read_as_rfc_7239_writes_it() {
    let site = Site::behind_tens().await;
    for (forwarded, sees) in [
        ("for=192.0.2.43", "192.0.2.43 false own"),
        ("For=192.0.2.43;Proto=HTTPS", "192.0.2.43 true own"),
        ("proto=https ; for = 192.0.2.43", "192.0.2.43 true own"),
        (
            "for=\"[2001:db8:cafe::17]:4711\";proto=https;by=203.0.113.43",
            "2001:db8:cafe::17 true own",
        ),
        (
            "for=192.0.2.43;host=example.org",
            "192.0.2.43 false example.org",
        ),
        (
            "for=192.0.2.43;host=\"example.org:8080\"",
            "192.0.2.43 false example.org",
        ),
        ("for=192.0.2.43;host=\"[::1]:80\"", "192.0.2.43 false [::1]"),
        (
            "for=192.0.2.43;host=\"a,b;for=6.6.6.6\"",
            "192.0.2.43 false own",
        ),
        ("for=192.0.2.43;host=\"\"", "192.0.2.43 false own"),
        ("for=192.0.2.43;host=\"a\\\"b\"", "192.0.2.43 false own"),
        (
            "for=192.0.2.43, for=\"10.0.0.2:80\"",
            "192.0.2.43 false own",
        ),
        (
            "for=192.0.2.43;proto=https, for=10.0.0.2;proto=http",
            "192.0.2.43 true own",
        ),
        (
            "for=6.6.6.6;proto=https;host=evil, for=192.0.2.43;proto=http",
            "192.0.2.43 false own",
        ),
        ("proto=https", "10.0.0.1 true own"),
        ("for=unknown;proto=https", "10.0.0.1 true own"),
        // What a client has left open does not swallow what the proxy adds.
        (
            "for=\"6.6.6.6, for=192.0.2.43;proto=https",
            "192.0.2.43 true own",
        ),
        (
            "for=\"6.6.6.6\\, for=\"192.0.2.43\"",
            "192.0.2.43 false own",
        ),
        (
            "for=\"6.6.6.6\\\", for=\"[2001:db8::5]\"",
            "2001:db8::5 false own",
        ),
    ] {
        assert_eq!(site.told("forwarded", forwarded).await, sees, "{forwarded}");
        let direct = site
            .sees("203.0.113.7:9", &[("forwarded", forwarded)])
            .await;
        assert_eq!(direct, "203.0.113.7 false own", "{forwarded}");
    }
    let lines = [
        ("forwarded", "for=6.6.6.6, for=192.0.2.43;proto=https"),
        ("forwarded", "for=10.0.0.2;proto=http"),
    ];
    assert_eq!(site.sees("10.0.0.1:9", &lines).await, "192.0.2.43 true own");
}

#[tokio::test]
async fn a_clients_own_header_does_not_count_beside_the_one_the_proxy_writes() {
    let x = [
        ("x-forwarded-for", "203.0.113.7"),
        ("x-forwarded-proto", "http"),
    ];
    let forwarded = ("forwarded", "for=198.51.100.8;proto=https;host=evil");
    let (both, by_x, by_forwarded) = (
        [x[0], x[1], forwarded],
        "203.0.113.7 false own",
        "198.51.100.8 true evil",
    );
    for (written, sees) in [
        ("either", by_x),
        ("x-forwarded", by_x),
        ("forwarded", by_forwarded),
    ] {
        let site = Site::new(&format!(
            "TRUSTED_PROXIES = ['10.0.0.1']\nPROXY_HEADERS = '{written}'"
        ))
        .await;
        assert_eq!(site.sees("10.0.0.1:9", &both).await, sees, "{written}");
    }
    let tens = Site::behind_tens().await;
    assert_eq!(tens.sees("10.0.0.1:9", &both).await, by_x);
    // A proxy that writes a single one of them writes them.
    for name in [
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-forwarded-host",
        "x-forwarded-port",
    ] {
        let seen = tens
            .sees("10.0.0.1:9", &[(name, "unknown"), forwarded])
            .await;
        assert_eq!(seen, "10.0.0.1 false own", "{name}");
    }
    let only = Site::new("TRUSTED_PROXIES = ['10.0.0.1']\nPROXY_HEADERS = 'x-forwarded'").await;
    assert_eq!(
        only.sees("10.0.0.1:9", &[forwarded]).await,
        "10.0.0.1 false own"
    );
    let only = Site::new("TRUSTED_PROXIES = ['10.0.0.1']\nPROXY_HEADERS = 'forwarded'").await;
    assert_eq!(only.sees("10.0.0.1:9", &x).await, "10.0.0.1 false own");
    assert_eq!(
        tens.told("x-forwarded-host", "evil").await,
        "10.0.0.1 false own"
    );
}

#[tokio::test]
async fn a_setting_that_names_no_proxy_is_refused() {
    for (settings, says) in [
        (
            "TRUSTED_PROXIES = ['proxy']",
            "line 1: TRUSTED_PROXIES: \"proxy\"",
        ),
        (
            "TRUSTED_PROXIES = ['10.0.0.1:80']",
            "TRUSTED_PROXIES: \"10.0.0.1:80\"",
        ),
        (
            "TRUSTED_PROXIES = ['fe80::1%eth0']",
            "TRUSTED_PROXIES: \"fe80::1%eth0\"",
        ),
        (
            "TRUSTED_PROXIES = ['::ffff:10.0.0.0/129']",
            "TRUSTED_PROXIES: ",
        ),
        ("TRUSTED_PROXIES = ['']", "TRUSTED_PROXIES: \"\""),
        (
            "PROXY_HEADERS = 'both'",
            "line 1: PROXY_HEADERS: takes \"either\", \"x-forwarded\" or \"forwarded\"",
        ),
        (
            "PROXY_HEADERS = 'X-Forwarded-For'",
            "did you mean \"x-forwarded\"?",
        ),
        ("PROXY_HEADERS = 'Forwarded'", "did you mean \"forwarded\"?"),
    ] {
        let settings = Settings::from_toml(settings).expect("settings");
        let error = App::new(settings)
            .start()
            .await
            .expect_err("a refusal")
            .to_string();
        assert!(error.contains(says), "{error}");
    }
}
