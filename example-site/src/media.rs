//! What visitors upload: files in the folder `MEDIA_DIR` (`media`), served under `/media/`.

use std::path::PathBuf;

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

    /// Removes a file that was kept.
    pub(crate) async fn remove(&self, name: &str) -> Result<()> {
        Ok(tokio::fs::remove_file(self.0.join(name)).await?)
    }
}
