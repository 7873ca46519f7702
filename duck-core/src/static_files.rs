//! Files as responses: one file, or a folder of them.

use crate::error::Result;
use crate::request::Request;
use crate::response::Response;
use crate::settings::{Settings, SettingsError};
use crate::urls::{UrlPattern, path};

/// The URL pattern of a site's folder of static files.
pub(crate) fn pattern(settings: &Settings) -> Result<UrlPattern, SettingsError> {
    let url = settings
        .get::<String>("STATIC_URL")?
        .unwrap_or_else(|| "/static/".to_owned());
    let folder = settings.resolve(
        settings
            .get::<String>("STATIC_DIR")?
            .unwrap_or_else(|| "static".to_owned()),
    );
    let _ = folder;
    Ok(path(
        &format!("{url}<path:path>"),
        async |_request: Request, _path: String| -> Result<Response> {
            Err(crate::Error::not_found("not yet"))
        },
    )
    .name("static"))
}
