//! The functions of a template that need the request.

use std::sync::Arc;

use minijinja::value::{Object, ObjectRepr, Rest, ValueKind, from_args};
use minijinja::{Error, ErrorKind, State, Value};

use crate::http::request::Request;

/// `url(name, values…)`: the path of a page.
#[derive(Debug)]
pub(super) struct Url(pub(super) Request);

impl Object for Url {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        let (name, values): (&str, Rest<Value>) = from_args(arguments)?;
        let values: Result<Vec<String>, Error> =
            values.iter().map(|value| part(name, value)).collect();
        let url = self
            .0
            .url(name, &values?[..])
            .map_err(|why| refused(&why))?;
        Ok(Value::from(url))
    }
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
#[derive(Debug)]
pub(super) struct Static(pub(super) Request);

impl Object for Static {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        let (path,): (&str,) = from_args(arguments)?;
        let url = self
            .0
            .static_url(path)
            .map_err(|why| refused(&why.cause()))?;
        Ok(Value::from(url.into_owned()))
    }
}

/// `csp_nonce()`: what the page's own scripts and styles bear.
#[derive(Debug)]
pub(super) struct CspNonce(pub(super) Request);

impl Object for CspNonce {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        let () = from_args(arguments)?;
        Ok(Value::from(self.0.csp_nonce()))
    }
}

/// `csrf_field()` where nothing asks for a token.
#[derive(Debug)]
pub(super) struct CsrfField;

impl Object for CsrfField {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, arguments: &[Value]) -> Result<Value, Error> {
        let () = from_args(arguments)?;
        Ok(Value::from_safe_string(String::new()))
    }
}

fn refused(why: &impl ToString) -> Error {
    Error::new(ErrorKind::InvalidOperation, why.to_string())
}
