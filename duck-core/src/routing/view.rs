//! What a site's functions are to the framework.

use std::future::{Future, ready};
use std::marker::PhantomData;
use std::sync::Arc;

use http::{Method, StatusCode};

use crate::BoxFuture;
use crate::error::{Error, Result};
use crate::http::into_response::IntoResponse;
use crate::http::request::Request;
use crate::http::response::Response;
use crate::routing::params::FromParams;

/// Something that answers requests: an `async fn` that takes the [`Request`] and, after it, up to
/// eight parameters of its path.
///
/// ```
/// use duck::{Request, Response, Result, path, text};
///
/// async fn note(request: Request, id: u32) -> Result<Response> {
///     Ok(text(format!("note {id}")))
/// }
///
/// let pattern = path("/notes/<id>", note);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a view",
    label = "not a view",
    note = "a view is `async fn name(request: Request) -> Result<Response>`: it takes `Request` by value, not `&Request`",
    note = "after it come up to eight `<…>` parts of its path, in their order: `async fn note(request: Request, id: u32)`",
    note = "a view is given without being called: `path(\"/\", home)`, not `path(\"/\", home())`"
)]
pub trait View<Args>: Send + Sync + 'static {
    /// What the view is while it runs.
    type Future;

    /// Starts the view.
    fn call(&self, request: Request, args: Args) -> Self::Future;

    /// The methods it answers, where it says so itself: see [`ClassView`].
    #[doc(hidden)]
    fn methods(&self) -> Option<Vec<Method>> {
        None
    }
}

macro_rules! view_for_function {
    ($($name:ident $value:ident),*) => {
        #[diagnostic::do_not_recommend]
        impl<Function, Running, $($name),*> View<($($name,)*)> for Function
        where
            Function: Fn(Request, $($name),*) -> Running + Send + Sync + 'static,
        {
            type Future = Running;

            fn call(&self, request: Request, args: ($($name,)*)) -> Running {
                let ($($value,)*) = args;
                self(request, $($value),*)
            }
        }
    };
}

view_for_function!();
view_for_function!(A a);
view_for_function!(A a, B b);
view_for_function!(A a, B b, C c);
view_for_function!(A a, B b, C c, D d);
view_for_function!(A a, B b, C c, D d, E e);
view_for_function!(A a, B b, C c, D d, E e, F f);
view_for_function!(A a, B b, C c, D d, E e, F f, G g);
view_for_function!(A a, B b, C c, D d, E e, F f, G g, H h);

/// What a view gives back: it is `async`.
#[diagnostic::on_unimplemented(
    message = "the view is not `async`: it gives back `{Self}`, which is not a future",
    label = "not an `async fn`",
    note = "a view is `async fn name(request: Request) -> Result<Response>`"
)]
#[doc(hidden)]
pub trait AsyncAnswer: Future<Output = Self::Answer> {
    /// What there is when it is done.
    type Answer;
}

#[diagnostic::do_not_recommend]
impl<F: Future> AsyncAnswer for F {
    type Answer = F::Output;
}

/// A view whose type is forgotten.
pub(crate) trait ErasedView: Send + Sync {
    fn call(&self, request: Request) -> BoxFuture<'_, Response>;
}

/// Remembers the type of a view's arguments.
pub(crate) struct Shim<V, Args> {
    pub(crate) view: V,
    args: PhantomData<fn(Args)>,
}

impl<V, Args> Shim<V, Args> {
    pub(crate) fn new(view: V) -> Self {
        Self {
            view,
            args: PhantomData,
        }
    }
}

impl<V, Args> ErasedView for Shim<V, Args>
where
    V: View<Args>,
    V::Future: AsyncAnswer<Answer: IntoResponse> + Send + 'static,
    Args: FromParams,
{
    fn call(&self, request: Request) -> BoxFuture<'_, Response> {
        let Some(args) = Args::from_params(&request.values()) else {
            let error = Error::not_found("a parameter of the path is not of its view's type");
            return Box::pin(std::future::ready(Response::from_error(error)));
        };
        let answer = self.view.call(request, args);
        Box::pin(async move { answer.await.into_response() })
    }
}

/// A view with a method for each HTTP method, for those who like them as classes.
///
/// ```
/// use duck::{Method, Request, Response, Result, path, text};
/// use duck::routing::{ClassView, class_view};
///
/// struct Notes;
///
/// impl ClassView for Notes {
///     const METHODS: &'static [Method] = &[Method::GET, Method::POST];
///
///     async fn get(&self, request: Request) -> Result<Response> {
///         Ok(text("all notes"))
///     }
///
///     async fn post(&self, request: Request) -> Result<Response> {
///         Ok(text("noted"))
///     }
/// }
///
/// let pattern = path("/notes", class_view(Notes));
/// ```
///
/// Parameters of the path are read with [`Request::param`].
pub trait ClassView: Send + Sync + 'static {
    /// The methods that are implemented; others are answered with 405. `HEAD` comes with `GET`.
    const METHODS: &'static [Method] = &[Method::GET];

    /// Answers `GET`.
    fn get(&self, request: Request) -> impl Future<Output = Result<Response>> + Send {
        not_implemented(&request)
    }

    /// Answers `POST`.
    fn post(&self, request: Request) -> impl Future<Output = Result<Response>> + Send {
        not_implemented(&request)
    }

    /// Answers `PUT`.
    fn put(&self, request: Request) -> impl Future<Output = Result<Response>> + Send {
        not_implemented(&request)
    }

    /// Answers `PATCH`.
    fn patch(&self, request: Request) -> impl Future<Output = Result<Response>> + Send {
        not_implemented(&request)
    }

    /// Answers `DELETE`.
    fn delete(&self, request: Request) -> impl Future<Output = Result<Response>> + Send {
        not_implemented(&request)
    }
}

fn not_implemented(request: &Request) -> impl Future<Output = Result<Response>> + Send + use<> {
    let method = request.method();
    ready(Err(Error::new(
        StatusCode::NOT_IMPLEMENTED,
        format!("METHODS names {method}, but the class view does not implement it"),
    )))
}

/// A [`ClassView`] as a view, for [`path`](crate::path).
pub fn class_view<C: ClassView>(class: C) -> AsView<C> {
    AsView(Arc::new(class))
}

/// What [`class_view`] makes.
#[derive(Debug)]
pub struct AsView<C>(Arc<C>);

#[diagnostic::do_not_recommend]
impl<C: ClassView> View<()> for AsView<C> {
    type Future = BoxFuture<'static, Result<Response>>;

    fn call(&self, request: Request, (): ()) -> Self::Future {
        let class = self.0.clone();
        Box::pin(async move {
            match request.method().as_str() {
                "GET" | "HEAD" => class.get(request).await,
                "POST" => class.post(request).await,
                "PUT" => class.put(request).await,
                "PATCH" => class.patch(request).await,
                "DELETE" => class.delete(request).await,
                _ => not_implemented(&request).await,
            }
        })
    }

    fn methods(&self) -> Option<Vec<Method>> {
        Some(C::METHODS.to_vec())
    }
}
