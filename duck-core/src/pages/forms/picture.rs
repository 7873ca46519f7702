//! A rule for files: pictures.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::upload::Upload;

/// How many bytes tell the kinds of pictures apart.
const HEAD: u64 = 12;

/// A rule for an [`Upload`]: it is a picture that browsers show, PNG, JPEG, GIF or WebP.
///
/// It goes by the first bytes of the file and by the ending of its name, which have to say the same: a
/// [`media_folder`](crate::files::media_folder) gives files the type of their ending. What type the visitor claims, does
/// not count. Whether the rest of it is sound, is not looked at.
///
/// ```
/// use duck::forms::{Upload, is_picture};
///
/// #[derive(serde::Deserialize, garde::Validate)]
/// struct Profile {
///     #[garde(custom(is_picture))]
///     portrait: Upload,
///     #[garde(inner(custom(is_picture)))]
///     background: Option<Upload>,
/// }
/// ```
///
/// # Errors
///
/// For anything else, with words for the visitor.
pub fn is_picture<C>(upload: &Upload, _: &C) -> garde::Result {
    let endings = head(upload).map(|head| endings(&head)).unwrap_or_default();
    let name = upload.file_name().to_ascii_lowercase();
    let ending = Path::new(&name).extension().and_then(|end| end.to_str());
    if ending.is_some_and(|ending| endings.contains(&ending)) {
        return Ok(());
    }
    Err(garde::Error::new(
        "must be a picture: PNG, JPEG, GIF or WebP",
    ))
}

fn head(upload: &Upload) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let path = upload.path().map_err(io::Error::other)?;
    File::open(path)?.take(HEAD).read_to_end(&mut head)?;
    Ok(head)
}

/// The endings of names of the files that begin so.
fn endings(head: &[u8]) -> &'static [&'static str] {
    match head {
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => &["png"],
        [0xff, 0xd8, 0xff, ..] => &["jpg", "jpeg"],
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => &["gif"],
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P'] => &["webp"],
        _ => &[],
    }
}
