//! What is in the folder besides records that are as they should be.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::KeyAsFolderCache;
use super::name::Name;
use super::record::{self, present};
use super::store::{self, LOCKS, SWEEP_LOCK, Store, TEMP_PREFIX, VERSION};
use crate::cache::directory::Directory;
use crate::cache::files::{Fault, Files, Findings};
use crate::cache::leftover::is_leftover;

impl Files for KeyAsFolderCache {
    fn check(&self, findings: &mut Findings) -> io::Result<()> {
        let store = &*self.store;
        let now = store.clock.now();
        Check {
            store,
            findings,
            now,
        }
        .run()
    }
}

struct Check<'a> {
    store: &'a Store,
    findings: &'a mut Findings,
    now: u64,
}

impl Check<'_> {
    fn run(mut self) -> io::Result<()> {
        let Store { outer, root, .. } = self.store;
        self.findings.check_folder(".", outer)?;
        self.foreign(Path::new(""), outer, |name| name == VERSION)?;
        self.findings.check_folder(VERSION, root)?;
        self.findings
            .check_file(in_root(SWEEP_LOCK), root, SWEEP_LOCK)?;
        self.foreign(Path::new(VERSION), root, |name| {
            name == LOCKS || name == SWEEP_LOCK || is_bucket(name)
        })?;
        self.locks()?;
        for bucket in store::buckets() {
            self.bucket(&bucket)?;
        }
        Ok(())
    }

    fn locks(&mut self) -> io::Result<()> {
        let (path, locks) = (in_root(LOCKS), &self.store.locks);
        self.findings.check_folder(&path, locks)?;
        self.foreign(&path, locks, is_bucket)?;
        for name in store::buckets() {
            self.findings.check_file(path.join(&name), locks, &name)?;
        }
        Ok(())
    }

    fn bucket(&mut self, bucket: &str) -> io::Result<()> {
        let path = in_root(bucket);
        let Some(folder) = self.folder(&path, &self.store.root, bucket)? else {
            return Ok(());
        };
        let is_ours = |name: &str| Name::parse(name).is_some_and(|name| name.bucket() == bucket);
        self.foreign(&path, &folder, is_ours)?;
        for name in store::names(&folder)? {
            if name.bucket() == bucket {
                self.key(&path, &folder, &name)?;
            }
        }
        Ok(())
    }

    fn key(&mut self, path: &Path, bucket: &Directory, name: &Name) -> io::Result<()> {
        let path = path.join(name.as_str());
        let Some(folder) = self.folder(&path, bucket, name.as_str())? else {
            return Ok(());
        };
        let files = folder.names()?;
        self.foreign(&path, &folder, |file| {
            file == record::NAME || file.starts_with(TEMP_PREFIX)
        })?;
        for file in files.iter().filter(|file| file.starts_with(TEMP_PREFIX)) {
            self.leftover(name, &path.join(file), &folder, file)?;
        }
        if files.is_empty() {
            self.empty(name, &path, bucket)?;
        }
        let file = path.join(record::NAME);
        if self.findings.check_file(&file, &folder, record::NAME)? && record::is_garbage(&folder)? {
            self.findings.add_irreparable(file, Fault::Damaged);
        }
        Ok(())
    }

    /// A folder in which no record was ever put.
    fn empty(&mut self, name: &Name, path: &Path, bucket: &Directory) -> io::Result<()> {
        let stat = present(bucket.stat(name.as_str()))?;
        if stat.is_some_and(|stat| is_leftover(&stat, self.now)) {
            let store = self.store;
            self.findings.add(path, Fault::Leftover, || {
                let _lock = store.lock(name.bucket())?;
                bucket.remove_folder(name.as_str()).map(drop)
            });
        }
        Ok(())
    }

    fn leftover(
        &mut self,
        name: &Name,
        path: &Path,
        folder: &Directory,
        file: &str,
    ) -> io::Result<()> {
        let stat = present(folder.stat(file))?;
        if stat.is_some_and(|stat| is_leftover(&stat, self.now)) {
            let store = self.store;
            self.findings.add(path, Fault::Leftover, || {
                let _lock = store.lock(name.bucket())?;
                folder.remove_file(file)
            });
        }
        Ok(())
    }

    /// A folder of ours, if it is there and is one.
    fn folder(
        &mut self,
        path: &Path,
        outer: &Directory,
        name: &str,
    ) -> io::Result<Option<Directory>> {
        let folder = match present(outer.folder(name)) {
            // A link, or a file.
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::InvalidData | ErrorKind::NotADirectory
                ) =>
            {
                self.findings.add_irreparable(path, Fault::Foreign);
                return Ok(None);
            }
            folder => folder?,
        };
        if let Some(folder) = &folder {
            self.findings.check_folder(path, folder)?;
        }
        Ok(folder)
    }

    /// Notes all that we never make.
    fn foreign(
        &mut self,
        path: &Path,
        folder: &Directory,
        is_ours: impl Fn(&str) -> bool,
    ) -> io::Result<()> {
        let foreign = |name: &OsString| !name.to_str().is_some_and(&is_ours);
        for name in folder.all_names()?.iter().filter(|name| foreign(name)) {
            self.findings
                .add_irreparable(path.join(name), Fault::Foreign);
        }
        Ok(())
    }
}

fn in_root(name: &str) -> PathBuf {
    Path::new(VERSION).join(name)
}

fn is_bucket(name: &str) -> bool {
    store::buckets().any(|bucket| bucket == name)
}
