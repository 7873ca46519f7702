use http::Method;

/// `GET`, for [`UrlPattern::methods`](crate::UrlPattern::methods) and for comparing with
/// [`Request::method`](crate::Request::method).
pub const GET: Method = Method::GET;
/// `POST`.
pub const POST: Method = Method::POST;
/// `PUT`.
pub const PUT: Method = Method::PUT;
/// `PATCH`.
pub const PATCH: Method = Method::PATCH;
/// `DELETE`.
pub const DELETE: Method = Method::DELETE;
/// `HEAD`: comes with `GET`, and is named only by a view that answers it otherwise.
pub const HEAD: Method = Method::HEAD;
/// `OPTIONS`: is answered by the framework, and is named only by a view that answers it otherwise.
pub const OPTIONS: Method = Method::OPTIONS;
