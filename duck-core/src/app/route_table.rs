//! The URL patterns of a site, made into routes.

use std::sync::Arc;

use http::Method;

use crate::app::context::UrlNames;
use crate::error::{Error, Result};
use crate::middleware::ErasedMiddleware;
use crate::routing::converter::Converter;
use crate::routing::endpoint::Route;
use crate::routing::pattern::Pattern;
use crate::routing::route::{RouteInfo, RouteLine};
use crate::routing::routes::{Key, Routes};
use crate::routing::urls::{Matcher, UrlPattern};
use crate::settings::Settings;

/// The routes of a site while it starts.
#[derive(Default)]
pub(super) struct RouteTable {
    pub(super) routes: Routes,
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
        let Place {
            key,
            text,
            params,
            reverse,
        } = Place::of(&pattern.matcher)?;
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
        self.lines.push(line(&pattern, &text));
        if let (Some(name), Some(reverse)) = (&pattern.name, reverse) {
            self.names.insert(name, &text, reverse)?;
        }
        let info = RouteInfo {
            path: Some(text),
            name: pattern.name,
            view: Some(pattern.view_name),
            params,
            max_body: pattern.max_body,
            csrf_exempt: pattern.csrf == Some(false),
            public: pattern.public,
        };
        let info = Arc::new(info);
        let mut layers = site_layers.to_vec();
        layers.extend(pattern.layers);
        let view = (pattern.view)(settings)?;
        let make = || Route {
            info: info.clone(),
            layers: layers.clone(),
            view: view.clone(),
        };
        if pattern.any_method {
            return self.routes.add_any(key, make());
        }
        self.routes.add(key, pattern.methods, make)
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
    fn of(matcher: &Matcher) -> Result<Self> {
        match matcher {
            Matcher::Path(path) => {
                let pattern = Pattern::parse(path).map_err(Error::internal)?;
                let params = pattern
                    .params()
                    .map(|param| (param.name.clone(), param.converter))
                    .collect();
                let key = Key::Path(pattern.matchit());
                Ok(Self {
                    key,
                    text: path.clone(),
                    params,
                    reverse: Some(pattern),
                })
            }
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
