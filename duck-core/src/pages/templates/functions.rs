//! The functions of a template that need the request.

use minijinja::value::{Rest, ValueKind};
use minijinja::{Error, ErrorKind, Value};

use crate::http::request::Request;

/// `url(name, values…)`: the path of a page.
pub(super) fn url(request: Request) -> Value {
    Value::from_function(move |name: &str, values: Rest<Value>| {
        let parts: Result<Vec<String>, Error> =
            values.iter().map(|value| part(name, value)).collect();
        request.url(name, &parts?[..]).map_err(|why| refused(&why))
    })
}

/// A value of a path as text.
fn part(name: &str, value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::String | ValueKind::Number | ValueKind::Bool => Ok(value.to_string()),
        kind => Err(refused(&format!(
            "url({name:?}, …) takes texts and numbers, not a value of type {kind}"
        ))),
    }
}

/// `static(path)`: the URL of a static file.
pub(super) fn static_url(request: Request) -> Value {
    Value::from_function(move |path: &str| {
        let url = request
            .static_url(path)
            .map_err(|why| refused(&why.cause()))?;
        Ok::<_, Error>(Value::from(url.into_owned()))
    })
}

/// `csp_nonce()`: what the page's own scripts and styles bear.
pub(super) fn csp_nonce(request: Request) -> Value {
    Value::from_function(move || Value::from(request.csp_nonce()))
}

/// `csrf_field()` where nothing asks for a token.
pub(super) fn csrf_field() -> Value {
    Value::from_function(|| Value::from_safe_string(String::new()))
}

fn refused(why: &impl ToString) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.to_string())
}
