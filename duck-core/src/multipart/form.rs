use std::sync::Arc;

use bytes::Bytes;
use http::StatusCode;
use serde::de::DeserializeOwned;

use super::Multipart;
use super::part::Part;
use crate::http::fields::Fields;
use crate::http::request::Request;
use crate::http::request_error::RequestError;

impl Request {
    /// A whole upload, held in memory: for small forms. What is larger is streamed with
    /// [`multipart`](Self::multipart). It is read once: a middleware and the view that both ask for it
    /// share its fields and files. The body is kept beside it, for whoever reads it in another way.
    ///
    /// ```
    /// # use duck::testing::TestClient;
    /// use duck::{App, Request, Result, Settings, path};
    /// use duck::error::OrNotFound;
    /// use duck::http::POST;
    ///
    /// async fn avatar(request: Request) -> Result<String> {
    ///     let form = request.multipart_form().await?;
    ///     let picture = form.file("picture").or_404()?;
    ///     Ok(format!("{}: {} bytes", form.value("name").or_404()?, picture.bytes().len()))
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let site = TestClient::start(App::new(Settings::default()).urls([path("/avatar", avatar).methods([POST])])).await;
    /// let body = "--x\r\ncontent-disposition: form-data; name=name\r\n\r\nDuck\r\n\
    ///             --x\r\ncontent-disposition: form-data; name=picture; filename=a.png\r\n\r\nquack\r\n--x--";
    /// let page = site.post("/avatar").body("multipart/form-data; boundary=x", body).await;
    /// assert_eq!(page.text(), "Duck: 5 bytes");
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`multipart`](Self::multipart), [`Multipart::next`](crate::multipart::Multipart::next) and
    /// [`Part::text`]; 408 when it does not arrive within `BODY_TIMEOUT`.
    pub async fn multipart_form(&self) -> Result<MultipartForm, RequestError> {
        if let Some(AlreadyRead(form)) = self.get() {
            return Ok(form);
        }
        let parts = self.multipart_keeping(u64::MAX)?;
        let content = self.in_time(Content::read(parts)).await?;
        let form = MultipartForm(Arc::new(content));
        self.insert(AlreadyRead(form.clone()));
        Ok(form)
    }
}

/// The fields and files of an upload: [`Request::multipart_form`]. Its clones share them.
#[derive(Debug, Clone, Default)]
pub struct MultipartForm(Arc<Content>);

/// The form of a request, for whoever asks for it again.
#[derive(Clone)]
struct AlreadyRead(MultipartForm);

#[derive(Debug, Default)]
struct Content {
    fields: Vec<(String, String)>,
    files: Vec<(String, UploadedFile)>,
}

impl Content {
    async fn read(mut parts: Multipart) -> Result<Self, RequestError> {
        let mut content = Self::default();
        while let Some(part) = parts.next().await? {
            content.add(part).await?;
        }
        Ok(content)
    }

    async fn add(&mut self, part: Part<'_>) -> Result<(), RequestError> {
        if part.head.is_unchosen {
            return Ok(());
        }
        let name = part.name().to_owned();
        match part.head.file_name.clone() {
            None => self.fields.push((name, part.text().await?)),
            Some(file_name) => {
                let media_type = part.media_type().map(str::to_owned);
                let bytes = part.bytes().await?;
                let file = UploadedFile {
                    file_name,
                    media_type,
                    bytes,
                };
                self.files.push((name, file));
            }
        }
        Ok(())
    }
}

impl MultipartForm {
    /// The value of a field; of several with that name, the first.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// All values of a field, in their order.
    pub fn values(&self, name: &str) -> impl Iterator<Item = &str> {
        let fields = self.0.fields.iter();
        fields
            .filter(move |(field, _)| field == name)
            .map(|(_, value)| value.as_str())
    }

    /// The file of a field; of several with that name, the first. `None` where none was chosen.
    pub fn file(&self, name: &str) -> Option<&UploadedFile> {
        self.files(name).next()
    }

    /// All files of a field, in their order.
    pub fn files(&self, name: &str) -> impl Iterator<Item = &UploadedFile> {
        let files = self.0.files.iter();
        files
            .filter(move |(field, _)| field == name)
            .map(|(_, file)| file)
    }

    /// The fields, without the files, as a type: see [`Request::form_as`].
    ///
    /// # Errors
    ///
    /// 422 when they do not fit the type: the message names the field, and no value.
    pub fn fields<T: DeserializeOwned>(&self) -> Result<T, RequestError> {
        let read = Fields::from_texts(&self.0.fields).read();
        read.map_err(|error| error.refuse("the form", StatusCode::UNPROCESSABLE_ENTITY))
    }
}

/// A file of a [`MultipartForm`].
#[derive(Debug, Clone)]
pub struct UploadedFile {
    file_name: String,
    media_type: Option<String>,
    bytes: Bytes,
}

impl UploadedFile {
    /// The name it had on the visitor's machine, made safe: see [`Part::file_name`].
    pub fn file_name(&self) -> &str {
        &self.file_name
    }

    /// The media type that the visitor claims.
    pub fn media_type(&self) -> Option<&str> {
        self.media_type.as_deref()
    }

    /// What is in it.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}
