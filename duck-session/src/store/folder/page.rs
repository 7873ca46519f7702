//! What is stored, one bucket after the other: no more than the names in one bucket are held at a time.

use std::io;

use super::name::{self, Name};
use super::record::{Found, Wait, present};
use super::store::Store;
use crate::store::Page;

impl Store {
    /// Up to `limit` sessions behind `after`, in the order of their keys.
    pub(super) fn page(&self, after: Option<Name>, limit: usize) -> io::Result<Page> {
        let begin = after.as_ref().map_or("00", Name::bucket).to_owned();
        let (mut page, mut listed) = (Page::default(), 0);
        let mut last = after;
        for bucket in name::buckets().skip_while(|bucket| *bucket < begin) {
            for name in self.names_behind(&bucket, last.as_ref())? {
                if listed >= limit.max(1) {
                    page.next = last.map(|name| name.as_str().to_owned());
                    return Ok(page);
                }
                listed += usize::from(self.list(&name, &mut page));
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

    /// Returns whether it was a session. One that cannot be read keeps nobody from seeing the others.
    fn list(&self, name: &Name, page: &mut Page) -> bool {
        match self.find(name, Wait::Yes) {
            Ok(Found::Nothing) => return false,
            Ok(Found::Garbage) | Err(_) => page.unreadable += 1,
            Ok(Found::Session(session, _)) => {
                page.sessions.push(session);
                return true;
            }
        }
        false
    }
}
