//! Values that are fetched for the pages that use them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

/// A site whose templates have `user` and `offers()`, and how often each was fetched.
async fn fetched(templates: &[(&str, &str)]) -> (String, usize, usize) {
    let folder = folder(templates);
    let (users, offers) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counted = (users.clone(), offers.clone());
    let app = app(&folder)
        .urls([path("/", page)])
        .with(async move |setup: &mut Setup<'_>| {
            setup.template_value("user", move |_| {
                users.fetch_add(1, Ordering::Relaxed);
                async { Ok(Some("Ann")) }
            });
            setup.template_value("offers()", move |_| {
                offers.fetch_add(1, Ordering::Relaxed);
                async { Ok(vec!["tea", "bread"]) }
            });
            Ok(())
        });
    let page = TestClient::start(app).await.get("/").await;
    let count = |count: &AtomicUsize| count.load(Ordering::Relaxed);
    (page.text().to_owned(), count(&counted.0), count(&counted.1))
}

async fn fetched_for(template: &str) -> (String, usize, usize) {
    fetched(&[("page.html", template)]).await
}

fn page_of(text: &str, users: usize, offers: usize) -> (String, usize, usize) {
    (text.to_owned(), users, offers)
}

#[tokio::test]
async fn a_page_that_uses_none_fetches_none() {
    assert_eq!(fetched_for("Hello").await, page_of("Hello", 0, 0));
}

#[tokio::test]
async fn each_is_fetched_once_a_page() {
    let text = "{{ user }} {{ user|upper }} {{ offers()|join('+') }} {{ offers()|length }}";
    assert_eq!(
        fetched_for(text).await,
        page_of("Ann ANN tea+bread 2", 1, 1)
    );
}

#[tokio::test]
async fn a_branch_that_is_not_taken_fetches_nothing() {
    let text = "{% if user %}hi {{ user }}{% else %}{{ offers() }}{% endif %}";
    assert_eq!(fetched_for(text).await, page_of("hi Ann", 1, 0));
    let text = "{{ user or offers() }}{{ 'x' if user is defined else offers() }}";
    assert_eq!(fetched_for(text).await, page_of("Annx", 1, 0));
}

#[tokio::test]
async fn a_block_that_is_replaced_fetches_nothing() {
    let base = (
        "base.html",
        "{% block who %}{{ user }}{% endblock %}{% block o %}{{ offers() }}{% endblock %}",
    );
    let page = (
        "page.html",
        "{% extends 'base.html' %}{% block who %}me{% endblock %}{% block o %}{% endblock %}",
    );
    assert_eq!(fetched(&[base, page]).await, page_of("me", 0, 0));
    let page = (
        "page.html",
        "{% extends 'base.html' %}{% block o %}{% endblock %}",
    );
    assert_eq!(fetched(&[base, page]).await, page_of("Ann", 1, 0));
}

#[tokio::test]
async fn a_macro_fetches_when_it_is_called() {
    let macros = "{% macro greet() %}hi {{ user }}{% endmacro %}{% macro list() %}{{ offers()|join }}{% endmacro %}";
    let text = format!("{macros}{{% if false %}}{{{{ greet() }}}}{{% endif %}}");
    assert_eq!(fetched_for(&text).await, page_of("", 0, 0));
    assert_eq!(
        fetched_for(&format!("{macros}{{{{ greet() }}}}")).await,
        page_of("hi Ann", 1, 0)
    );
    let import = |call: &str| format!("{{% from 'm.html' import greet, list %}}{call}");
    for (call, expected) in [
        ("", page_of("", 0, 0)),
        ("{{ greet() }}", page_of("hi Ann", 1, 0)),
        ("{{ list() }}", page_of("teabread", 0, 1)),
    ] {
        let templates = [("page.html", &*import(call)), ("m.html", macros)];
        assert_eq!(fetched(&templates).await, expected, "{call}");
    }
}

#[tokio::test]
async fn what_comes_before_or_after_is_written_once() {
    let part = ("part.html", "{{ user }}");
    let text = "a{% include 'part.html' %}b{% for o in offers() %}{{ loop.index }}{{ o }}{% endfor %}c{{ user }}";
    let (text, ..) = fetched(&[("page.html", text), part]).await;
    assert_eq!(text, "aAnnb1tea2breadcAnn");
    let set = "{% set who = user %}{% set out %}<{{ who }}>{% endset %}{{ out }}{{ out|length }}";
    assert_eq!(fetched_for(set).await, page_of("<Ann>5", 1, 0));
}

#[tokio::test]
async fn a_function_of_the_sites_may_be_passed_one() {
    let text = "{{ user|default('nobody') }} {{ [user, offers()]|length }} {{ user ~ '!' }} {{ user == 'Ann' }}";
    assert_eq!(fetched_for(text).await, page_of("Ann 2 Ann! True", 1, 1));
}

#[tokio::test]
async fn an_error_after_it_is_the_pages_own() {
    let (text, users, offers) = fetched_for("{{ user }}\n{{ nobody }}\n{{ offers() }}").await;
    assert!(
        text.contains("`nobody` is undefined (template page.html:2)"),
        "{text}"
    );
    assert_eq!((users, offers), (1, 0));
}

#[tokio::test]
async fn an_error_before_it_fetches_nothing() {
    let (text, users, offers) = fetched_for("{{ nobody.name }}{{ user }}{{ offers() }}").await;
    assert!(
        text.contains("`nobody` is undefined (template page.html:1)"),
        "{text}"
    );
    assert_eq!((users, offers), (0, 0));
}

#[tokio::test]
async fn called_and_read_are_told_apart() {
    let (text, ..) = fetched_for("{{ user() }}").await;
    assert!(
        text.contains("is not callable (template page.html:1)"),
        "{text}"
    );
    let (text, ..) = fetched_for("{{ offers(1) }}").await;
    assert!(
        text.contains("offers() takes no values (template page.html:1)"),
        "{text}"
    );
    assert_eq!(fetched_for("{{ offers }}").await.0, "offers()");
}

#[tokio::test]
async fn a_value_that_cannot_be_fetched_is_the_pages_error() {
    let folder = folder(&[("page.html", "{{ user }}")]);
    let app = app(&folder)
        .urls([path("/", page)])
        .with(async |setup: &mut Setup<'_>| {
            setup.template_value("user", |_| async {
                Err::<String, _>(Error::new(
                    StatusCode::SERVICE_UNAVAILABLE,
                    "no users today",
                ))
            });
            Ok(())
        });
    let page = TestClient::start(app).await.get("/").await;
    assert_eq!(page.status(), 503);
    assert!(page.text().contains("no users today"), "{}", page.text());
}

#[tokio::test]
async fn the_last_value_of_a_name_stays() {
    let folder = folder(&[("page.html", "{{ csrf_field() }}{{ who }}")]);
    let app = app(&folder)
        .urls([path("/", page)])
        .with(async |setup: &mut Setup<'_>| {
            setup.template_value("who", async |_: Request| Ok("first"));
            setup.template_value("who", async |_: Request| Ok("last"));
            setup.template_value("csrf_field()", async |_: Request| {
                Ok(duck::pages::minijinja::Value::from_safe_string(
                    "<input>".to_owned(),
                ))
            });
            Ok(())
        });
    assert_eq!(
        TestClient::start(app).await.get("/").await.text(),
        "<input>last"
    );
}
