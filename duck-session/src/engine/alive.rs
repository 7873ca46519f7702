use duck::session::{Loaded, Record, SessionError, Visitor};

use super::load::MOST_MOVES;
use super::{CacheEngine, Opened, new_cookie, record};
use crate::cache::Cache;

impl<C: Cache> CacheEngine<C> {
    /// The session of a record as it is now. It is followed to the ids that it got in time, however
    /// long ago: whoever asks had the session when it had the old one. A login or another new id that
    /// was asked for is the end of it, for whoever knows only the old one.
    pub(super) async fn look_again(
        &self,
        visitor: &Visitor,
        old: &Record,
    ) -> Result<Loaded, SessionError> {
        let (first, ..) = self.place(old)?;
        let mut id = first;
        for _ in 0..MOST_MOVES {
            let handle = self.sealer.handle(&id);
            let Some(bytes) = self.fetch(&handle).await? else {
                break;
            };
            match self.open(&handle, &bytes) {
                Opened::Live(header, data) if self.bonds.hold(&data, visitor).await? => {
                    let cookie = new_cookie(id, &header, self.clock.now());
                    let mut loaded = Loaded::live(record(id, bytes, &header), data);
                    loaded.cookie = (id != first).then(|| Box::new(cookie));
                    return Ok(loaded);
                }
                Opened::Moved(tombstone) => match tombstone.followed(&id, &self.sealer) {
                    Some(next) => id = next,
                    None => break,
                },
                Opened::Live(..) | Opened::Dead | Opened::Unreadable => break,
            }
        }
        Ok(Loaded::nothing(false))
    }
}
