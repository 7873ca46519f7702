//! Asking a request for a form.

use http::Method;
use serde::Serialize;

use super::form::Form;
use super::form_type::FormType;
use super::tree::Node;
use crate::http::request::Request;
use crate::http::request_error::RequestError;

impl Request {
    /// A form: empty on `GET` and `HEAD`, and on any other method read from the body and checked by
    /// its rules. See [`Form`].
    ///
    /// What is wrong with a field never fails here: it is shown beside the field, all of it at once.
    ///
    /// | | |
    /// |---|---|
    /// | text | `String`; an empty one is for a rule to refuse |
    /// | optional | `Option<…>`: nothing entered is `None` |
    /// | checkbox | `bool`: `on`, `1`, `true`, `yes`, or `off`, `0`, `false`, `no`; not sent is `false` |
    /// | choice | an enum without values |
    /// | file | [`Upload`](crate::forms::Upload) |
    /// | several values | a list: `tags=a&tags=b`, `tags[]=a`, `tags[0]=a` |
    /// | a struct, a list of them | `address.zip`, `rows[0].price`, `rows.0.price`, `rows[0][price]` |
    /// | anything else | what its `Deserialize` reads from text: dates, addresses, ids |
    ///
    /// Fields that the type does not have are passed over. Elements of a list are taken in the order
    /// of their numbers; those in which nothing was entered are left out.
    ///
    /// ```
    /// # use duck::testing::TestClient;
    /// use duck::http::{GET, POST};
    /// use duck::{App, Request, Result, Settings, path};
    ///
    /// #[derive(serde::Deserialize, garde::Validate)]
    /// struct NewNote {
    ///     #[garde(length(chars, min = 1, max = 80))]
    ///     title: String,
    ///     #[garde(range(max = 5))]
    ///     stars: u8,
    /// }
    ///
    /// async fn create(request: Request) -> Result<String> {
    ///     let form = request.form::<NewNote>().await?;
    ///     if let Some(note) = form.valid() {
    ///         return Ok(format!("{}: {} stars", note.title, note.stars));
    ///     }
    ///     // render(&request, "note.html", context! { form }).await
    ///     Ok(serde_json::to_string(&form)?)
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let create = path("/new", create).methods([GET, POST]);
    /// let site = TestClient::start(App::new(Settings::default()).urls([create])).await;
    /// let page = site.post("/new").form(&[("title", "Bread"), ("stars", "5")]).await;
    /// assert_eq!(page.text(), "Bread: 5 stars");
    /// let page = site.post("/new").form(&[("title", ""), ("stars", "many")]).await;
    /// assert!(page.text().contains("must be at least 1 character"));
    /// assert!(page.text().contains("must be a whole number"));
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// 415 when the body is neither `application/x-www-form-urlencoded` nor `multipart/form-data`, or
    /// has a `Content-Encoding`; 413 for more than `MAX_FIELDS` fields; 500 where the type has a
    /// field of a name that every form has for itself: `errors`, `fields`, `is_bound`, `enctype`;
    /// and as [`bytes`](Self::bytes).
    pub async fn form<T: FormType>(&self) -> Result<Form<T>, RequestError> {
        if self.asks_only() {
            Form::unbound(self, Node::default())
        } else {
            Form::bound(self).await
        }
    }

    /// As [`form`](Self::form), and begins with the values of something that is there already: for
    /// pages that edit. Its fields are looked up by their names; it need not be a `T`.
    ///
    /// # Errors
    ///
    /// As [`form`](Self::form), and 500 when the value cannot be serialized.
    pub async fn form_from<T: FormType>(
        &self,
        initial: &(impl Serialize + Sync + ?Sized),
    ) -> Result<Form<T>, RequestError> {
        if !self.asks_only() {
            return Form::bound(self).await;
        }
        let values = serde_json::to_value(initial).map_err(|error| {
            RequestError::internal("the values of a form cannot be serialized").because(error)
        })?;
        Form::unbound(self, values.into())
    }

    fn asks_only(&self) -> bool {
        matches!(*self.method(), Method::GET | Method::HEAD)
    }
}
