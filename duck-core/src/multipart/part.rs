use std::fmt;

use bytes::{Bytes, BytesMut};
use http::StatusCode;

use super::Multipart;
use super::head::Head;
use crate::http::fields::FieldError;
use crate::http::request_error::RequestError;

/// One part of an upload: a field, or a file. See [`Request::multipart`](crate::Request::multipart).
///
/// A part borrows the [`Multipart`] it came from: it is read, or dropped, before the next.
///
/// ```
/// # use duck::Request;
/// # use duck::http::RequestError;
/// async fn title(request: &Request) -> Result<Option<String>, RequestError> {
///     let mut parts = request.multipart()?;
///     while let Some(part) = parts.next().await? {
///         if part.name() == "title" {
///             return Ok(Some(part.text().await?));
///         }
///     }
///     Ok(None)
/// }
/// ```
pub struct Part<'a> {
    pub(super) head: Head,
    parts: &'a mut Multipart,
}

impl Multipart {
    /// The next part; `None` at the end. What was not read of the part before is skipped.
    ///
    /// # Errors
    ///
    /// 400 when the upload is malformed or breaks off, and on every call after an error; 413 when
    /// there are more than `MAX_FIELDS` (1000) parts, and past the limit of the body; 408 as for
    /// [`BodyStream::next`](crate::http::BodyStream::next).
    pub async fn next(&mut self) -> Result<Option<Part<'_>>, RequestError> {
        while self.chunk().await?.is_some() {}
        let head = self.find().await;
        self.is_broken = head.is_err();
        Ok(head?.map(|head| Part { head, parts: self }))
    }
}

impl Part<'_> {
    /// The name of its field. Several parts may have the same.
    pub fn name(&self) -> &str {
        &self.head.name
    }

    /// The name the file had on the visitor's machine, made safe; `None` for plain fields, and for
    /// a file field in which no file was chosen.
    ///
    /// It is one plain name on any system: without folders, characters that cannot be seen or that
    /// Windows forbids, and leading dots, and at most 200 bytes long. `../../x` is `x`; where nothing
    /// is left, it is `unnamed`. Nothing says that it is unique, or that its ending is true.
    pub fn file_name(&self) -> Option<&str> {
        self.head.file_name.as_deref()
    }

    /// The media type, in lower case and without parameters, that the visitor claims.
    pub fn media_type(&self) -> Option<&str> {
        self.head.media_type.as_deref()
    }

    /// The next piece; `None` at the end. For what is checked or passed on as it arrives.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`].
    pub async fn chunk(&mut self) -> Result<Option<Bytes>, RequestError> {
        self.parts.chunk().await
    }

    /// All of it, held in memory: as much as the limit of the body lets through.
    ///
    /// # Errors
    ///
    /// As [`Multipart::next`].
    pub async fn bytes(mut self) -> Result<Bytes, RequestError> {
        self.collect(u64::MAX).await
    }

    /// All of it as text. A field of more than `MAX_BODY_BYTES` is refused here even where the
    /// limit of its URL pattern, made for the files beside it, is larger.
    ///
    /// # Errors
    ///
    /// 422 when it is not UTF-8, with the name of the field; 413 when it is too long; and as
    /// [`Multipart::next`].
    pub async fn text(mut self) -> Result<String, RequestError> {
        let bytes = self.collect(self.parts.max_text).await?;
        String::from_utf8(bytes.into()).map_err(|error| {
            FieldError::not_text()
                .of(self.head.name.as_bytes())
                .refuse("the form", StatusCode::UNPROCESSABLE_ENTITY)
                .because(error.utf8_error())
        })
    }

    /// The visitor chose no file for it.
    #[cfg(feature = "forms")]
    pub(crate) fn is_unchosen(&self) -> bool {
        self.head.is_unchosen
    }

    /// A field's text, which may not be one, up to so many bytes.
    #[cfg(feature = "forms")]
    pub(crate) async fn text_bytes(mut self, limit: u64) -> Result<Bytes, RequestError> {
        self.collect(limit).await
    }

    async fn collect(&mut self, limit: u64) -> Result<Bytes, RequestError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if (whole.len() + chunk.len()) as u64 > limit {
                return Err(RequestError::too_large(
                    "a field of the upload is too large",
                ));
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }
}

impl fmt::Debug for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.head.fmt(f)
    }
}
