//! Uploads: `multipart/form-data`, RFC 7578.

mod feed;
mod form;
mod head;
mod part;
mod save;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use multer::Field;

use self::feed::Pace;
pub use self::form::{MultipartForm, UploadedFile};
use self::head::Head;
pub use self::part::Part;
#[cfg(feature = "forms")]
pub(crate) use self::save::{copy_in, copy_to};
use crate::http::parameters::{Parameters, Quoting, essence};
use crate::http::request::Request;
use crate::http::request_error::RequestError;

/// Bytes of the headers of one part, and of what stands before the first.
const MAX_HEAD: usize = 16 * 1024;

/// Bytes of a boundary: RFC 2046, 5.1.1.
const MAX_BOUNDARY: usize = 70;

impl Request {
    /// The parts of an upload, as they arrive: for files that are too large to hold. The limit of the
    /// body holds: [`UrlPattern::max_body`](crate::UrlPattern::max_body). For small forms there is
    /// [`multipart_form`](Self::multipart_form).
    ///
    /// A middleware may read parts and drop the [`Multipart`]: the view gets all of them from the
    /// first on, as long as what was read is no more than `MAX_BODY_BYTES`. See
    /// [`body_stream`](Self::body_stream).
    ///
    /// ```
    /// # use duck::testing::TestClient;
    /// use duck::{App, Request, Result, Settings, path};
    /// use duck::http::POST;
    ///
    /// async fn upload(request: Request) -> Result<String> {
    ///     let mut parts = request.multipart()?;
    ///     let mut bytes = 0;
    ///     while let Some(part) = parts.next().await? {
    ///         if part.name() == "photo" && part.file_name().is_some() {
    ///             bytes += part.save_to(std::env::temp_dir().join(uuid::Uuid::new_v4().to_string())).await?;
    ///         }
    ///     }
    ///     Ok(format!("{bytes} bytes saved"))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let upload = path("/upload", upload).methods([POST]).max_body(20 * 1024 * 1024);
    /// let site = TestClient::start(App::new(Settings::default()).urls([upload])).await;
    /// let body = "--x\r\ncontent-disposition: form-data; name=photo; filename=duck.png\r\n\r\nquack\r\n--x--\r\n";
    /// let page = site.post("/upload").body("multipart/form-data; boundary=x", body).await;
    /// assert_eq!(page.text(), "5 bytes saved");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// 415 when the body is no `multipart/form-data`, or has a `Content-Encoding`; 400 when it names no
    /// boundary; 413 when its length is known and over the limit; 500 as
    /// [`body_stream`](Self::body_stream).
    pub fn multipart(&self) -> Result<Multipart, RequestError> {
        self.multipart_keeping(self.limits().max_body_bytes)
    }

    /// The parts of an upload, of whose body up to so many bytes are kept for the next reader.
    fn multipart_keeping(&self, most: u64) -> Result<Multipart, RequestError> {
        let boundary = boundary(&self.readable_type()?)?;
        let pace = Arc::new(Pace::default());
        let pieces = feed::pieces(self.stream_keeping(most)?, pace.clone());
        Ok(Multipart {
            parser: multer::Multipart::new(pieces, boundary),
            field: None,
            pace,
            parts_left: self.limits().max_fields,
            max_text: self.limits().max_body_bytes,
            is_broken: false,
        })
    }
}

fn boundary(content_type: &str) -> Result<String, RequestError> {
    if essence(content_type) != "multipart/form-data" {
        return Err(RequestError::unsupported(
            "the body must be multipart/form-data; its Content-Type says otherwise",
        ));
    }
    let (_, parameters) = content_type.split_once(';').unwrap_or_default();
    Parameters::new(parameters, Quoting::Backslash)
        .find("boundary")
        .filter(|boundary| (1..=MAX_BOUNDARY).contains(&boundary.len()))
        .map(Cow::into_owned)
        .ok_or_else(|| RequestError::bad_request("the upload names no boundary of 1 to 70 bytes"))
}

/// The parts of an upload: [`Request::multipart`].
pub struct Multipart {
    parser: multer::Multipart<'static>,
    /// The part being read; `None` once all of it was.
    field: Option<Field<'static>>,
    pace: Arc<Pace>,
    parts_left: usize,
    max_text: u64,
    is_broken: bool,
}

impl Multipart {
    async fn find(&mut self) -> Result<Option<Head>, RequestError> {
        self.pace.start(MAX_HEAD);
        let Some(field) = self.parser.next_field().await.map_err(refused)? else {
            return Ok(None);
        };
        self.parts_left = self
            .parts_left
            .checked_sub(1)
            .ok_or_else(|| RequestError::too_large("the upload has too many parts"))?;
        let head = Head::read(&field)?;
        self.field = Some(field);
        Ok(Some(head))
    }

    /// The next piece of the part being read, never an empty one.
    async fn chunk(&mut self) -> Result<Option<Bytes>, RequestError> {
        if self.is_broken {
            return Err(RequestError::bad_request("the upload is broken"));
        }
        while let Some(field) = &mut self.field {
            self.pace.start(usize::MAX);
            match field.chunk().await {
                Ok(Some(chunk)) if chunk.is_empty() => {}
                Ok(Some(chunk)) => return Ok(Some(chunk)),
                Ok(None) => self.field = None,
                Err(error) => {
                    self.is_broken = true;
                    return Err(refused(error));
                }
            }
        }
        Ok(None)
    }
}

/// The parser's error as ours: what the body itself failed with is passed on as it is.
fn refused(error: multer::Error) -> RequestError {
    let malformed = || RequestError::bad_request("the upload is malformed");
    match error {
        multer::Error::StreamReadFailed(error) => match error.downcast::<RequestError>() {
            Ok(error) => *error,
            Err(error) => malformed().because(error),
        },
        error => malformed().because(error),
    }
}

impl fmt::Debug for Multipart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Multipart")
            .field("parts_left", &self.parts_left)
            .finish_non_exhaustive()
    }
}
