//! A file as a field of a form.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::ser::{Serialize, Serializer};
use tempfile::TempPath;

use crate::http::request_error::RequestError;
use crate::multipart::{self, Part};

/// How the reader of forms knows an [`Upload`].
pub(super) const TYPE_NAME: &str = "$duck::Upload";

thread_local! {
    /// The file on its way from the reader to the type.
    static LENT: RefCell<Option<Upload>> = const { RefCell::new(None) };
}

/// Has a type read, and take this file.
pub(super) fn lend<T>(file: Upload, read: impl FnOnce() -> T) -> T {
    LENT.set(Some(file));
    let read = read();
    LENT.take();
    read
}

/// A file that came with a form: a field of its type is `<input type="file">`.
///
/// It is in a temporary file, which goes away with the last clone of this: what is to stay is
/// [saved](Self::save_in). Where none was chosen, an `Option<Upload>` is `None`, and an `Upload` "is
/// required". A form with one is sent as `multipart/form-data`:
/// `<form method="post" enctype="{{ form.enctype }}">`.
///
/// ```
/// use duck::forms::Upload;
/// # use duck::{Request, Response, Result, redirect};
///
/// #[derive(serde::Deserialize, garde::Validate)]
/// struct Profile {
///     #[garde(length(chars, min = 1, max = 50))]
///     name: String,
///     #[garde(skip)]
///     picture: Option<Upload>,
/// }
///
/// async fn edit(request: Request) -> Result<Response> {
///     let form = request.form::<Profile>().await?;
///     if let Some(profile) = form.valid() {
///         if let Some(picture) = profile.picture {
///             let name = picture.save_in(request.settings().resolve("media")).await?;
///             // UPDATE users SET picture = …
///         }
///         return redirect(&request, "profile", ());
///     }
///     # unreachable!()
///     // render(&request, "profile.html", context! { form }).await
/// }
/// ```
///
/// Serialized, as for [`form_from`](crate::Request::form_from), it is nothing: a page does not
/// give a file back.
#[derive(Clone, Default)]
pub struct Upload(Arc<Content>);

#[derive(Default)]
struct Content {
    file_name: String,
    media_type: Option<String>,
    length: u64,
    /// `None` for a stand-in, which no view gets.
    path: Option<TempPath>,
}

impl Upload {
    pub(super) async fn receive(part: Part<'_>) -> Result<Self, RequestError> {
        let mut content = Content {
            file_name: part.file_name().unwrap_or_default().to_owned(),
            media_type: part.media_type().map(str::to_owned),
            ..Content::default()
        };
        let (path, length) = part.keep_for_now().await?;
        content.path = Some(path);
        content.length = length;
        Ok(Self(Arc::new(content)))
    }

    /// The name it had on the visitor's machine, made safe: see
    /// [`Part::file_name`](crate::multipart::Part::file_name).
    pub fn file_name(&self) -> &str {
        &self.0.file_name
    }

    /// The media type that the visitor claims, in lower case and without parameters.
    pub fn media_type(&self) -> Option<&str> {
        self.0.media_type.as_deref()
    }

    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.0.length
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What is in it, read into memory: it can be as large as the limit of the URL pattern's body.
    ///
    /// # Errors
    ///
    /// 500 when it cannot be read.
    pub async fn bytes(&self) -> Result<Bytes, RequestError> {
        let read = tokio::fs::read(self.path()?).await;
        read.map(Bytes::from).map_err(unreadable)
    }

    /// Where it is now, for programs that read files: `ffmpeg`, a scanner for viruses.
    ///
    /// # Errors
    ///
    /// None for an upload that a view got from a form.
    pub fn path(&self) -> Result<&Path, RequestError> {
        let path = self.0.path.as_deref();
        path.ok_or_else(|| RequestError::internal("this upload is not a form's"))
    }

    /// Copies it into a folder under its own [`file_name`](Self::file_name), and gives the name it has there: for
    /// the database, and for `url('media', name)`. Where there is such a file, its name gets a random ending:
    /// `duck-1b9d6bcd.png`. Nobody sees half of it: it takes the name when it is complete. A folder that is missing is
    /// made.
    ///
    /// # Errors
    ///
    /// 500 when it cannot be written.
    pub async fn save_in(&self, folder: impl AsRef<Path>) -> Result<String, RequestError> {
        multipart::copy_in(self.path()?, folder.as_ref(), self.file_name()).await
    }

    /// Copies it to a file, in the same way. A file that is there already is left as it is.
    ///
    /// # Errors
    ///
    /// 409 when there is such a file; 500 when it cannot be written.
    pub async fn save_to(&self, path: impl AsRef<Path>) -> Result<(), RequestError> {
        multipart::copy_to(self.path()?, path.as_ref()).await
    }
}

fn unreadable(error: std::io::Error) -> RequestError {
    RequestError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "an upload cannot be read",
    )
    .because(error)
}

impl<'de> Deserialize<'de> for Upload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(TYPE_NAME, Taker)
    }
}

/// Takes the file that was lent.
struct Taker;

impl Visitor<'_> for Taker {
    type Value = Upload;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a file in a form")
    }

    fn visit_unit<E: Error>(self) -> Result<Upload, E> {
        LENT.take()
            .ok_or_else(|| E::custom("an upload is read from a form only"))
    }
}

impl Serialize for Upload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_none()
    }
}

impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upload")
            .field("file_name", &self.0.file_name)
            .field("media_type", &self.0.media_type)
            .field("len", &self.0.length)
            .finish_non_exhaustive()
    }
}
