use std::fs;
use std::sync::Arc;
use std::time::SystemTime;

use tempfile::TempDir;

use super::*;
use crate::app::App;
use crate::files::StaticFiles;
use crate::settings::Settings;
use crate::testing::TestClient;

/// A site's folder, and the command.
struct Site {
    folder: TempDir,
}

impl Site {
    fn new(files: &[(&str, &str)]) -> Self {
        let site = Self {
            folder: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(site.path("static")).unwrap();
        for (name, text) in files {
            site.write(name, text);
        }
        site
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) {
        let path = self.path(&format!("static/{name}"));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn app(&self) -> App {
        App::new(Settings::default().in_folder(self.folder.path())).with(StaticFiles::new())
    }

    /// Runs the command as the site's binary does.
    async fn collect(&self, arguments: &[&str]) -> Result<ExitCode> {
        let site = self
            .app()
            .start_for(crate::app::setup::Purpose::Command)
            .await?;
        let commands = &site.0.hooks.commands;
        let command = commands
            .iter()
            .find(|command| command.name == "collectstatic");
        let arguments = arguments.iter().map(OsString::from).collect();
        (command.unwrap().run)(arguments, Arc::default()).await
    }

    async fn refused(&self) -> String {
        self.collect(&[]).await.unwrap_err().to_string()
    }

    /// The collected name of a file.
    fn hashed(&self, name: &str) -> String {
        let manifest = Manifest::read(&self.path("staticfiles")).unwrap().unwrap();
        manifest.files[name].clone()
    }

    /// What was collected of a file.
    fn collected(&self, name: &str) -> String {
        let path = format!("staticfiles/{}", self.hashed(name));
        fs::read_to_string(self.path(&path)).unwrap()
    }

    /// Everything that was collected, and its dates.
    fn all(&self) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
        let (mut folders, mut all) = (vec![self.path("staticfiles")], BTreeMap::new());
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let date = path.metadata().unwrap().modified().unwrap();
                    all.insert(path.clone(), (fs::read(path).unwrap(), date));
                }
            }
        }
        all
    }
}

#[tokio::test]
async fn files_are_copied_under_names_that_change_with_them() {
    let site = Site::new(&[
        ("css/site.css", "body{}"),
        ("a", "x"),
        (".hidden", "secret"),
    ]);
    site.collect(&[]).await.unwrap();
    let first = site.hashed("css/site.css");
    // The first 16 digits of `printf 'body{}' | sha256sum`.
    assert_eq!(first, "css/site.7c98040a54165758.css");
    assert_eq!(site.collected("css/site.css"), "body{}");
    assert_eq!(site.collected("a"), "x");
    let manifest = Manifest::read(&site.path("staticfiles")).unwrap().unwrap();
    assert_eq!(manifest.files.len(), 2);
    site.write("css/site.css", "body{ }");
    site.collect(&[]).await.unwrap();
    assert_ne!(site.hashed("css/site.css"), first);
    // Pages that were made before the change still find it.
    assert!(site.path("staticfiles").join(first).is_file());
}

#[tokio::test]
async fn what_was_collected_is_served_and_named_in_pages() {
    let site = Site::new(&[("site.css", &"body { color: red }\n".repeat(50))]);
    site.collect(&[]).await.unwrap();
    let client = TestClient::start(site.app()).await;
    let url = format!("/static/{}", site.hashed("site.css"));
    let page = client.get(&url).await;
    assert!(page.header("cache-control").unwrap().contains("immutable"));
    for (accepted, encoding) in [("gzip", "gzip"), ("gzip, br", "br")] {
        let page = client.get(&url).header("accept-encoding", accepted).await;
        assert_eq!(page.header("content-encoding"), Some(encoding));
        assert!(page.bytes().len() < 200, "{encoding}");
    }
    let gzipped = client.get(&url).header("accept-encoding", "gzip").await;
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(gzipped.bytes().as_ref());
    io::Read::read_to_string(&mut decoder, &mut text).unwrap();
    assert_eq!(text, page.text());
    let br = client.get(&url).header("accept-encoding", "br").await;
    let mut bytes = Vec::new();
    brotli::BrotliDecompress(&mut br.bytes().as_ref(), &mut bytes).unwrap();
    assert_eq!(bytes, page.text().as_bytes());
}

#[tokio::test]
async fn two_runs_give_the_same_bytes_and_the_second_writes_no_file_anew() {
    let text = "body { color: red }\n".repeat(50);
    let files = [
        ("a.css", text.as_str()),
        ("b.css", "@import 'a.css';"),
        ("c.png", "png"),
    ];
    let (site, other) = (Site::new(&files), Site::new(&files));
    site.collect(&[]).await.unwrap();
    let first = site.all();
    assert_eq!(first.len(), 6, "three files, two compressed, the manifest");
    site.collect(&[]).await.unwrap();
    for (path, before) in &site.all() {
        let is_manifest = path.ends_with("staticfiles.json");
        assert!(is_manifest || first[path] == *before, "{path:?}");
        assert_eq!(first[path].0, before.0, "{path:?}");
    }
    other.collect(&[]).await.unwrap();
    let bytes = |all: BTreeMap<PathBuf, (Vec<u8>, SystemTime)>| {
        all.into_values()
            .map(|(bytes, _)| bytes)
            .collect::<Vec<_>>()
    };
    assert_eq!(bytes(other.all()), bytes(first));
}

#[tokio::test]
async fn style_sheets_name_the_collected_files() {
    let site = Site::new(&[
        (
            "css/site.css",
            "@import 'base.css';\n.a { b: url(\"../img/a b.png?v=1#x\") url(/static/img/c.svg) url(https://x.example/y) }\n/*# sourceMappingURL=missing.map */",
        ),
        ("css/base.css", "i { b: url(../img/c.svg) }"),
        ("img/a b.png", "png"),
        ("img/c.svg", "<svg/>"),
        ("a.js", "1;\n//# sourceMappingURL=a.js.map\n"),
        ("a.js.map", "{}"),
    ]);
    site.collect(&[]).await.unwrap();
    let file = |name: &str| site.hashed(name).rsplit('/').next().unwrap().to_owned();
    let (base, svg) = (file("css/base.css"), file("img/c.svg"));
    let png = file("img/a b.png").replace(' ', "%20");
    assert_eq!(
        site.collected("css/site.css"),
        format!(
            "@import '{base}';\n.a {{ b: url(\"../img/{png}?v=1#x\") url(/static/img/{svg}) url(https://x.example/y) }}\n/*# sourceMappingURL=missing.map */"
        )
    );
    let script = format!("1;\n//# sourceMappingURL={}\n", file("a.js.map"));
    assert_eq!(site.collected("a.js"), script);
    // A picture that changes changes every style sheet that leads to it.
    let before = site.hashed("css/site.css");
    site.write("img/c.svg", "<svg></svg>");
    site.collect(&[]).await.unwrap();
    assert_ne!(site.hashed("css/site.css"), before);
}

#[tokio::test]
async fn a_style_sheet_that_names_no_file_is_refused_by_its_line() {
    let site = Site::new(&[("css/a.css", "\n\na { b: url(c.png) }")]);
    let error = site.refused().await;
    let expected = "css/a.css, line 3: there is no static file \"css/c.png\"";
    assert!(error.contains(expected), "{error}");
    let site = Site::new(&[("a.css", "@import 'b.css'"), ("b.css", "@import 'a.css'")]);
    let error = site.refused().await;
    assert!(error.contains("a.css, b.css name each other"), "{error}");
}

#[tokio::test]
async fn a_run_that_fails_leaves_the_last_one_as_it_was() {
    let site = Site::new(&[("a.css", "a"), ("b.css", "b")]);
    site.collect(&[]).await.unwrap();
    let before = site.hashed("a.css");
    site.write("a.css", "changed");
    site.write("b.css", "url(absent)");
    site.refused().await;
    assert_eq!(site.hashed("a.css"), before);
    let client = TestClient::start(site.app()).await;
    assert_eq!(client.get("/static/a.css").await.text(), "a");
}

#[tokio::test]
async fn files_that_are_gone_are_not_served_any_more_and_can_be_removed() {
    let site = Site::new(&[("a.css", "a"), ("b.css", "b")]);
    site.collect(&[]).await.unwrap();
    let root = site.path("staticfiles");
    let gone = root.join(site.hashed("b.css"));
    fs::remove_file(site.path("static/b.css")).unwrap();
    for (name, text) in [("note.txt", "mine"), (".collecting-x", "half")] {
        fs::write(root.join(name), text).unwrap();
    }
    site.collect(&[]).await.unwrap();
    let client = TestClient::start(site.app()).await;
    assert_eq!(client.get("/static/b.css").await.status(), 404);
    assert!(gone.is_file());
    site.collect(&["--clear"]).await.unwrap();
    assert!(!gone.exists() && !root.join(".collecting-x").exists());
    assert!(root.join("note.txt").exists() && root.join(site.hashed("a.css")).exists());
}

#[cfg(unix)]
#[tokio::test]
async fn links_out_of_the_folder_are_refused_and_others_followed() {
    use std::os::unix::fs::symlink;
    let site = Site::new(&[("css/a.css", "a")]);
    symlink("css", site.path("static/styles")).unwrap();
    site.collect(&[]).await.unwrap();
    assert_eq!(site.collected("styles/a.css"), "a");
    fs::write(site.path("secret"), "secret").unwrap();
    for (target, what) in [
        ("../secret", "what is not served"),
        ("/etc/passwd", "what is not served"),
        ("..", "what is not served"),
        (".", "a link to a folder above it"),
        ("nowhere", "cannot be read"),
    ] {
        symlink(target, site.path("static/link")).unwrap();
        let error = site.refused().await;
        assert!(error.contains(what) && error.contains("link"), "{error}");
        fs::remove_file(site.path("static/link")).unwrap();
    }
}

#[tokio::test]
async fn names_that_differ_in_case_alone_are_refused() {
    let site = Site::new(&[("css/Site.css", "a"), ("css/site.css", "b")]);
    let error = site.refused().await;
    assert!(error.contains("css/Site.css") && error.contains("css/site.css"));
    assert!(Manifest::read(&site.path("staticfiles")).unwrap().is_none());
}

#[tokio::test]
async fn compressed_files_beside_others_are_made_anew() {
    let site = Site::new(&[("a.css", "a"), ("a.css.gz", "old"), ("b.tar.gz", "tar")]);
    site.collect(&[]).await.unwrap();
    let manifest = Manifest::read(&site.path("staticfiles")).unwrap().unwrap();
    let names: Vec<_> = manifest.files.keys().collect();
    assert_eq!(names, ["a.css", "b.tar.gz"]);
}

#[tokio::test]
async fn folders_in_each_other_and_unknown_arguments_are_refused() {
    let site = Site::new(&[("a.css", "a")]);
    for root in ["static", "static/all", "x/../static/all"] {
        let settings = Settings::default().in_folder(site.folder.path());
        let app = App::new(settings.with("STATIC_ROOT", root)).with(StaticFiles::new());
        let app = app
            .start_for(crate::app::setup::Purpose::Command)
            .await
            .unwrap();
        let run = &app.0.hooks.commands[0].run;
        let error = run(Vec::new(), Arc::default())
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains("must not lie in each other"), "{error}");
    }
    let code = site.collect(&["--wrong"]).await.unwrap();
    assert_eq!(format!("{code:?}"), format!("{:?}", ExitCode::from(2)));
    let site = Site::new(&[]);
    fs::remove_dir(site.path("static")).unwrap();
    let error = site.refused().await;
    assert!(error.contains("static cannot be read"), "{error}");
}

#[tokio::test]
async fn the_command_mends_what_keeps_the_site_from_starting() {
    let site = Site::new(&[("a.css", "a")]);
    let findings = async |site: &Site| {
        let hooks = site
            .app()
            .start_for(crate::app::setup::Purpose::Command)
            .await;
        let hooks = hooks.unwrap().0.hooks.clone();
        (hooks.findings, hooks.deploy_findings)
    };
    let (wrong, missing) = findings(&site).await;
    assert!(wrong.is_empty() && missing[0].contains("run `collectstatic`"));
    site.collect(&[]).await.unwrap();
    assert_eq!(findings(&site).await, (Vec::new(), Vec::new()));
    fs::write(site.path("staticfiles/staticfiles.json"), "{").unwrap();
    assert!(site.app().start().await.is_err());
    let (wrong, missing) = findings(&site).await;
    assert!(wrong[0].contains("staticfiles.json") && missing.is_empty());
    site.collect(&[]).await.unwrap();
    assert!(site.app().start().await.is_ok());
}
