//! Small values around a request: what its URLs are made of, and what middleware attaches to it.

use std::fmt::Display;
use std::sync::{Mutex, OnceLock, PoisonError};

use http::Extensions;

/// The values for a URL pattern's parameters: `()`, an array, a slice, or a tuple of up to eight.
///
/// ```
/// use duck::http::UrlValues;
///
/// assert_eq!((7, "notes").texts(), ["7", "notes"]);
/// ```
pub trait UrlValues {
    /// The values as text, in order.
    fn texts(self) -> Vec<String>;
}

impl UrlValues for () {
    fn texts(self) -> Vec<String> {
        Vec::new()
    }
}

impl<T: Display, const N: usize> UrlValues for [T; N] {
    fn texts(self) -> Vec<String> {
        self.iter().map(T::to_string).collect()
    }
}

impl<T: Display> UrlValues for &[T] {
    fn texts(self) -> Vec<String> {
        self.iter().map(T::to_string).collect()
    }
}

macro_rules! url_values_for_tuple {
    ($($name:ident),*) => {
        impl<$($name: Display),*> UrlValues for ($($name,)*) {
            #[expect(non_snake_case, reason = "the type parameters name the values too")]
            fn texts(self) -> Vec<String> {
                let ($($name,)*) = self;
                vec![$($name.to_string()),*]
            }
        }
    };
}

url_values_for_tuple!(A);
url_values_for_tuple!(A, B);
url_values_for_tuple!(A, B, C);
url_values_for_tuple!(A, B, C, D);
url_values_for_tuple!(A, B, C, D, E);
url_values_for_tuple!(A, B, C, D, E, F);
url_values_for_tuple!(A, B, C, D, E, F, G);
url_values_for_tuple!(A, B, C, D, E, F, G, H);

/// Values that middleware and views attach to one request.
#[derive(Default)]
pub(super) struct PerRequest(OnceLock<Mutex<Extensions>>);

impl PerRequest {
    pub(super) fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) {
        let values = self.0.get_or_init(Mutex::default);
        values
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(value);
    }

    /// The value of this type; `make` gives it where there is none yet.
    pub(super) fn get_or_insert<T: Clone + Send + Sync + 'static>(
        &self,
        make: impl FnOnce() -> T,
    ) -> T {
        let values = self.0.get_or_init(Mutex::default);
        let mut values = values.lock().unwrap_or_else(PoisonError::into_inner);
        values.get_or_insert_with(make).clone()
    }

    pub(super) fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.0
            .get()?
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get()
            .cloned()
    }
}
