//! Gathers what `duck new` writes into `vendor/duck`: the sources and manifests of the framework,
//! without its tests and benches, so that an installed `duck` needs neither checkout nor network.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let workspace = PathBuf::from("..");
    let staged = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("duck");
    if staged.exists() {
        fs::remove_dir_all(&staged)?;
    }
    for name in ["Cargo.toml", "CHANGELOG.md"] {
        stage(&workspace.join(name), &staged.join(name))?;
    }
    for package in ["duck-core", "duck-session"] {
        for part in ["Cargo.toml", "README.md", "src"] {
            stage(
                &workspace.join(package).join(part),
                &staged.join(package).join(part),
            )?;
        }
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=template");
    Ok(())
}

/// Copies a file or a folder. What is not there (a README, say) is passed over.
fn stage(from: &Path, to: &Path) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", from.display());
    if from.is_dir() {
        for entry in fs::read_dir(from)? {
            let name = entry?.file_name();
            stage(&from.join(&name), &to.join(&name))?;
        }
    } else if from.is_file() {
        fs::create_dir_all(to.parent().expect("staged files have a folder"))?;
        fs::write(to, fs::read(from)?)?;
    }
    Ok(())
}
