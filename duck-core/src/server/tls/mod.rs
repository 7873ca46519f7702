//! HTTPS: TLS 1.2 (RFC 5246) and 1.3 (RFC 8446) around any listener, by rustls with ring.

mod certificate;
mod files;
mod stream;

pub use self::certificate::Certificate;
pub use self::files::CertificateError;
pub(crate) use self::files::Files;
pub use self::stream::{Tls, TlsStream};
