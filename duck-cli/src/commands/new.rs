//! `duck new`

use std::path::{Path, PathBuf};

use super::secret::fresh;
use crate::args::New;
use crate::failure::{Context, Failure, Result};
use crate::report;
use crate::scaffold::{self, NewFile};
use crate::site_name::SiteName;
use crate::template::{self, Sessions, Shape, Values};
use crate::vendor;

/// Makes a site in a folder of its name.
pub(crate) fn run(args: &New) -> Result {
    let name = SiteName::parse(&args.name)?;
    let shape = shape(args);
    let checkout = args.path.as_deref().map(checkout).transpose()?;
    let framework = checkout.as_deref().unwrap_or(Path::new(vendor::FOLDER));

    let own = own_files(&name, shape, args.sessions, framework)?;
    let count = own.len();
    let copied = if checkout.is_none() {
        vendored_files()
    } else {
        Vec::new()
    };
    let files: Vec<NewFile> = own.into_iter().chain(copied).collect();
    scaffold::create(Path::new(name.as_str()), &files)?;

    let place = checkout.unwrap_or_else(|| Path::new(name.as_str()).join(vendor::FOLDER));
    tell(&name, shape, count, &place);
    tell_next(&name, args.sessions);
    Ok(())
}

fn shape(args: &New) -> Shape {
    match (args.mini, args.full) {
        (true, _) => Shape::Mini,
        (_, true) => Shape::Full(args.database.unwrap_or_default()),
        _ => Shape::Normal,
    }
}

/// The folder of `--path`, in full, so that the site may be moved.
fn checkout(folder: &Path) -> Result<PathBuf> {
    if !folder.join("duck-core/Cargo.toml").is_file() {
        let shown = folder.display();
        return Err(Failure::usage(format!(
            "`{shown}` is no checkout of Duck: there is no {shown}/duck-core/Cargo.toml"
        )));
    }
    folder
        .canonicalize()
        .context(|| format!("cannot follow `{}`", folder.display()))
}

/// The files that the site's author will edit, the lock file, and the secret.
fn own_files(
    name: &SiteName,
    shape: Shape,
    sessions: Sessions,
    framework: &Path,
) -> Result<Vec<NewFile>> {
    let values = Values {
        name,
        duck_core: &framework.join("duck-core"),
        duck_session: &framework.join("duck-session"),
    };
    let mut files: Vec<NewFile> = template::files(shape, sessions, &values)
        .into_iter()
        .map(NewFile::from)
        .collect();
    files.push(NewFile {
        path: ".env".into(),
        contents: format!("DUCK_SECRET_KEY={}\n", fresh()?).into(),
        secret: true,
    });
    Ok(files)
}

fn vendored_files() -> Vec<NewFile> {
    let files = vendor::files().into_iter();
    files
        .map(|(path, bytes)| NewFile::from((Path::new(vendor::FOLDER).join(path), bytes)))
        .collect()
}

fn tell(name: &SiteName, shape: Shape, count: usize, framework: &Path) {
    let name = name.as_str();
    let (shape, version) = (shape.as_str(), vendor::VERSION);
    let framework = framework.display();
    report::done(
        "Created",
        format_args!("{name}  ({shape}: {count} files, framework {version} in {framework})"),
    );
    report::done(
        "Secret",
        format_args!("written to {name}/.env  (not committed: .gitignore has it)"),
    );
}

fn tell_next(name: &SiteName, sessions: Sessions) {
    let start = match sessions {
        Sessions::Files => "",
        Sessions::Redis | Sessions::Postgres => "docker compose up --detach --wait && ",
    };
    let name = name.as_str();
    report::note("Next", format_args!("cd {name} && {start}duck run"));
}
