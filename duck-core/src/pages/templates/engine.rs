//! The templates of a site, compiled.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use minijinja::{
    AutoEscape, Environment, Error as EngineError, ErrorKind, Output, State, TemplateSource,
    UndefinedBehavior, Value, escape_formatter,
};

use super::context::Context;
use super::error::TemplateError;
use super::folder::{Folder, Found, Version};
use super::kind::kind;
use super::lazy::{LazyValue, NotFetched};
use super::names::Names;
use crate::error::Result;
use crate::http::parsing;
use crate::http::request::Request;
use crate::http::request_error::RequestError;
use crate::pages::escape::escape_html;
use crate::pages::large_form::LargeForm;

/// How the templates of a site compile.
pub(super) struct Checked {
    /// How many the site has.
    #[cfg_attr(
        not(feature = "cli"),
        expect(dead_code, reason = "the command `check` says it")
    )]
    pub(super) templates: usize,
    /// What is wrong with those that do not.
    pub(super) wrong: Vec<String>,
}

/// All templates of a site, and the names that each of them has.
pub(crate) struct Engine {
    environment: Environment<'static>,
    lazy: Arc<[LazyValue]>,
    folders: Arc<[Folder]>,
}

impl Engine {
    /// With `reloads` a template that was edited is read again.
    pub(super) fn new(
        mut environment: Environment<'static>,
        lazy: Vec<LazyValue>,
        folders: Vec<Folder>,
        reloads: bool,
    ) -> Self {
        let folders: Arc<[Folder]> = folders.into();
        environment.set_loader(loader(folders.clone()));
        environment.set_auto_reload(reloads);
        // A page that differs in production would be worse than an error that a test finds.
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.set_auto_escape_callback(|name| kind(name).1);
        environment.set_formatter(write_value);
        // For the name of what is undefined. Only an error costs anything for it.
        environment.set_debug(true);
        Self {
            environment,
            lazy: lazy.into(),
            folders,
        }
    }

    /// The template's text, filled in.
    ///
    /// A value that has to be fetched ends the rendering where it is first used; it is fetched, and the
    /// template is rendered again. What stands behind that use was not looked at yet, so a value that is
    /// named in a branch not taken, or a block that another one replaces, is never fetched. There are
    /// as many passes as values used, and one more.
    pub(super) async fn render(
        &self,
        request: &Request,
        name: &str,
        view: Context,
    ) -> Result<String> {
        let mut names = Names::new(view, request.clone(), self.lazy.clone());
        loop {
            let pass = Arc::new(names);
            let drawn = match request.get::<LargeForm>() {
                None => self.pass(name, pass.clone()),
                Some(_) => pass_off_the_workers(request, name, pass.clone()).await?,
            };
            let missing = match drawn {
                Ok(text) => return Ok(text),
                Err(error) => match NotFetched::of(&error) {
                    Some(NotFetched(place)) => place,
                    None => return Err(TemplateError::new(name, error).into()),
                },
            };
            let value = self.lazy[missing].load(request).await?;
            names = pass.with(missing, value);
        }
    }

    fn pass(&self, name: &str, names: Arc<Names>) -> Result<String, EngineError> {
        let template = self.environment.get_template(name)?;
        template.render(Value::from_dyn_object(names))
    }

    /// Whether there is a template of this name.
    pub(in crate::pages) fn has(&self, name: &str) -> bool {
        self.folders.iter().any(|folder| folder.has(name))
    }

    /// Compiles every template.
    pub(super) fn check(&self) -> Checked {
        let (mut names, mut wrong) = (BTreeSet::new(), Vec::new());
        let mut templates = 0;
        for folder in &*self.folders {
            // Duck's own are the last ones, and are not the site's.
            templates = names.len();
            match folder.names() {
                Ok(found) => names.extend(found),
                Err(error) => wrong.push(format!(
                    "the folder of templates {} cannot be read: {error}",
                    folder.describe("")
                )),
            }
        }
        let broken = names.iter().filter_map(|name| self.wrong(name));
        wrong.extend(broken);
        Checked { templates, wrong }
    }

    /// What is wrong with a template: `templates/home.html:3: syntax error: …`.
    fn wrong(&self, name: &str) -> Option<String> {
        let error = self.environment.get_template(name).err()?;
        let error = TemplateError::new(name, error);
        let file = self.folders.iter().find(|folder| folder.has(name));
        let file = file.map_or_else(|| name.to_owned(), |folder| folder.describe(name));
        let line = error
            .line()
            .map_or_else(String::new, |line| format!(":{line}"));
        Some(format!("{file}{line}: {}", error.message()))
    }
}

/// As [`Engine::pass`], where it takes long.
async fn pass_off_the_workers(
    request: &Request,
    name: &str,
    names: Arc<Names>,
) -> Result<Result<String, EngineError>, RequestError> {
    let (request, name) = (request.clone(), name.to_owned());
    parsing::off_the_workers(move || Ok(request.state::<Engine>()?.pass(&name, names))).await?
}

/// Writes a value into a page. minijinja would write each `/` of a text as `&#x2f;`: right, and hard to read.
fn write_value(
    out: &mut Output<'_>,
    state: &mut State<'_, '_>,
    value: &Value,
) -> std::result::Result<(), EngineError> {
    match value.as_str() {
        Some(text) if !value.is_safe() && matches!(state.auto_escape(), AutoEscape::Html) => {
            Ok(out.write_str(&escape_html(text))?)
        }
        _ => escape_formatter(out, state, value),
    }
}

/// Reads templates for the engine.
fn loader(
    folders: Arc<[Folder]>,
) -> impl Fn(&str) -> Result<Option<TemplateSource>, EngineError> + Send + Sync {
    move |name| {
        let found = find(&folders, name).map_err(|error| {
            EngineError::new(
                ErrorKind::InvalidOperation,
                format!("{name} cannot be read: {error}"),
            )
        })?;
        let Some(Found { text, version }) = found else {
            return Ok(None);
        };
        let (folders, name) = (folders.clone(), name.to_owned());
        // Also when a folder further up has got a template of this name.
        let is_current = move || newest(&folders, &name) == version;
        Ok(Some(
            TemplateSource::new(text).with_uptodate_check(is_current),
        ))
    }
}

/// The template of this name in the first folder that has one.
fn find(folders: &[Folder], name: &str) -> io::Result<Option<Found>> {
    let mut found = folders.iter().map(|folder| folder.find(name));
    found.find_map(io::Result::transpose).transpose()
}

/// The version of what [`find`] would give.
fn newest(folders: &[Folder], name: &str) -> Option<Version> {
    folders
        .iter()
        .find(|folder| folder.has(name))?
        .version(name)
}
