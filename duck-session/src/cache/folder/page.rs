//! What is stored, one bucket after the other: no more than the names in one bucket are held at a
//! time.

use std::io;

use super::name::Name;
use super::record::{self, Stored};
use super::store::{self, Store};
use crate::cache::{Listed, Page};

impl Store {
    /// Up to `limit` records behind `after`, in the order of their names.
    pub(super) fn page(&self, after: Option<Name>, limit: usize) -> io::Result<Page> {
        let begin = after.as_ref().map_or("00", Name::bucket).to_owned();
        let mut page = Page::default();
        let mut last = after;
        for bucket in store::buckets().skip_while(|bucket| *bucket < begin) {
            for name in self.names_behind(&bucket, last.as_ref())? {
                if page.entries.len() >= limit.max(1) {
                    page.next = last.map(|name| name.as_str().to_owned());
                    return Ok(page);
                }
                self.list(&name, &mut page);
                last = Some(name);
            }
        }
        Ok(page)
    }

    fn names_behind(&self, bucket: &str, after: Option<&Name>) -> io::Result<Vec<Name>> {
        let Some(folder) = record::present(self.root.folder(bucket))? else {
            return Ok(Vec::new());
        };
        let mut names = store::names(&folder)?;
        names.retain(|name| name.bucket() == bucket && after.is_none_or(|after| name > after));
        names.sort_unstable();
        Ok(names)
    }

    /// One record that cannot be read keeps nobody from seeing the others.
    fn list(&self, name: &Name, page: &mut Page) {
        match record::read_stored(&self.root, &name.file(record::NAME)) {
            Ok(Stored::Nothing) => {}
            Ok(Stored::Garbage) | Err(_) => page.unreadable += 1,
            Ok(Stored::Record { value, expires }) => {
                let ttl = record::left(expires, self.clock.now());
                page.entries.push(Listed::new(name.as_str(), value, ttl));
            }
        }
    }
}
