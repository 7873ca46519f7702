//! Pages from templates.

#![expect(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::fs;
use std::path::Path;

use duck::pages::{TemplateError, Templates};
use duck::prelude::*;
use duck::testing::TestClient;
use tempfile::TempDir;

mod checking;
mod error_pages;
mod escaping;
mod folders;
mod lazy;
mod names;
mod wrong;

/// A folder with these templates: names and texts.
fn folder(templates: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in templates {
        write(folder.path(), name, text);
    }
    folder
}

fn write(folder: &Path, name: &str, text: &str) {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// A site with a folder of templates, in development.
fn app(folder: &TempDir) -> App {
    App::new(Settings::default().with("DEBUG", true)).with(Templates::on_disk([folder.path()]))
}

/// The view of `page.html`, without values.
async fn page(request: Request) -> Result<Response> {
    render(&request, "page.html", context! {}).await
}

/// What `page.html` becomes with this text.
async fn text_of(template: &str) -> String {
    let folder = folder(&[("page.html", template)]);
    let site = TestClient::start(app(&folder).urls([path("/", page).name("home")])).await;
    site.get("/").await.text().to_owned()
}
