//! The listening socket. `duck run` opens it and lends it to the site, so that it stays open while
//! one build of the site follows another.

use std::io::ErrorKind;
use std::net::TcpListener;

use crate::failure::{Failure, Result};

/// How many ports above a taken one are tried, to name a free one.
const TRIES: u16 = 50;

/// Opens the socket. Where the port is taken, the error names a free one.
pub(crate) fn listen(host: &str, port: u16) -> Result<TcpListener> {
    TcpListener::bind((host, port)).map_err(|error| match error.kind() {
        ErrorKind::AddrInUse => Failure::new(taken(host, port)),
        ErrorKind::PermissionDenied => Failure::new(format!(
            "you may not listen on port {port}; those from 1024 are open to everyone: `duck run --port 8000`"
        )),
        _ => Failure::new(format!("cannot listen on host `{host}`, port {port}: {error}")),
    })
}

fn taken(host: &str, port: u16) -> String {
    let above = (1..=TRIES).filter_map(|step| port.checked_add(step));
    let free = above
        .into_iter()
        .find(|&port| TcpListener::bind((host, port)).is_ok());
    let free = free.unwrap_or(0);
    format!("port {port} is used by another program; try `duck run --port {free}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_taken_port_names_a_free_one() {
        let first = listen("127.0.0.1", 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let sentence = listen("127.0.0.1", port).unwrap_err().to_string();
        assert!(
            sentence.starts_with(&format!(
                "port {port} is used by another program; try `duck run --port "
            )),
            "{sentence}"
        );
    }

    #[test]
    fn a_host_of_another_machine_is_named() {
        let sentence = listen("192.0.2.1", 0).unwrap_err().to_string();
        assert!(sentence.contains("192.0.2.1"), "{sentence}");
    }
}
