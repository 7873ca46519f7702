//! Parts written to disk as they arrive.

use std::io;
use std::path::{Path, PathBuf};

use http::StatusCode;
use tempfile::NamedTempFile;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::part::Part;
use crate::http::request_error::RequestError;

impl Part<'_> {
    /// Writes it to a file as it arrives, and gives its length. It is written beside the file, to a
    /// hidden one that takes the name at the end: nobody sees half of it, and where the upload
    /// breaks off nothing is left. The folder has to be there.
    ///
    /// A file that is there already is left as it is: two visitors may send the same name. See
    /// [`save_in`](Self::save_in) for names that do not collide.
    ///
    /// # Errors
    ///
    /// 409 when there is such a file; 500 when it cannot be written; and as
    /// [`Multipart::next`](crate::multipart::Multipart::next).
    pub async fn save_to(mut self, path: impl AsRef<Path>) -> Result<u64, RequestError> {
        let path = path.as_ref().to_owned();
        let (file, length) = self.write_beside(&path).await?;
        match blocking(move || keep(file, &path)).await? {
            None => Ok(length),
            Some(_) => Err(RequestError::new(
                StatusCode::CONFLICT,
                "there is a file of that name already",
            )),
        }
    }

    /// Writes it into a folder under its own [`file_name`](Self::file_name) (a field under the
    /// name `unnamed`), as [`save_to`](Self::save_to) does, and gives the path. Where there is such a
    /// file, its name gets a random ending: `duck-1b9d6bcd.png`.
    ///
    /// ```
    /// # use duck::{Request, Result};
    /// async fn upload(request: Request) -> Result<String> {
    ///     let media = request.settings().resolve("media");
    ///     let mut saved = 0;
    ///     let mut parts = request.multipart()?;
    ///     while let Some(part) = parts.next().await? {
    ///         if part.file_name().is_some() {
    ///             part.save_in(&media).await?;
    ///             saved += 1;
    ///         }
    ///     }
    ///     Ok(format!("{saved} files saved"))
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// 500 when it cannot be written, and as [`Multipart::next`](crate::multipart::Multipart::next).
    pub async fn save_in(mut self, folder: impl AsRef<Path>) -> Result<PathBuf, RequestError> {
        let name = self.file_name().unwrap_or("unnamed").to_owned();
        let mut path = folder.as_ref().join(&name);
        let (mut file, _) = self.write_beside(&path).await?;
        loop {
            let target = path.clone();
            match blocking(move || keep(file, &target)).await? {
                None => return Ok(path),
                Some(refused) => file = refused,
            }
            path = folder.as_ref().join(with_random_ending(&name));
        }
    }

    async fn write_beside(&mut self, path: &Path) -> Result<(NamedTempFile, u64), RequestError> {
        let folder = folder_of(path).to_owned();
        let (temporary, file) = blocking(move || open_in(&folder)).await?;
        let mut file = File::from_std(file);
        let mut length = 0;
        while let Some(chunk) = self.chunk().await? {
            file.write_all(&chunk).await.map_err(failed)?;
            length += chunk.len() as u64;
        }
        file.sync_all().await.map_err(failed)?;
        Ok((temporary, length))
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A file that goes away unless it is kept, with a second handle to write it by.
fn open_in(folder: &Path) -> io::Result<(NamedTempFile, std::fs::File)> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".upload-");
    // As any new file: the user's own mask decides who may read it.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let temporary = builder.tempfile_in(folder)?;
    let file = temporary.as_file().try_clone()?;
    Ok((temporary, file))
}

/// Gives a file its name; gives it back where the name is taken.
fn keep(file: NamedTempFile, path: &Path) -> io::Result<Option<NamedTempFile>> {
    match file.persist_noclobber(path) {
        Ok(_) => Ok(None),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(Some(error.file)),
        Err(error) => Err(error.error),
    }
}

fn with_random_ending(name: &str) -> String {
    let random = Uuid::new_v4().simple().to_string();
    let (stem, ending) = name.split_at(name.rfind('.').unwrap_or(name.len()));
    format!("{stem}-{}{ending}", &random[..8])
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, RequestError> {
    let done = spawn_blocking(work).await.map_err(io::Error::other);
    done.flatten().map_err(failed)
}

fn failed(error: io::Error) -> RequestError {
    RequestError::internal("an upload cannot be written").because(error)
}
