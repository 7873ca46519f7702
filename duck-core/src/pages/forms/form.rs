//! A form as a view has it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Serialize, Serializer};

use super::body::{Fielded, Sent};
use super::drawn;
use super::errors::Errors;
use super::form_type::FormType;
use super::name;
use super::read;
use super::shape::Shape;
use super::tree::Node;
use super::wording::Words;
use crate::http::parsing;
use crate::http::request::Request;
use crate::http::request_error::RequestError;
use crate::pages::large_form::{self, LargeForm};
use crate::pages::status::FormFailed;

/// A form: its fields, what was entered, and what is wrong with it. See
/// [`Request::form`](crate::Request::form).
///
/// A template is given it as a value, `context! { form }`:
///
/// | in a template | is |
/// |---|---|
/// | `form.title`, `form.address.zip`, `form.rows[0].price` | a field: `name`, `id`, `type`, `label`, `required`, `multiple`, `min`, `step`, `options`, `value`, `values`, `errors` |
/// | `form.rows` | the rows of a list of structs: those that were sent, or one that is empty |
/// | `form.errors` | the messages of the form as a whole, and of fields it does not have |
/// | `form.fields` | all fields, in the order of the struct |
/// | `form.is_bound` | whether it was sent |
/// | `form.enctype` | `multipart/form-data` where it has an [`Upload`](crate::forms::Upload), else `application/x-www-form-urlencoded` |
pub struct Form<T> {
    request: Request,
    shape: Arc<Shape>,
    tree: Node,
    is_bound: bool,
    state: Mutex<State<T>>,
}

struct State<T> {
    value: Option<T>,
    errors: Errors,
}

impl<T: FormType> Form<T> {
    /// A form that was not sent, and begins with these values.
    pub(super) fn unbound(request: &Request, tree: Node) -> Result<Self, RequestError> {
        let state = State {
            value: None,
            errors: Errors::default(),
        };
        Ok(Self {
            request: request.clone(),
            shape: Shape::of::<T>()?,
            tree,
            is_bound: false,
            state: Mutex::new(state),
        })
    }

    /// A form that was sent.
    pub(super) async fn bound(request: &Request) -> Result<Self, RequestError> {
        let shape = Shape::of::<T>()?;
        let sent = Sent::receive(request, &shape).await?;
        let request = request.clone();
        parsing::parse(sent.weight(), move || Self::read(request, shape, sent)).await
    }

    fn read(request: Request, shape: Arc<Shape>, sent: Sent) -> Result<Self, RequestError> {
        let Fielded { mut tree, wrong } = sent.into_tree(request.limits().max_fields)?;
        let words = Words::of(&request);
        let mut errors = Errors::default();
        for (field, problem) in wrong {
            errors.add(&field, words.say(&problem));
        }
        let (value, errors) = read::read(&tree, &shape, &words, errors);
        tree.forget_files();
        if !errors.is_empty() {
            request.insert(FormFailed);
        }
        Ok(Self {
            request,
            shape,
            tree,
            is_bound: true,
            state: Mutex::new(State { value, errors }),
        })
    }
}

impl<T> Form<T> {
    /// Without what was entered into these fields, so that no template can show it.
    #[cfg(feature = "auth")]
    pub(crate) fn without(mut self, fields: &[&str]) -> Self {
        for field in fields {
            self.tree.fields.remove(*field);
        }
        self
    }

    /// What was entered, where it was sent and nothing is wrong with it. It is given once: a second
    /// call gives `None`.
    pub fn valid(&self) -> Option<T> {
        let mut state = self.state();
        if state.errors.is_empty() {
            state.value.take()
        } else {
            None
        }
    }

    /// Adds a message to a field, by the name it has in the template (`title`, `rows[0].price`), or
    /// with the name `""` to the form as a whole. For what only the view knows: a name that is
    /// taken, a password that is wrong. The form is not valid then, and the page shown with it has
    /// the status 422.
    pub fn error(&self, field: &str, message: impl Into<String>) {
        let parts = name::parts(field).unwrap_or_else(|_| vec![field]);
        let field = parts
            .iter()
            .fold(String::new(), |field, part| name::join(&field, part));
        self.state().errors.add(&field, message.into());
        self.request.insert(FormFailed);
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Serialize for Form<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let state = self.state();
        let drawn = drawn::form(&self.shape, &self.tree, &state.errors, self.is_bound);
        if drawn.fields() > large_form::FEW {
            self.request.insert(LargeForm);
        }
        drawn.serialize(serializer)
    }
}

/// Without what was entered, which may be a password.
impl<T> fmt::Debug for Form<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Form")
            .field("is_bound", &self.is_bound)
            .field("errors", &self.state().errors)
            .finish_non_exhaustive()
    }
}
