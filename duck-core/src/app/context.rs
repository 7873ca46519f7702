//! What all requests of a site share.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::Arc;

use http::HeaderName;

use crate::app::floods::Floods;
use crate::app::log_kind::Kind;
use crate::app::readiness::Readiness;
use crate::app::stopping::Stopping;
use crate::error::statuses::Statuses;
use crate::error::{Error, Result};
use crate::http::proxies::Proxies;
use crate::http::request_error::RequestError;
use crate::middleware::allowed_hosts::AllowedHosts;
use crate::middleware::cross_site::CrossSite;
use crate::middleware::security_headers::SecurityHeaders;
use crate::routing::host::HostPattern;
use crate::routing::pattern::Pattern;
use crate::routing::route::RouteLine;
use crate::server::limits::Limits;
use crate::settings::Settings;

#[derive(Default)]
pub(crate) struct Context {
    pub(crate) settings: Settings,
    pub(crate) debug: bool,
    pub(crate) limits: Limits,
    pub(crate) proxies: Proxies,
    pub(crate) hosts: AllowedHosts,
    pub(crate) cross_site: CrossSite,
    /// `None` where `SECURITY_HEADERS` is off.
    pub(crate) security_headers: Option<SecurityHeaders>,
    pub(crate) urls: UrlNames,
    pub(crate) state: State,
    pub(crate) statuses: Statuses,
    /// As the `routes` command lists them.
    pub(crate) routes: Vec<RouteLine>,
    pub(crate) floods: Floods<Kind>,
    pub(crate) readiness: Readiness,
    pub(crate) stopping: Stopping,
    /// What each response says its request's id in.
    pub(crate) request_id_header: Option<HeaderName>,
    /// Whether each request is a line of the log.
    pub(crate) logs_requests: bool,
}

/// Values of the site's own, one of each type.
#[derive(Default)]
pub(crate) struct State(HashMap<TypeId, Box<dyn Any + Send + Sync>>);

impl State {
    /// What is said where a site was not given what a view asks for.
    pub(crate) fn missing<T>() -> String {
        let name = std::any::type_name::<T>();
        format!("no state of type `{name}`: add `.state(…)` to the app")
    }

    pub(crate) fn insert<T: Send + Sync + 'static>(&mut self, value: T) {
        self.0.insert(TypeId::of::<T>(), Box::new(value));
    }

    #[cfg(feature = "templates")]
    pub(crate) fn get_or_default<T: Default + Send + Sync + 'static>(&mut self) -> &mut T {
        let value = self.0.entry(TypeId::of::<T>());
        let value = value.or_insert_with(|| Box::new(T::default()));
        value.downcast_mut().expect("it is kept under its type")
    }

    #[cfg(feature = "templates")]
    pub(crate) fn take<T: Send + Sync + 'static>(&mut self) -> Option<T> {
        let value = self.0.remove(&TypeId::of::<T>())?;
        value.downcast().ok().map(|value| *value)
    }

    pub(crate) fn get<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.0.get(&TypeId::of::<T>())?.downcast_ref()
    }
}

/// The site's URL patterns by name.
#[derive(Default)]
pub(crate) struct UrlNames(HashMap<String, Named>);

/// Where a name leads.
pub(crate) struct Named {
    /// As it was written.
    pub(crate) text: String,
    pub(crate) host: Option<Arc<HostPattern>>,
    pub(crate) path: Pattern,
}

impl UrlNames {
    /// Adds a name. The views of one path, each for its methods, may share it.
    pub(crate) fn insert(&mut self, name: &str, named: Named) -> Result<()> {
        match self.0.get(name) {
            Some(Named { text, .. }) if *text != named.text => Err(Error::internal(format!(
                "the URL patterns {text:?} and {:?} are both named {name:?}",
                named.text
            ))),
            _ => {
                self.0.insert(name.to_owned(), named);
                Ok(())
            }
        }
    }

    /// The path of a page, by its name, and its host where it has one of its own. The values of the host come first.
    pub(crate) fn reverse(
        &self,
        name: &str,
        values: &[String],
    ) -> Result<(Option<String>, String), RequestError> {
        let named = self.0.get(name).ok_or_else(|| {
            let nearest = self.0.keys().max_by(|a, b| {
                strsim::jaro_winkler(a, name).total_cmp(&strsim::jaro_winkler(b, name))
            });
            let hint = nearest.map_or_else(String::new, |nearest| {
                format!("; did you mean {nearest:?}?")
            });
            RequestError::internal(format!("no URL pattern is named {name:?}{hint}"))
        })?;
        named
            .fill(values)
            .map_err(|why| RequestError::internal(format!("the URL {name:?}: {why}")))
    }
}

impl Named {
    fn fill(&self, values: &[String]) -> Result<(Option<String>, String), String> {
        let Some(host) = &self.host else {
            return Ok((None, self.path.fill(values)?));
        };
        let of_host = host.params().count();
        let Some((first, rest)) = values.split_at_checked(of_host) else {
            let given = values.len();
            return Err(format!(
                "its host has {of_host} parameters, and {given} values were given for host and path"
            ));
        };
        Ok((Some(host.fill(first)?), self.path.fill(rest)?))
    }
}
