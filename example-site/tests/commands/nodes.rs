//! Two nodes behind a real nginx, which keep their sessions on one server. The configuration of nginx is that of the
//! guide.

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rustix::process::Signal;
use tempfile::TempDir;

use crate::engine::{Engine, free_port};
use crate::site::{Server, Site, Visitor, wait_until};

const GUIDE: &str = include_str!("../../../docs/from-one-machine-to-many.md");

/// A machine: its folder, and the socket that its service manager keeps open while the site restarts.
struct Node {
    site: Site,
    socket: TcpListener,
}

impl Node {
    fn new(engine: &Engine) -> Self {
        let mut site = Site::new();
        site.set("SESSION_STORAGE", engine.storage());
        site.unset("SESSION_DIR");
        site.set_list("TRUSTED_PROXIES", &["127.0.0.1"]);
        engine.tell(&mut site);
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        Self { site, socket }
    }

    fn address(&self) -> String {
        self.socket.local_addr().unwrap().to_string()
    }

    fn serve(&self) -> Server {
        let socket = self.socket.try_clone().unwrap();
        let run = r#"exec "$0" run"#;
        self.site.serve_on(socket, run, Stdio::null())
    }
}

/// Two nodes. What is no session they share as well: in a test it is a file.
fn nodes(engine: &Engine) -> [Node; 2] {
    let mut nodes = [Node::new(engine), Node::new(engine)];
    let database = nodes[0].site.path("example-site.db");
    let url = format!("sqlite:{}", database.display());
    for node in &mut nodes {
        node.site.set("DATABASE_URL", &url);
    }
    nodes
}

struct Nginx {
    process: Child,
    folder: TempDir,
    address: String,
}

impl Nginx {
    /// `None` where there is no nginx; in CI that is a failure.
    fn before(nodes: &[Node; 2]) -> Option<Self> {
        let places = ["/usr/sbin/nginx", "/usr/bin/nginx", "/usr/local/sbin/nginx"];
        let Some(program) = places.into_iter().find(|place| Path::new(place).exists()) else {
            let is_ci = std::env::var("CI").as_deref() == Ok("true");
            assert!(!is_ci, "nginx is missing");
            eprintln!("NOT TESTED: nginx is missing (`apt install nginx-light`)");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let address = format!("127.0.0.1:{}", free_port());
        let file = folder.path().join("nginx.conf");
        std::fs::write(&file, configuration(folder.path(), &address, nodes)).unwrap();
        let process = Command::new(program)
            .arg("-e")
            .arg(folder.path().join("error.log"))
            .arg("-c")
            .arg(file)
            .spawn()
            .unwrap();
        wait_until(|| TcpStream::connect(&address).is_ok());
        Some(Self {
            process,
            folder,
            address,
        })
    }

    fn errors(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("error.log")).unwrap()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What the guide says, at the addresses of the test and without a certificate.
fn configuration(folder: &Path, address: &str, nodes: &[Node; 2]) -> String {
    let guide = GUIDE.split("```nginx\n").nth(1).unwrap();
    let mut site = guide.split("```").next().unwrap().to_owned();
    for (theirs, ours) in [
        ("10.0.0.11:8000", nodes[0].address()),
        ("10.0.0.12:8000", nodes[1].address()),
        ("listen 443 ssl", format!("listen {address}")),
    ] {
        assert!(site.contains(theirs), "{theirs}");
        site = site.replace(theirs, &ours);
    }
    let folder = folder.display();
    let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
        .map(|name| format!("{name}_temp_path {folder}/{name};\n"))
        .concat();
    format!(
        "daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log warn;
         events {{ worker_connections 500; }}
         http {{ access_log off; {temporary} {site} }}"
    )
}

/// Buys, looks at the cart and comes to the home page until it is told to stop. How often.
fn shop(mut visitor: Visitor, address: &str, stop: &AtomicBool) -> u64 {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        for (method, path, expected) in [
            ("POST", "/shop/cart/add/1", 303),
            ("GET", "/shop/cart", 200),
            ("GET", "/", 200),
        ] {
            let (status, page) = visitor.try_at(address, method, path, "");
            assert_eq!(status, expected, "{method} {path}: {page}");
        }
        rounds += 1;
    }
    rounds
}

/// Each node in turn, twice: it stops, starts anew, and answers before it is the turn of the other.
fn restart_each(nodes: &[Node; 2], servers: &mut [Server; 2]) {
    for _ in 0..2 {
        for (node, server) in nodes.iter().zip(&mut *servers) {
            thread::sleep(Duration::from_millis(500));
            server.signal(Signal::TERM);
            assert_eq!(server.ended().code(), Some(0));
            *server = node.serve();
            Visitor::default().me(server);
        }
    }
    thread::sleep(Duration::from_millis(500));
}

/// A new release is rolled out while visitors buy, each in two windows at once.
#[test]
fn a_rolling_restart_fails_no_request_and_loses_no_write() {
    for engine in Engine::all() {
        let nodes = nodes(&engine);
        let mut servers = [nodes[0].serve(), nodes[1].serve()];
        let Some(nginx) = Nginx::before(&nodes) else {
            return;
        };
        let mut visitors = [(); 4].map(|()| Visitor::default());
        for visitor in &mut visitors {
            visitor.try_at(&nginx.address, "GET", "/", "");
        }
        let stop = AtomicBool::new(false);
        let bought = thread::scope(|scope| {
            let open = |visitor: &Visitor| {
                let (visitor, stop, address) = (visitor.clone(), &stop, &nginx.address);
                scope.spawn(move || shop(visitor, address, stop))
            };
            let windows: Vec<_> = visitors
                .iter()
                .map(|visitor| [open(visitor), open(visitor)])
                .collect();
            restart_each(&nodes, &mut servers);
            stop.store(true, Ordering::Relaxed);
            let rounds = windows
                .into_iter()
                .map(|both| both.map(|window| window.join().unwrap()));
            rounds
                .map(|both| both.iter().sum::<u64>())
                .collect::<Vec<_>>()
        });
        for (visitor, bought) in visitors.iter_mut().zip(bought) {
            assert!(bought > 20, "there was no load: {bought}");
            let (_, cart) = visitor.try_at(&nginx.address, "GET", "/shop/cart", "");
            let line = format!("{bought} × Rubber duck");
            assert!(cart.contains(&line), "{} {line}: {cart}", engine.storage());
            assert_eq!(
                visitor.me(&servers[0]).1,
                bought + 1,
                "{}",
                engine.storage()
            );
        }
        assert_eq!(nginx.errors(), "", "{}", engine.storage());
        for node in &nodes {
            assert!(!node.site.path("sessions").exists(), "a session in a file");
        }
    }
}

#[test]
fn a_login_on_one_node_is_known_on_the_other_and_a_logout_is_final_on_both() {
    for engine in Engine::all() {
        let nodes = nodes(&engine);
        let [one, other] = [nodes[0].serve(), nodes[1].serve()];
        let mut ada = one.user("ada");
        for server in [&other, &one] {
            assert_eq!(
                ada.me(server).0.as_deref(),
                Some("ada"),
                "{}",
                engine.storage()
            );
        }
        let mut thief = ada.clone();
        ada.log_out(&other);
        for server in [&one, &other] {
            assert_eq!(thief.clone().me(server).0, None, "{}", engine.storage());
            assert_eq!(ada.me(server).0, None, "{}", engine.storage());
        }
        thief.log_in(&one, "ada");
        assert_eq!(thief.me(&other).0.as_deref(), Some("ada"));
        nodes[1]
            .site
            .json(&["revoke-user", &crate::site::id_of("ada")]);
        assert_eq!(thief.me(&one).0, None, "{}", engine.storage());
    }
}

/// A machine that is gone: nobody keeps its socket open.
#[test]
fn the_other_node_answers_for_one_that_is_gone() {
    for engine in Engine::all() {
        let [one, other] = nodes(&engine);
        let both = [one, other];
        let [first, mut second] = [both[0].serve(), both[1].serve()];
        let Some(nginx) = Nginx::before(&both) else {
            return;
        };
        let mut ada = first.user("ada");
        let [_one, gone] = both;
        drop(gone);
        second.signal(Signal::TERM);
        second.ended();
        for _ in 0..20 {
            assert_eq!(
                ada.try_at(&nginx.address, "POST", "/shop/cart/add/1", "").0,
                303
            );
            thread::sleep(Duration::from_millis(5));
        }
        let (_, cart) = ada.try_at(&nginx.address, "GET", "/shop/cart", "");
        assert!(cart.contains("20 × Rubber duck"), "{cart}");
        drop(first);
    }
}
