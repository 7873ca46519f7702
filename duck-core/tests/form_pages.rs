//! Forms on pages: shown, sent, shown again; and files with them.

use std::fs;
use std::path::Path;

use duck::forms::{Upload, is_picture};
use duck::pages::Templates;
use duck::prelude::*;
use duck::testing::TestClient;
use garde::Validate;
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

const FORM: &str = "application/x-www-form-urlencoded";

const PAGE: &str = r#"<form method="post" enctype="{{ form.enctype }}">{{ form_errors(form) }}
{% for each in form.fields %}{{ field(each) }}{% endfor %}</form>"#;

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Note {
    #[garde(length(chars, min = 1, max = 80))]
    title: String,
}

#[derive(Debug, Deserialize, Validate)]
struct Album {
    #[garde(length(chars, min = 1))]
    name: String,
    #[garde(skip)]
    cover: Upload,
    #[garde(skip)]
    back: Option<Upload>,
    #[garde(length(max = 2))]
    pictures: Vec<Upload>,
}

async fn note(request: Request) -> Result<Response> {
    let form = request
        .form_from::<Note>(&Note {
            title: "Tea".into(),
        })
        .await?;
    if let Some(note) = form.valid() {
        if note.title != "Bread" {
            return redirect_to("/");
        }
        form.error("title", "is taken");
    }
    render(&request, "page.html", context! { form }).await
}

async fn other(request: Request) -> Result<Response> {
    let form = request.form::<Note>().await?;
    render(&request, "page.html", context! { form })
        .await
        .with_status(StatusCode::TOO_MANY_REQUESTS)
}

async fn album(request: Request) -> Result<Response> {
    let form = request.form::<Album>().await?;
    let Some(album) = form.valid() else {
        return render(&request, "page.html", context! { form }).await;
    };
    let folder = request
        .settings()
        .get::<String>("MEDIA")?
        .unwrap_or_default();
    let mut said = format!(
        "{}: {:?} {:?}\n",
        album.name,
        album.cover,
        album.back.is_some()
    );
    for picture in &album.pictures {
        let path = picture.path()?.to_owned();
        assert!(path.exists());
        let name = picture.save_in(&folder).await?;
        said += &format!("{name} {}\n", picture.bytes().await?.len());
    }
    let cover = album.cover.path()?.to_owned();
    drop(album);
    assert!(!cover.exists(), "a temporary file went with its upload");
    Ok(text(said))
}

#[derive(Deserialize, Validate)]
struct Portrait {
    #[garde(inner(custom(is_picture)))]
    picture: Option<Upload>,
}

async fn portrait(request: Request) -> Result<String> {
    let form = request.form::<Portrait>().await?;
    match form.valid() {
        Some(portrait) => Ok(portrait.picture.is_some().to_string()),
        None => Ok(serde_json::to_string(&form)?),
    }
}

async fn site(media: &TempDir) -> TestClient {
    let templates = media.path().join("templates");
    write(&templates, "page.html", PAGE);
    TestClient::start(app(media, &templates)).await
}

fn app(media: &TempDir, templates: &Path) -> App {
    App::new(Settings::default())
        .setting("MEDIA", media.path().display().to_string())
        .with(Templates::on_disk([templates]))
        .urls([
            path("/", note).methods([GET, POST]),
            path("/other", other).methods([GET, POST]),
            path("/portrait", portrait).methods([POST]),
            path("/album", album)
                .methods([GET, POST])
                .max_body(64 * 1024),
        ])
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("written");
    fs::write(path, text).expect("written");
}

#[tokio::test]
async fn a_form_that_was_filled_in_wrongly_is_shown_with_422() {
    let media = tempfile::tempdir().expect("a folder");
    let site = site(&media).await;
    let page = site.get("/").await;
    assert_eq!(page.status(), 200);
    assert!(
        page.text().contains(r#"value="Tea" required>"#),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("error"), "{}", page.text());

    let page = site.post("/").form(&[("title", "")]).await;
    assert_eq!(page.status(), 422);
    assert!(
        page.text().contains("must be at least 1 character"),
        "{}",
        page.text()
    );
    assert!(
        page.text().contains(r#"aria-invalid="true""#),
        "{}",
        page.text()
    );

    let page = site.post("/").form(&[("title", "Bread")]).await;
    assert_eq!(page.status(), 422);
    assert!(page.text().contains("is taken"), "{}", page.text());
    assert_eq!(
        site.post("/").form(&[("title", "Wine")]).await.status(),
        303
    );
}

#[tokio::test]
async fn a_status_of_the_views_own_stands_over_422() {
    let media = tempfile::tempdir().expect("a folder");
    let site = site(&media).await;
    assert_eq!(
        site.post("/other").form(&[("title", "")]).await.status(),
        429
    );
}

#[tokio::test]
async fn a_sites_own_template_draws_the_fields() {
    let media = tempfile::tempdir().expect("a folder");
    let templates = media.path().join("templates");
    write(&templates, "page.html", PAGE);
    write(
        &templates,
        "duck/field.html",
        "<p>{{ label }}: {{ value }}</p>",
    );
    let site = TestClient::start(app(&media, &templates)).await;
    assert!(site.get("/").await.text().contains("<p>Title: Tea</p>"));
}

#[tokio::test]
async fn files_are_fields() {
    let media = tempfile::tempdir().expect("a folder");
    let site = site(&media).await;
    let page = site.get("/album").await;
    for expected in [
        r#"enctype="multipart/form-data""#,
        r#"<input id="id_cover" name="cover" type="file" required>"#,
        r#"<input id="id_back" name="back" type="file">"#,
        r#"<input id="id_pictures" name="pictures" type="file" multiple>"#,
    ] {
        assert!(
            page.text().contains(expected),
            "{expected}: {}",
            page.text()
        );
    }
    let sent = site
        .post("/album")
        .field("name", "Sea")
        .file("cover", "../cover.png", "image/png", "quack")
        .file("back", "", "application/octet-stream", "")
        .file("pictures", "a.png", "image/png", "1")
        .file("pictures", "a.png", "image/png", "22")
        .await;
    assert_eq!(sent.status(), 200, "{}", sent.text());
    let lines: Vec<&str> = sent.text().lines().collect();
    assert_eq!(
        lines[0],
        r#"Sea: Upload { file_name: "cover.png", media_type: Some("image/png"), len: 5, .. } false"#
    );
    assert_eq!(lines[1], "a.png 1");
    assert!(
        lines[2].starts_with("a-") && lines[2].ends_with(".png 2"),
        "{}",
        lines[2]
    );
    assert_eq!(fs::read(media.path().join("a.png")).expect("saved"), b"1");
}

#[tokio::test]
async fn what_is_no_file_and_what_is_one_are_told_apart() {
    let media = tempfile::tempdir().expect("a folder");
    let site = site(&media).await;
    let page = site
        .post("/album")
        .file("name", "a.txt", "text/plain", "Sea")
        .field("cover", "cover.png")
        .await;
    assert_eq!(page.status(), 422);
    assert!(
        page.text().contains(r#"id="id_name_error">must be text<"#),
        "{}",
        page.text()
    );
    assert!(
        page.text()
            .contains(r#"id="id_cover_error">must be a file<"#),
        "{}",
        page.text()
    );
    assert!(!page.text().contains("cover.png"), "{}", page.text());

    // As a form without `enctype` sends it.
    let page = site
        .post("/album")
        .body(FORM, "name=Sea&cover=cover.png&back=")
        .await;
    assert_eq!(page.status(), 422);
    assert!(page.text().contains("must be a file"), "{}", page.text());

    let page = site
        .post("/album")
        .field("name", "Sea")
        .file("cover", "", "application/octet-stream", "")
        .await;
    assert_eq!(page.status(), 422);
    assert!(
        page.text().contains(r#"id="id_cover_error">is required<"#),
        "{}",
        page.text()
    );

    let mut many = site
        .post("/album")
        .field("name", "Sea")
        .file("cover", "c", "image/png", "x");
    for _ in 0..3 {
        many = many.file("pictures", "a.png", "image/png", "1");
    }
    let page = many.await;
    assert_eq!(page.status(), 422);
    assert!(
        page.text().contains("must have at most 2 values"),
        "{}",
        page.text()
    );
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_leaves_no_file() {
    let media = tempfile::tempdir().expect("a folder");
    let site = site(&media).await;
    let large = "x".repeat(70 * 1024);
    let page = site
        .post("/album")
        .field("name", "Sea")
        .file("cover", "c", "image/png", large.clone())
        .await;
    assert_eq!(page.status(), 413);
    assert_eq!(
        site.post("/album").field("name", &large).await.status(),
        413
    );
}

#[tokio::test]
async fn a_picture_is_one_by_its_bytes_and_by_its_name() {
    let media = tempfile::tempdir().expect("a folder");
    let site = site(&media).await;
    let (png, jpeg) = (
        &b"\x89PNG\r\n\x1a\n...."[..],
        &b"\xff\xd8\xff\xe0..JFIF"[..],
    );
    let (gif, webp) = (&b"GIF89a......"[..], &b"RIFF....WEBP"[..]);
    for (name, bytes, is_picture) in [
        ("a.png", png, true),
        ("A.PNG", png, true),
        ("a.jpg", jpeg, true),
        ("a.jpeg", jpeg, true),
        ("a.gif", gif, true),
        ("a.webp", webp, true),
        ("a.png", jpeg, false),
        ("a.html", png, false),
        ("a.png.svg", png, false),
        ("png", png, false),
        (".png", png, false),
        ("a.png", &b"<script>alert(1)</script>"[..], false),
        ("a.svg", &b"<svg onload='alert(1)'/>"[..], false),
        ("a.gif", &b"GIF8"[..], false),
        ("a.webp", &b"RIFF....WAVE"[..], false),
        ("a.png", &b""[..], false),
    ] {
        // What it claims to be, does not count.
        let sent = site
            .post("/portrait")
            .file("picture", name, "image/png", bytes)
            .await;
        let said = sent.text();
        assert_eq!(said == "true", is_picture, "{name} {bytes:?}: {said}");
        assert_eq!(
            said.contains("must be a picture"),
            !is_picture,
            "{name}: {said}"
        );
    }
    let none = site
        .post("/portrait")
        .file("picture", "", "application/octet-stream", "")
        .await;
    assert_eq!(none.text(), "false");
}

#[tokio::test]
async fn bytes_that_are_no_text_are_named_in_uploads_too() {
    let media = tempfile::tempdir().expect("a folder");
    let site = site(&media).await;
    let body = b"--x\r\ncontent-disposition: form-data; name=name\r\n\r\n\xff\r\n--x--";
    let page = site
        .post("/album")
        .body("multipart/form-data; boundary=x", &body[..])
        .await;
    assert_eq!(page.status(), 422);
    assert!(
        page.text()
            .contains(r#"id="id_name_error">is not readable text<"#),
        "{}",
        page.text()
    );
}

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Order {
    #[garde(dive, length(max = 5))]
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize, Serialize, Validate)]
struct Row {
    #[garde(range(max = 5))]
    count: u8,
}

/// Rows are what a client can send a thousand of in a few kilobytes, and each is a field to draw.
#[tokio::test]
async fn a_page_with_many_fields_holds_no_worker_up() {
    let media = tempfile::tempdir().expect("a folder");
    let templates = media.path().join("templates");
    write(
        &templates,
        "page.html",
        &format!("{PAGE}{{{{ thread() }}}}"),
    );
    let thread = async |setup: &mut Setup<'_>| {
        setup.template_function("thread", || format!("{:?}", std::thread::current().id()));
        Ok(())
    };
    let order = async |request: Request| {
        let form = request.form::<Order>().await?;
        render(&request, "page.html", context! { form }).await
    };
    let app = app(&media, &templates).with(thread);
    let site = TestClient::start(app.urls([path("/order", order).methods([POST])])).await;
    let worker = format!("{:?}", std::thread::current().id());
    for (rows, is_drawn_here) in [(1, true), (20, true), (990, false)] {
        let body: String = (0..rows)
            .map(|row| format!("rows[{row}].count=x&"))
            .collect();
        let page = site.post("/order").body(FORM, body).await;
        assert_eq!(page.status(), 422);
        let text = page.text();
        assert_eq!(text.matches("<input").count(), rows, "each is drawn");
        assert_eq!(text.ends_with(&worker), is_drawn_here, "{rows} rows");
    }
}
