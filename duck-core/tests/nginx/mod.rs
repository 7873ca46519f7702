//! A real nginx of a test's own.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(60);

/// It ends with the test.
pub(crate) struct Nginx {
    process: Child,
    pub(crate) folder: tempfile::TempDir,
}

impl Nginx {
    /// With what `configure` says in its block `http`; `configure` and `is_up` are told the folder of its files.
    /// `None` where there is no nginx. Where `CI` is set, there has to be.
    pub(crate) async fn start(
        configure: impl FnOnce(&Path) -> String,
        is_up: impl AsyncFn(&Path) -> bool,
    ) -> Option<Self> {
        let Some(program) = program() else {
            let is_ci = std::env::var("CI").as_deref() == Ok("true");
            assert!(!is_ci, "CI has to have nginx");
            eprintln!("SKIPPED: there is no nginx on this machine");
            return None;
        };
        let folder = tempfile::tempdir().expect("a folder");
        let configuration = folder.path().join("nginx.conf");
        let text = in_foreground(folder.path(), &configure(folder.path()));
        std::fs::write(&configuration, text).expect("a file");
        let process = Command::new(program)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(configuration)
            .spawn()
            .expect("nginx starts");
        let nginx = Self { process, folder };
        let start = Instant::now();
        while !is_up(nginx.folder.path()).await {
            assert!(start.elapsed() < PATIENCE, "nginx says: {}", nginx.errors());
            sleep(Duration::from_millis(10)).await;
        }
        Some(nginx)
    }

    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        self.process.kill().expect("it runs");
        self.process.wait().expect("it ends");
    }
}

fn program() -> Option<&'static str> {
    let places = [
        "/usr/sbin/nginx",
        "/usr/local/sbin/nginx",
        "/usr/bin/nginx",
        "/usr/local/bin/nginx",
    ];
    places.into_iter().find(|place| Path::new(place).exists())
}

/// One process that stays in the foreground, and keeps its files in this folder.
fn in_foreground(folder: &Path, http: &str) -> String {
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};"))
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log info;
         events {{ worker_connections 500; }}
         http {{ access_log off; {temporary} {http} }}"
    )
}
