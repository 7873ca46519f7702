//! The folders of templates, as a site names them.

use std::path::PathBuf;

use include_dir::Dir;

use super::folder::Folder;

/// What stands for the folder of the crate, as `include_dir!` has it.
const CRATE: &str = "$CARGO_MANIFEST_DIR";

/// Templates of a site: folders on disk, or a folder that is part of the program.
///
/// [`templates!`](crate::templates!) makes one of the right kind. A site takes it with
/// [`App::with`](crate::App::with), a blueprint with
/// [`Blueprint::templates`](crate::Blueprint::templates). Where several folders have a template of one
/// name, the first one's is used: those of the site in the order they were added, those of its
/// blueprints, and at last Duck's own.
///
/// A template's name is its path below the folder: `shop/item.html`. Files whose names begin with `.` or
/// end with `~` are no templates. Symbolic links are followed: what lies in the folder is the site's, as
/// its source code is.
#[derive(Debug, Clone)]
pub struct Templates(Vec<Folder>);

impl Templates {
    /// The templates of these folders. With `DEBUG` a file is read again when it has changed; without,
    /// each is read once.
    ///
    /// A relative path counts from the folder the program is started in.
    pub fn on_disk<P: Into<PathBuf>>(folders: impl IntoIterator<Item = P>) -> Self {
        let folders = folders
            .into_iter()
            .map(|folder| Folder::OnDisk(folder.into()));
        Self(folders.collect())
    }

    /// The templates of a folder that `include_dir!` has made part of the program.
    pub fn embedded(folder: &'static Dir<'static>) -> Self {
        Self(vec![Folder::Embedded(folder)])
    }

    /// For [`templates!`](crate::templates!): a folder that is named from that of a crate.
    #[doc(hidden)]
    pub fn of_crate(crate_folder: &str, folder: &str) -> Self {
        let below = folder.trim_start_matches(CRATE);
        Self::on_disk([format!("{crate_folder}{below}")])
    }

    pub(crate) fn into_folders(self) -> Vec<Folder> {
        self.0
    }
}

/// For [`templates!`](crate::templates!): stops the build where a folder is not named from the crate's. A
/// compiler that builds several crates at once is started in the folder of none of them.
#[doc(hidden)]
pub const fn templates_folder(folder: &str) {
    let (folder, begin) = (folder.as_bytes(), b"$CARGO_MANIFEST_DIR/");
    let mut at = 0;
    while at < begin.len() {
        assert!(
            at < folder.len() && folder[at] == begin[at],
            "a folder of templates is named from that of its Cargo.toml: \
             `templates!(\"$CARGO_MANIFEST_DIR/src/shop/templates\")`"
        );
        at += 1;
    }
}

/// The crate's folder of templates: `templates/`, or another one.
///
/// A program that is built with `debug_assertions`, as `cargo run` and `cargo test` do, reads them from
/// the disk while it runs: an edit shows at the next request, without a build. A release has them in
/// itself, and needs no file beside it.
///
/// ```no_run
/// use duck::{App, Blueprint};
///
/// let shop = Blueprint::new("shop").templates(duck::templates!("$CARGO_MANIFEST_DIR/src/shop/templates"));
/// let app = App::from_settings("settings.toml").with(duck::templates!()).urls(shop);
/// ```
#[macro_export]
macro_rules! templates {
    () => {
        $crate::templates!("$CARGO_MANIFEST_DIR/templates")
    };
    ($folder:tt) => {{
        const _: () = $crate::pages::templates_folder($folder);
        #[cfg(debug_assertions)]
        {
            $crate::pages::Templates::of_crate(::core::env!("CARGO_MANIFEST_DIR"), $folder)
        }
        #[cfg(not(debug_assertions))]
        {
            use $crate::pages::include_dir;
            static FOLDER: include_dir::Dir<'static> = include_dir::include_dir!($folder);
            $crate::pages::Templates::embedded(&FOLDER)
        }
    }};
}
