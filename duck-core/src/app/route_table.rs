//! The URL patterns of a site, made into routes.

use std::sync::Arc;

use http::Method;

use crate::app::context::{Named, UrlNames};
use crate::error::{Error, Result};
use crate::middleware::ErasedMiddleware;
use crate::routing::converter::Converter;
use crate::routing::endpoint::Route;
use crate::routing::host::HostPattern;
use crate::routing::hosts::Hosts;
use crate::routing::pattern::Pattern;
use crate::routing::route::{RouteInfo, RouteLine};
use crate::routing::router::Router;
use crate::routing::routes::{Key, Routes};
use crate::routing::urls::{Matcher, REST, Surroundings, UrlPattern};
use crate::settings::Settings;

/// The routes of a site while it starts.
#[derive(Default)]
pub(super) struct RouteTable {
    pub(super) routes: Routes,
    hosts: Vec<(Arc<HostPattern>, Routes)>,
    pub(super) names: UrlNames,
    /// What the command `routes` lists.
    pub(super) lines: Vec<RouteLine>,
}

impl RouteTable {
    pub(super) fn add(
        &mut self,
        pattern: UrlPattern,
        site_layers: &[Arc<dyn ErasedMiddleware>],
        settings: &Settings,
    ) -> Result<()> {
        let host = host_of(&pattern)?;
        let places = Place::all(&pattern.matcher)?;
        let Some(main) = places.first() else {
            return Ok(());
        };
        let text = format!("{}{}", pattern.hosts.concat(), main.text);
        check(&pattern, &text, host.as_deref(), &main.params)?;
        self.lines.push(line(&pattern, &main.text));
        if let (Some(name), Some(path)) = (&pattern.name, &main.reverse) {
            let (host, path) = (host.clone(), path.clone());
            self.names.insert(name, Named { text, host, path })?;
        }
        let mut layers = match pattern.inside {
            Surroundings::Site => site_layers.to_vec(),
            Surroundings::Log | Surroundings::Nothing => Vec::new(),
        };
        layers.extend(pattern.layers);
        let view = (pattern.view)(settings)?;
        let routes = self.routes_of(host.as_ref())?;
        for Place {
            key, text, params, ..
        } in places
        {
            let info = RouteInfo {
                host: host.clone(),
                path: Some(text),
                name: pattern.name.clone(),
                view: Some(pattern.view_name),
                params,
                max_body: pattern.max_body,
                csrf_exempt: pattern.csrf == Some(false),
                public: pattern.public,
                bare: pattern.inside == Surroundings::Nothing,
                #[cfg(feature = "metrics")]
                meter: crate::metrics::meter::Meter::default(),
            };
            let info = Arc::new(info);
            let make = || Route {
                info: info.clone(),
                layers: layers.clone(),
                view: view.clone(),
            };
            if pattern.any_method {
                routes.add_any(key, make())?;
            } else {
                routes.add(key, pattern.methods.clone(), make)?;
            }
        }
        Ok(())
    }

    /// The routes of a host, or those without one.
    fn routes_of(&mut self, host: Option<&Arc<HostPattern>>) -> Result<&mut Routes> {
        let Some(host) = host else {
            return Ok(&mut self.routes);
        };
        if let Some(place) = self.hosts.iter().position(|(other, _)| other == host) {
            return Ok(&mut self.hosts[place].1);
        }
        let equally = |other: &HostPattern| other.params().count() == host.params().count();
        let mut others = self.hosts.iter().map(|(other, _)| other);
        if let Some(other) = others.find(|other| equally(other) && other.overlaps(host)) {
            return Err(Error::internal(format!(
                "the hosts \"{other}\" and \"{host}\" cannot stand beside each other: some hosts would fit both"
            )));
        }
        self.hosts.push((host.clone(), Routes::default()));
        let last = self.hosts.len() - 1;
        Ok(&mut self.hosts[last].1)
    }

    /// The routers of the hosts, where there are any.
    pub(super) fn hosts(
        &mut self,
        layers: &[Arc<dyn ErasedMiddleware>],
        redirects_slashes: bool,
    ) -> Result<Option<Box<Hosts>>> {
        if self.hosts.is_empty() {
            return Ok(None);
        }
        let mut hosts = Box::<Hosts>::default();
        for (host, routes) in self.hosts.drain(..) {
            let mut router = Router::new(layers, redirects_slashes);
            routes.put_into(&mut router, layers)?;
            hosts.add(&host, router);
        }
        Ok(Some(hosts))
    }
}

fn host_of(pattern: &UrlPattern) -> Result<Option<Arc<HostPattern>>> {
    match &*pattern.hosts {
        [] => Ok(None),
        [host] => {
            let host = HostPattern::parse(host).map_err(Error::internal)?;
            Ok(Some(Arc::new(host)))
        }
        [inner, outer, ..] => Err(Error::internal(format!(
            "a URL pattern of the host {inner:?} stands inside of the host {outer:?}: it has one host"
        ))),
    }
}

/// Finds what a path and its view, or its host, have that does not fit together.
fn check(
    pattern: &UrlPattern,
    text: &str,
    host: Option<&HostPattern>,
    params: &[(String, Converter)],
) -> Result<()> {
    if pattern.view_params > params.len() {
        let (has, takes) = (params.len(), pattern.view_params);
        let view = pattern.view_name;
        return Err(Error::internal(format!(
            "`{text}` has {has} path parameters, but its view {view} takes {takes}"
        )));
    }
    if pattern.methods.is_empty() && !pattern.any_method {
        return Err(Error::internal(format!(
            "the URL pattern {text:?} answers no method: name one at least"
        )));
    }
    let mut of_host = host.iter().flat_map(|host| host.params());
    let both = of_host.find(|name| params.iter().any(|(param, _)| param == name));
    match both {
        Some(name) => Err(Error::internal(format!(
            "`{text}` has a parameter named `{name}` in its host and in its path"
        ))),
        None => Ok(()),
    }
}

fn line(pattern: &UrlPattern, path: &str) -> RouteLine {
    let mut methods: Vec<&str> = pattern.methods.iter().map(Method::as_str).collect();
    if methods.contains(&"GET") {
        methods.push("HEAD");
    }
    if pattern.any_method {
        methods = vec!["any"];
    }
    RouteLine {
        methods: methods.join(" "),
        host: pattern.hosts.concat(),
        path: path.to_owned(),
        name: pattern.name.clone().unwrap_or_default(),
        view: pattern.view_name,
    }
}

/// What a URL pattern's path or expression comes to.
struct Place {
    key: Key,
    text: String,
    params: Vec<(String, Converter)>,
    /// For making URLs; a regular expression cannot be filled in.
    reverse: Option<Pattern>,
}

impl Place {
    /// The one that is listed comes first.
    fn all(matcher: &Matcher) -> Result<Vec<Self>> {
        let Matcher::Below(prefix) = matcher else {
            return Ok(vec![Self::of(matcher)?]);
        };
        let prefix = prefix.trim_end_matches('/');
        let mut paths = vec![format!("{prefix}/<path:{REST}>"), format!("{prefix}/")];
        paths.extend((!prefix.is_empty()).then(|| prefix.to_owned()));
        paths.into_iter().map(Self::path).collect()
    }

    fn path(path: String) -> Result<Self> {
        let pattern = Pattern::parse(&path).map_err(Error::internal)?;
        let params = pattern
            .params()
            .map(|param| (param.name.clone(), param.converter))
            .collect();
        let key = Key::Path(pattern.matchit());
        Ok(Self {
            key,
            text: path,
            params,
            reverse: Some(pattern),
        })
    }

    fn of(matcher: &Matcher) -> Result<Self> {
        match matcher {
            Matcher::Path(path) | Matcher::Below(path) => Self::path(path.clone()),
            #[cfg(feature = "regex")]
            Matcher::Regex(expression) => {
                crate::routing::mistakes::check_expression(expression).map_err(Error::internal)?;
                let groups = regex::Regex::new(expression)?;
                let name = |(index, name): (usize, Option<&str>)| {
                    (
                        name.map_or_else(|| index.to_string(), str::to_owned),
                        Converter::Str,
                    )
                };
                let params = groups
                    .capture_names()
                    .enumerate()
                    .skip(1)
                    .map(name)
                    .collect();
                Ok(Self {
                    key: Key::Regex(expression.clone()),
                    text: expression.clone(),
                    params,
                    reverse: None,
                })
            }
        }
    }
}
