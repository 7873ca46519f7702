//! What visitors upload: files in the folder `MEDIA_DIR` (`media`), served under `/media/`.

use std::path::PathBuf;
use std::time::Duration;

use duck::prelude::*;

/// The folder: `request.state::<Media>()?` in a view.
pub(crate) struct Media(PathBuf);

/// Serves the folder, and makes it before the first upload.
pub(crate) async fn media(setup: &mut Setup<'_>) -> Result<()> {
    let folder: Option<String> = setup.settings().get("MEDIA_DIR")?;
    let folder = setup
        .settings()
        .resolve(folder.as_deref().unwrap_or("media"));
    if setup.is_serving() {
        tokio::fs::create_dir_all(&folder)
            .await
            .or_500("making MEDIA_DIR")?;
    }
    setup.urls([media_folder("/media/", &folder).name("media")]);
    setup.insert(Media(folder));
    Ok(())
}

impl Media {
    /// Keeps a file, and gives the name it got: `{{ url('media', name) }}` in a template.
    pub(crate) async fn keep(&self, upload: &Upload) -> Result<String> {
        Ok(upload.save_in(&self.0).await?)
    }

    /// The names of all files that were kept so long ago.
    pub(crate) async fn older_than(&self, age: Duration) -> Result<Vec<String>> {
        let mut names = Vec::new();
        let mut files = tokio::fs::read_dir(&self.0).await?;
        while let Some(file) = files.next_entry().await? {
            let written = file.metadata().await?.modified()?;
            let is_older = written.elapsed().is_ok_and(|since| since > age);
            names.extend(file.file_name().into_string().ok().filter(|_| is_older));
        }
        Ok(names)
    }

    /// Removes a file that was kept.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        Ok(tokio::fs::remove_file(self.0.join(name)).await?)
    }
}
