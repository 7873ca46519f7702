//! What a view gives to a template.

use std::collections::BTreeMap;
use std::fmt;

use minijinja::Value;
use minijinja::value::Serde;
use serde::Serialize;

/// The values that a view gives to a template: made by [`context!`](crate::context!).
#[derive(Clone, Default)]
pub struct Context(BTreeMap<&'static str, Value>);

impl Context {
    /// Adds a value. For [`context!`](crate::context!), which the compiler's messages point at.
    #[doc(hidden)]
    pub fn insert<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) {
        self.0.insert(name, Value::from(Serde(value)));
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }
}

/// The names only: the values may be a visitor's own.
impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// The values for a template, as [`render`](crate::render) takes them: `name`, or `name => value`.
///
/// A value is anything that implements [`serde::Serialize`]. It is borrowed and written down at once, so
/// the view keeps it.
///
/// ```
/// use duck::context;
///
/// #[derive(serde::Serialize)]
/// struct Note {
///     title: String,
/// }
///
/// let notes = vec![Note { title: "Milk".into() }];
/// let context = context! { notes, title => "Home", count => notes.len() };
/// assert_eq!(format!("{context:?}"), r#"{"count", "notes", "title"}"#);
/// ```
///
/// A name that Duck has too, such as `request`, stands for the view's value in this page.
#[macro_export]
macro_rules! context {
    ($($name:ident $(=> $value:expr)?),* $(,)?) => {{
        #[allow(unused_mut, clippy::allow_attributes, reason = "there may be no value")]
        let mut context = $crate::pages::Context::default();
        $($crate::context!(@insert context $name $(=> $value)?);)*
        context
    }};
    (@insert $context:ident $name:ident) => {
        $context.insert(::core::stringify!($name), &$name)
    };
    (@insert $context:ident $name:ident => $value:expr) => {
        $context.insert(::core::stringify!($name), &$value)
    };
}
