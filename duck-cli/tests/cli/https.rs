//! `duck run --https` on a small stand-in for a site, which says what it was given.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use crate::environment::Environment;
use crate::run::{Running, site};

/// Makes a certificate when it is told to, notes each time, and answers with what it has in its environment.
const MAIN: &str = r#"
use std::io::{Read, Write};
fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let given = |name: &str| std::env::var(name).unwrap_or("nothing".into());
    if args[0] == "ssl-gen" {
        assert_eq!(args, ["ssl-gen", "--force"]);
        if cfg!(feature = "none") {
            eprintln!("error: there is no command \"ssl-gen\"");
            std::process::exit(2);
        }
        std::fs::create_dir_all(".duck").unwrap();
        for name in ["DUCK_TLS_CERT", "DUCK_TLS_KEY"] {
            std::fs::write(given(name), "made").unwrap();
        }
        let mut notes = std::fs::File::options().create(true).append(true).open("made").unwrap();
        return writeln!(notes, "once").unwrap();
    }
    let listener = duck::ListenFd::from_env().take_tcp_listener(0).unwrap().unwrap();
    eprintln!("  Serving");
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let _ = stream.read(&mut [0; 64]);
        let names = ["DUCK_TLS_CERT", "DUCK_TLS_KEY", "DUCK_HTTP_REDIRECT_ADDRESS"];
        let _ = writeln!(stream, "{} {}", names.map(given).join("|"), std::process::id());
    }
}
"#;

fn stand_in(main: &str) -> Environment {
    let environment = site();
    environment.write("site/src/main.rs", main);
    environment
}

fn made(environment: &Environment) -> String {
    fs::read_to_string(environment.path("site/made")).unwrap_or_default()
}

#[test]
fn a_certificate_is_made_once_and_given_to_the_site() {
    let environment = stand_in(MAIN);
    for _ in 0..2 {
        let running = Running::start(&environment, &["--https"]);
        let line = running.says("Serving");
        assert!(
            line.contains(&format!("https://{}", running.address)),
            "{line}"
        );
        let folder = environment.path("site").canonicalize().unwrap();
        let [certificate, key] =
            ["cert.pem", "key.pem"].map(|name| folder.join(".duck").join(name));
        let expected = format!("{}|{}|", certificate.display(), key.display());
        assert_eq!(running.ask().0, expected);
        assert_eq!(made(&environment), "once\n");
        assert!(certificate.exists() && key.exists());
    }
    fs::remove_file(environment.path("site/.duck/key.pem")).unwrap();
    let running = Running::start(&environment, &["--https"]);
    running.says("Serving");
    assert_eq!(made(&environment), "once\nonce\n", "half of it is none");
}

#[test]
fn a_visitor_waits_for_the_site_rather_than_get_a_page_in_clear() {
    let environment = stand_in(MAIN);
    let running = Running::start(&environment, &["--https"]);
    running.says("visitors wait");
    let mut early = TcpStream::connect(running.address).unwrap();
    early.write_all(b"\x16\x03\x01").unwrap();
    early
        .set_read_timeout(Some(Duration::from_secs(120)))
        .unwrap();
    running.says("Serving");
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut early, &mut answer).unwrap();
    assert!(answer.contains("cert.pem"), "{answer}");
}

#[test]
fn a_certificate_of_the_settings_is_the_sites_affair() {
    let environment = stand_in(MAIN);
    environment.write(
        "site/settings.toml",
        "TLS_CERT = 'a.pem'\nTLS_KEY = 'b.pem'\n",
    );
    for args in [&["--https"][..], &[]] {
        let running = Running::start(&environment, args);
        assert!(running.says("Serving").contains("https://"));
        // No second process of the site could have the socket of the redirect.
        assert_eq!(running.ask().0, "nothing|nothing|");
        assert_eq!(made(&environment), "");
    }
}

#[test]
fn without_https_nothing_of_it_is_given() {
    let environment = stand_in(MAIN);
    let running = Running::start(&environment, &[]);
    assert!(running.says("Serving").contains("http://"));
    assert_eq!(running.ask().0, "nothing|nothing|nothing");
    assert_eq!(made(&environment), "");
}

#[test]
fn a_site_that_is_built_without_https_is_told_how_to_have_it() {
    let environment = stand_in(&MAIN.replace("cfg!(feature = \"none\")", "true"));
    let running = Running::start(&environment, &["--https"]);
    running.says("`cargo add duck-core --features tls`");
    running.says("Waiting");
}
