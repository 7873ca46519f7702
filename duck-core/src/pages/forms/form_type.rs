use garde::Validate;
use serde::de::DeserializeOwned;

/// What a form can be read as: [`Request::form`](crate::Request::form).
///
/// Every type is one that has `#[derive(serde::Deserialize, garde::Validate)]`: serde says what its
/// fields are, [garde](https://docs.rs/garde) which rules they have. The derive of garde writes
/// `::garde`, so the site's `Cargo.toml` names that crate: `garde = "0.23"`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a form",
    label = "a form cannot be read as this",
    note = "a form is a struct with `#[derive(serde::Deserialize, garde::Validate)]`, whose fields have rules or `#[garde(skip)]`",
    note = "the `garde` in your Cargo.toml has to be the one that Duck has: `garde = \"0.23\"`",
    note = "without rules, `request.form_as()` reads a form as any type with `#[derive(serde::Deserialize)]`"
)]
pub trait FormType: DeserializeOwned + Validate<Context: Default> + Send + 'static {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned + Validate<Context: Default> + Send + 'static> FormType for T {}
