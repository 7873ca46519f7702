//! The names of a template: the view's, then Duck's.

use std::sync::Arc;
use std::time::SystemTime;

use minijinja::Value;
use minijinja::value::{Enumerator, Object};

use super::context::Context;
use super::functions;
use super::lazy::LazyValue;
use crate::http::request::Request;

/// What a template is rendered with. Each name is made when the template asks for it.
pub(super) struct Names {
    view: Context,
    request: Request,
    lazy: Arc<[LazyValue]>,
    /// The lazy values that have been fetched, by their places.
    loaded: Vec<(usize, Value)>,
}

impl Names {
    pub(super) fn new(view: Context, request: Request, lazy: Arc<[LazyValue]>) -> Self {
        Self {
            view,
            request,
            lazy,
            loaded: Vec::new(),
        }
    }

    /// The same names with one more value that was fetched.
    pub(super) fn with(&self, place: usize, value: Value) -> Self {
        let mut loaded = self.loaded.clone();
        loaded.push((place, value));
        Self {
            view: self.view.clone(),
            request: self.request.clone(),
            lazy: self.lazy.clone(),
            loaded,
        }
    }

    fn lazy(&self, name: &str) -> Option<Value> {
        let place = self.lazy.iter().position(|lazy| lazy.name == name)?;
        let loaded = self.loaded.iter().find(|(loaded, _)| *loaded == place);
        Some(self.lazy[place].value(place, loaded.map(|(_, value)| value)))
    }

    fn own(&self, name: &str) -> Option<Value> {
        let request = || self.request.clone();
        Some(match name {
            "request" => Value::from_object(About(request())),
            "url" => functions::url(request()),
            "static" => functions::static_url(request()),
            "csp_nonce" => functions::csp_nonce(request()),
            "csrf_field" => functions::csrf_field(),
            "now" => Value::from(humantime::format_rfc3339_seconds(SystemTime::now()).to_string()),
            _ => return None,
        })
    }
}

impl Object for Names {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let view = self.view.get(name).cloned();
        view.or_else(|| self.lazy(name)).or_else(|| self.own(name))
    }
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view.fmt(f)
    }
}

/// `request` in a template.
#[derive(Debug)]
struct About(Request);

impl Object for About {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.get_value_by_str(key.as_str()?)
    }

    fn get_value_by_str(self: &Arc<Self>, name: &str) -> Option<Value> {
        let request = &self.0;
        Some(match name {
            "path" => Value::from(request.path()),
            "method" => Value::from(request.method().as_str()),
            "route" => Value::from(request.route_name()),
            "is_secure" => Value::from(request.is_secure()),
            "host" => Value::from(request.host()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["path", "method", "route", "is_secure", "host"])
    }
}
