//! A certificate for `localhost`, and the root that signs it.

use std::path::Path;
use std::process::Command;

const MAKE: &str = "
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=root \
        -addext basicConstraints=critical,CA:TRUE -keyout root.key -out root.crt
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj /CN=localhost \
        -keyout server.key -out server.csr
    printf 'subjectAltName=DNS:localhost' > server.ext
    openssl x509 -req -in server.csr -CA root.crt -CAkey root.key -CAcreateserial -days 2 -extfile server.ext -out server.crt
    chmod 600 server.key
";

/// Makes `server.crt`, `server.key` and `root.crt` in this folder.
pub(crate) fn make(folder: &Path) {
    let made = Command::new("sh")
        .current_dir(folder)
        .args(["-ec", MAKE])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}
