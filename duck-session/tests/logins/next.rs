//! `?next=`: only to this site.

use crate::support::{PASSWORD, Users, visit};

/// What `next` says, and where that leads.
const TABLE: [(&str, &str); 37] = [
    ("/account", "/account"),
    ("/account?a=1&b=2", "/account?a=1&b=2"),
    ("/notes/7#end", "/notes/7#end"),
    ("/café", "/caf%C3%A9"),
    ("/a b", "/a%20b"),
    (
        "/x?next=https://evil.example/",
        "/x?next=https://evil.example/",
    ),
    ("/%2F/evil.example", "/%2F/evil.example"),
    ("/%5Cevil.example", "/%5Cevil.example"),
    ("", "/"),
    ("account", "/"),
    ("https://evil.example/", "/"),
    ("HTTPS://evil.example/", "/"),
    ("https:evil.example", "/"),
    ("https:/evil.example", "/"),
    ("//evil.example", "/"),
    ("///evil.example", "/"),
    ("//evil.example/..", "/"),
    ("\\evil.example", "/"),
    ("\\\\evil.example", "/"),
    ("/\\evil.example", "/"),
    ("/\\/evil.example", "/"),
    ("\\/evil.example", "/"),
    ("javascript:alert(1)", "/"),
    ("JavaScript:alert(1)", "/"),
    (" javascript:alert(1)", "/"),
    ("data:text/html,x", "/"),
    ("mailto:a@evil.example", "/"),
    ("/\t/evil.example", "/"),
    ("/\n/evil.example", "/"),
    ("\t//evil.example", "/"),
    (" //evil.example", "/"),
    ("/x\r\nSet-Cookie: a=b", "/"),
    ("/x\0", "/"),
    ("/x\u{7f}", "/"),
    ("/login", "/"),
    ("/login/", "/"),
    ("/login?next=/login", "/"),
];

#[tokio::test]
async fn a_login_leads_on_within_the_site_and_never_out_of_it() {
    let client = visit(&Users::default()).await;
    for (next, expected) in TABLE {
        let query: String = next.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let in_query = client.get(&format!("/on?next={query}")).await;
        let in_form = client.post("/on").form(&[("next", next)]).await;
        for response in [in_query, in_form] {
            assert_eq!(response.status(), 303, "{next:?}");
            assert_eq!(response.header("location"), Some(expected), "{next:?}");
            assert_eq!(response.set_cookies(), [""; 0]);
        }
    }
}

#[tokio::test]
async fn the_query_comes_first_unless_it_leads_away() {
    let client = visit(&Users::default()).await;
    for (query, form, expected) in [
        ("/a", "/b", "/a"),
        ("//evil.example", "/b", "/b"),
        ("//evil.example", "https://evil.example", "/"),
        ("/a&next=//evil.example", "/b", "/a"),
        ("//evil.example&next=/a", "/b", "/b"),
    ] {
        let form = client
            .post(&format!("/on?next={query}"))
            .form(&[("next", form)]);
        assert_eq!(form.await.header("location"), Some(expected), "{query}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_lead_nowhere() {
    let client = visit(&Users::default()).await;
    for query in ["%ff", "/%ff", "%00", "/%0d%0a", "%"] {
        let response = client.get(&format!("/on?next={query}")).await;
        assert_eq!(response.header("location"), Some("/"), "{query}");
    }
    let bodies: [(&str, &[u8]); 4] = [
        ("application/x-www-form-urlencoded", b"next=/%ff&next=%fe"),
        ("application/x-www-form-urlencoded", b"&&&=&next"),
        ("application/json", br#"{"next": "/a"}"#),
        ("text/plain", b"next=/a"),
    ];
    for (media_type, body) in bodies {
        let response = client.post("/on").body(media_type, body).await;
        assert_eq!(response.header("location"), Some("/"), "{media_type}");
    }
}

#[tokio::test]
async fn the_login_form_keeps_where_its_visitor_was_going() {
    let users = Users::ada().await;
    let client = visit(&users).await;
    let sent = client.get("/account?tab=a%26b").await;
    let login = sent.header("location").unwrap().to_owned();
    assert_eq!(login, "/login?next=/account%3Ftab%3Da%2526b");
    let form = [("name", "ada"), ("password", PASSWORD)];
    let response = client.post(&login).form(&form).await;
    assert_eq!(response.header("location"), Some("/account?tab=a%26b"));
}
