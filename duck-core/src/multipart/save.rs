//! Parts written to disk as they arrive.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::StatusCode;
use tempfile::NamedTempFile;
#[cfg(feature = "forms")]
use tempfile::TempPath;
use tokio::fs::File;
use tokio::io::AsyncWriteExt;
use tokio::task::spawn_blocking;
use uuid::Uuid;

use super::part::Part;
use crate::files::clean;
use crate::http::request_error::RequestError;

impl Part<'_> {
    /// Writes it to a file as it arrives, and gives its length. The file gets its name at the end: nobody
    /// sees half of it, and where the upload breaks off nothing is left. A folder that is missing is made.
    ///
    /// Until then it has no name at all on Linux, so that nothing is left even where the process is killed. On
    /// other systems, and file systems that cannot do that (NFS), it is hidden beside as `.upload-…`, and what
    /// was left so is removed by later uploads into the folder, after a day.
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
        let (file, length) = self.write_in(folder_of(&path).to_owned()).await?;
        name_exactly(file, path).await?;
        Ok(length)
    }

    /// Writes it into a folder under its own [`file_name`](Self::file_name) (a field under the
    /// name `unnamed`), as [`save_to`](Self::save_to) does, and gives the name it has there: for the
    /// database, and for `url('media', name)`.
    ///
    /// No file takes the place of another. The name is in lower case, so that two names are never one where
    /// case does not count. Where there is such a file, it gets a random ending: `duck-1b9d6bcd.png`. So does
    /// a name that ends in `.gz`, `.br` or `.zst`: servers send such files in place of the one
    /// they are compressed from.
    ///
    /// Serve the folder with [`media_folder`](crate::files::media_folder).
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
    pub async fn save_in(mut self, folder: impl AsRef<Path>) -> Result<String, RequestError> {
        let name = self.file_name().unwrap_or("unnamed").to_owned();
        let (file, _) = self.write_in(folder.as_ref().to_owned()).await?;
        name_in(file, folder.as_ref(), &name).await
    }

    /// Writes it to a temporary file, which goes away with its path.
    #[cfg(feature = "forms")]
    pub(crate) async fn keep_for_now(mut self) -> Result<(TempPath, u64), RequestError> {
        let open = || {
            let temporary = NamedTempFile::new()?;
            Ok((temporary.as_file().try_clone()?, temporary))
        };
        let (file, temporary) = blocking(open).await?;
        let (_, length) = self.write(file).await?;
        Ok((temporary.into_temp_path(), length))
    }

    async fn write_in(&mut self, folder: PathBuf) -> Result<(Unfinished, u64), RequestError> {
        let (unfinished, file) = blocking(move || open_in(&folder)).await?;
        let (file, length) = self.write(file).await?;
        file.sync_all().await.map_err(failed)?;
        Ok((unfinished, length))
    }

    async fn write(&mut self, file: std::fs::File) -> Result<(File, u64), RequestError> {
        let mut file = File::from_std(file);
        let mut length = 0;
        while let Some(chunk) = self.chunk().await? {
            file.write_all(&chunk).await.map_err(failed)?;
            length += chunk.len() as u64;
        }
        // `write_all` only hands a chunk over, and `sync_all` says nothing of one that was not written.
        file.flush().await.map_err(failed)?;
        Ok((file, length))
    }
}

/// Copies a file into a folder under this name, or one with a random ending.
#[cfg(feature = "forms")]
pub(crate) async fn copy_in(
    source: &Path,
    folder: &Path,
    name: &str,
) -> Result<String, RequestError> {
    let file = copy_into(source, folder).await?;
    name_in(file, folder, name).await
}

/// Copies a file to a path where there is none yet.
#[cfg(feature = "forms")]
pub(crate) async fn copy_to(source: &Path, path: &Path) -> Result<(), RequestError> {
    let file = copy_into(source, folder_of(path)).await?;
    name_exactly(file, path.to_owned()).await
}

#[cfg(feature = "forms")]
async fn copy_into(source: &Path, folder: &Path) -> Result<Unfinished, RequestError> {
    let (source, folder) = (source.to_owned(), folder.to_owned());
    let copy = move || {
        let (unfinished, mut file) = open_in(&folder)?;
        io::copy(&mut std::fs::File::open(source)?, &mut file)?;
        file.sync_all()?;
        Ok(unfinished)
    };
    blocking(copy).await
}

/// Gives a file its name in lower case, or the same with a random ending where that is taken or would be taken
/// for another file, compressed.
async fn name_in(mut file: Unfinished, folder: &Path, name: &str) -> Result<String, RequestError> {
    let wanted = clean(&name.to_lowercase());
    let mut name = if is_compressed(&wanted) {
        with_random_ending(&wanted)
    } else {
        wanted.clone()
    };
    loop {
        let path = folder.join(&name);
        match blocking(move || keep(file, &path)).await? {
            None => return Ok(name),
            Some(refused) => file = refused,
        }
        name = with_random_ending(&wanted);
    }
}

async fn name_exactly(file: Unfinished, path: PathBuf) -> Result<(), RequestError> {
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

/// A file that goes away unless it is kept.
enum Unfinished {
    #[cfg(target_os = "linux")]
    Nameless(std::fs::File),
    Hidden(NamedTempFile),
}

/// What hidden files begin with.
const HIDDEN: &str = ".upload-";

/// When a hidden file is not written to any more.
const LEFT: Duration = Duration::from_hours(24);

/// A new file, with a second handle to write it by.
fn open_in(folder: &Path) -> io::Result<(Unfinished, std::fs::File)> {
    std::fs::create_dir_all(folder)?;
    #[cfg(target_os = "linux")]
    if let Some(file) = open_nameless(folder) {
        return Ok((Unfinished::Nameless(file.try_clone()?), file));
    }
    remove_leftovers(folder)?;
    let hidden = open_hidden(folder)?;
    let file = hidden.as_file().try_clone()?;
    Ok((Unfinished::Hidden(hidden), file))
}

/// `None` where the file system cannot, or there is no `/proc` to name the file by later.
#[cfg(target_os = "linux")]
fn open_nameless(folder: &Path) -> Option<std::fs::File> {
    use rustix::fs::{Mode, OFlags, open};
    let how = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
    // As any new file: the user's own mask decides who may read it.
    let file = open(folder, how, Mode::from_raw_mode(0o666)).ok()?;
    let has_proc = Path::new("/proc/self/fd").is_dir();
    has_proc.then(|| file.into())
}

fn open_hidden(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(HIDDEN);
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.tempfile_in(folder)
}

/// Removes what uploads have left that were killed.
fn remove_leftovers(folder: &Path) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let is_hidden = entry.file_name().to_string_lossy().starts_with(HIDDEN);
        // Another upload may have removed it, or given it its name, since it was listed.
        if is_hidden
            && let Ok(written) = entry.metadata().and_then(|data| data.modified())
            && written.elapsed().is_ok_and(|age| age > LEFT)
        {
            match std::fs::remove_file(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

/// Gives a file its name; gives it back where the name is taken.
fn keep(file: Unfinished, path: &Path) -> io::Result<Option<Unfinished>> {
    match file {
        #[cfg(target_os = "linux")]
        Unfinished::Nameless(file) => {
            use rustix::fs::{AtFlags, CWD, linkat};
            use std::os::fd::AsRawFd;
            let itself = format!("/proc/self/fd/{}", file.as_raw_fd());
            match linkat(CWD, itself, CWD, path, AtFlags::SYMLINK_FOLLOW) {
                Ok(()) => Ok(None),
                Err(rustix::io::Errno::EXIST) => Ok(Some(Unfinished::Nameless(file))),
                Err(error) => Err(error.into()),
            }
        }
        Unfinished::Hidden(file) => match file.persist_noclobber(path) {
            Ok(_) => Ok(None),
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                Ok(Some(Unfinished::Hidden(error.file)))
            }
            Err(error) => Err(error.error),
        },
    }
}

/// Whether servers take it for another file, compressed.
fn is_compressed(name: &str) -> bool {
    [".gz", ".br", ".zst"]
        .iter()
        .any(|ending| name.ends_with(ending))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hidden_file_is_kept_or_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        let hidden = || Unfinished::Hidden(open_hidden(folder.path()).unwrap());
        assert!(keep(hidden(), &path).unwrap().is_none());
        let refused = keep(hidden(), &path).unwrap().unwrap();
        assert!(keep(refused, &other).unwrap().is_none());
        drop(keep(hidden(), &path));
        let left = std::fs::read_dir(folder.path()).unwrap().count();
        assert!(path.exists() && other.exists() && left == 2);
    }

    #[test]
    fn what_killed_uploads_left_is_removed_after_a_day() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, age: Duration| {
            let file = std::fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(std::time::SystemTime::now() - age)
                .unwrap();
        };
        let old = LEFT + Duration::from_mins(1);
        file(".upload-old", old);
        file(".upload-new", LEFT / 2);
        file("upload-of-somebody", old);
        remove_leftovers(folder.path()).unwrap();
        let is_there = |name| folder.path().join(name).exists();
        assert!(!is_there(".upload-old"));
        assert!(is_there(".upload-new") && is_there("upload-of-somebody"));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_file_has_no_name_until_it_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let is_empty = || std::fs::read_dir(folder.path()).unwrap().next().is_none();
        let Some(file) = open_nameless(folder.path()) else {
            panic!("this file system has no nameless files");
        };
        assert!(is_empty());
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, "of somebody else").unwrap();
        let refused = keep(Unfinished::Nameless(file), &path).unwrap().unwrap();
        assert!(keep(refused, &other).unwrap().is_none() && other.exists());
        assert_eq!(std::fs::read(path).unwrap(), b"of somebody else");
    }
}
