//! What is stored, one bucket after the other: no more than the names in one bucket are held at a time.

use std::io;

use super::name::{self, Name};
use super::record::{Found, Wait};
use super::store::Store;
use crate::store::Page;
use crate::store::directory::present;

impl Store {
    /// Up to `limit` sessions behind `after`, in the order of their keys.
    pub(super) fn page(&self, after: Option<Name>, limit: usize) -> io::Result<Page> {
        let begin = after.as_ref().map_or("00", Name::bucket).to_owned();
        let (mut page, mut last) = (Page::default(), after);
        for bucket in name::buckets().skip_while(|bucket| *bucket < begin) {
            for name in self.names_behind(&bucket, last.as_ref())? {
                if page.sessions.len() >= limit.max(1) {
                    page.next = last.map(|name| name.as_str().to_owned());
                    return Ok(page);
                }
                // One that cannot be read keeps nobody from seeing the others.
                match self.find(&name, Wait::Yes) {
                    Ok(Found::Nothing) => {}
                    Ok(Found::Session(session, _)) => page.sessions.push(session),
                    Ok(Found::Garbage) | Err(_) => page.unreadable += 1,
                }
                last = Some(name);
            }
        }
        Ok(page)
    }

    fn names_behind(&self, bucket: &str, after: Option<&Name>) -> io::Result<Vec<Name>> {
        let Some(folder) = present(self.root.folder(bucket))? else {
            return Ok(Vec::new());
        };
        let mut names = name::names(&folder, bucket)?;
        names.retain(|name| after.is_none_or(|after| name > after));
        names.sort_unstable();
        Ok(names)
    }
}
