//! Parts written to disk as they arrive.

use std::io;
use std::path::{Path, PathBuf};

use http::StatusCode;
use tempfile::NamedTempFile;
#[cfg(feature = "forms")]
use tempfile::TempPath;
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
        name_exactly(file, path).await?;
        Ok(length)
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
        let (file, _) = self.write_beside(&folder.as_ref().join(&name)).await?;
        name_in(file, folder.as_ref(), &name).await
    }

    /// Writes it to a temporary file, which goes away with its path.
    #[cfg(feature = "forms")]
    pub(crate) async fn keep_for_now(mut self) -> Result<(TempPath, u64), RequestError> {
        let (temporary, mut file, length) = self.write_in(std::env::temp_dir()).await?;
        file.flush().await.map_err(failed)?;
        Ok((temporary.into_temp_path(), length))
    }

    async fn write_beside(&mut self, path: &Path) -> Result<(NamedTempFile, u64), RequestError> {
        let (temporary, file, length) = self.write_in(folder_of(path).to_owned()).await?;
        file.sync_all().await.map_err(failed)?;
        Ok((temporary, length))
    }

    async fn write_in(
        &mut self,
        folder: PathBuf,
    ) -> Result<(NamedTempFile, File, u64), RequestError> {
        let (temporary, file) = blocking(move || open_in(&folder)).await?;
        let mut file = File::from_std(file);
        let mut length = 0;
        while let Some(chunk) = self.chunk().await? {
            file.write_all(&chunk).await.map_err(failed)?;
            length += chunk.len() as u64;
        }
        Ok((temporary, file, length))
    }
}

/// Copies a file into a folder under this name, or one with a random ending.
#[cfg(feature = "forms")]
pub(crate) async fn copy_in(
    source: &Path,
    folder: &Path,
    name: &str,
) -> Result<PathBuf, RequestError> {
    let file = copy_beside(source, &folder.join(name)).await?;
    name_in(file, folder, name).await
}

/// Copies a file to a path where there is none yet.
#[cfg(feature = "forms")]
pub(crate) async fn copy_to(source: &Path, path: &Path) -> Result<(), RequestError> {
    let file = copy_beside(source, path).await?;
    name_exactly(file, path.to_owned()).await
}

#[cfg(feature = "forms")]
async fn copy_beside(source: &Path, path: &Path) -> Result<NamedTempFile, RequestError> {
    let (source, folder) = (source.to_owned(), folder_of(path).to_owned());
    let copy = move || {
        let (temporary, mut file) = open_in(&folder)?;
        io::copy(&mut std::fs::File::open(source)?, &mut file)?;
        file.sync_all()?;
        Ok(temporary)
    };
    blocking(copy).await
}

/// Gives a file its name, or the same with a random ending where that is taken.
async fn name_in(
    mut file: NamedTempFile,
    folder: &Path,
    name: &str,
) -> Result<PathBuf, RequestError> {
    let mut path = folder.join(name);
    loop {
        let target = path.clone();
        match blocking(move || keep(file, &target)).await? {
            None => return Ok(path),
            Some(refused) => file = refused,
        }
        path = folder.join(with_random_ending(name));
    }
}

async fn name_exactly(file: NamedTempFile, path: PathBuf) -> Result<(), RequestError> {
    match blocking(move || keep(file, &path)).await? {
        None => Ok(()),
        Some(_) => Err(RequestError::new(
            StatusCode::CONFLICT,
            "there is a file of that name already",
        )),
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
