use rusqlite::Connection;

use super::connection;
use super::failure::Failure;
use super::rows::{self, Fate};
use super::shard::Shard;
use crate::store::Durability;

/// The one connection of this process that changes a shard.
#[derive(Debug)]
pub(super) struct ShardWriter {
    connection: Connection,
    synced: Option<bool>,
}

/// Why nothing of a transaction happened.
#[derive(Debug)]
pub(super) enum Aborted {
    /// The shard is over, or gone: what was meant for it belongs elsewhere.
    Replaced,
    Failed(Failure),
}

impl From<Failure> for Aborted {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

impl ShardWriter {
    pub(super) fn open(shard: &Shard) -> Result<Self, Failure> {
        Ok(Self {
            connection: connection::open_to_write(shard.path())?,
            synced: None,
        })
    }

    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Runs `work` in a transaction, alone among all processes. With [`Durability::PowerCut`] it is on the
    /// disk afterwards. When it fails, nothing of it happened.
    pub(super) fn transaction<T>(
        &mut self,
        shard: &Shard,
        durability: Durability,
        work: impl FnOnce(&Connection) -> Result<T, Aborted>,
    ) -> Result<T, Aborted> {
        self.sync(shard, durability == Durability::PowerCut)?;
        self.execute(shard, "BEGIN IMMEDIATE")?;
        let done = self
            .check(shard)
            .and_then(|()| work(&self.connection))
            .and_then(|done| Ok(self.execute(shard, "COMMIT").map(|()| done)?));
        if done.is_err() && !self.connection.is_autocommit() {
            self.execute(shard, "ROLLBACK")?;
        }
        done
    }

    /// A shard that is over has no sessions, and takes none.
    fn check(&self, shard: &Shard) -> Result<(), Aborted> {
        let fate = rows::fate(&self.connection).map_err(Failure::at(shard.path(), "read"))?;
        if fate == Fate::Live && shard.is_current() {
            return Ok(());
        }
        Err(Aborted::Replaced)
    }

    /// Chooses whether a commit waits for the disk. SQLite takes this only between transactions.
    fn sync(&mut self, shard: &Shard, synced: bool) -> Result<(), Failure> {
        if self.synced == Some(synced) {
            return Ok(());
        }
        self.execute(
            shard,
            if synced {
                "PRAGMA synchronous = FULL"
            } else {
                "PRAGMA synchronous = NORMAL"
            },
        )?;
        self.synced = Some(synced);
        Ok(())
    }

    /// Copies the log into the shard as far as no reader needs it, and syncs both.
    pub(super) fn checkpoint(&self, shard: &Shard) -> Result<(), Failure> {
        let checkpoint = "PRAGMA wal_checkpoint(PASSIVE)";
        let done = self.connection.query_row(checkpoint, [], |_| Ok(()));
        done.map_err(Failure::at(shard.path(), "written"))
    }

    fn execute(&self, shard: &Shard, statement: &str) -> Result<(), Failure> {
        let done = self
            .connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute([]));
        done.map(drop).map_err(Failure::at(shard.path(), "written"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::draft::Draft;
    use super::super::place::Prefix;
    use super::super::shard::FileId;
    use super::*;

    fn shard(folder: &tempfile::TempDir) -> Shard {
        let path = folder.path().join("shard");
        Draft::empty(path.clone()).unwrap().finish().unwrap();
        let file = FileId::at(&path).unwrap();
        Shard::new(Prefix::ALL, path, file)
    }

    fn failure(error: rusqlite::Error) -> Aborted {
        Failure::at("shard".as_ref(), "written")(error).into()
    }

    #[test]
    fn each_transaction_waits_for_the_disk_as_it_should() {
        let folder = tempfile::tempdir().unwrap();
        let shard = shard(&folder);
        let mut writer = ShardWriter::open(&shard).unwrap();
        for durable in [true, false, true, true, false, false, true] {
            let durability = if durable {
                Durability::PowerCut
            } else {
                Durability::Crash
            };
            let level = writer.transaction(&shard, durability, |connection| {
                let level =
                    connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, u8>(0));
                level.map_err(failure)
            });
            let (normal, full) = (1, 2);
            assert_eq!(level.unwrap(), if durable { full } else { normal });
        }
    }

    #[test]
    fn nothing_of_a_transaction_that_fails_happens() {
        let folder = tempfile::tempdir().unwrap();
        let shard = shard(&folder);
        let mut writer = ShardWriter::open(&shard).unwrap();
        let insert = "INSERT INTO sessions VALUES (1, x'', 0, 0, NULL, 0, 0, 0, x'')";
        let failed = writer.transaction(&shard, Durability::Crash, |connection| {
            connection.execute(insert, []).map_err(failure)?;
            connection.execute(insert, []).map_err(failure)
        });
        assert!(matches!(failed, Err(Aborted::Failed(_))));
        let count = |connection: &Connection| rows::count(connection).map_err(failure);
        let left = writer.transaction(&shard, Durability::Crash, count);
        assert_eq!(left.unwrap(), 0);
    }

    #[test]
    fn a_shard_that_is_over_or_gone_takes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let shard = shard(&folder);
        let mut writer = ShardWriter::open(&shard).unwrap();
        let nothing = |_: &Connection| Ok(());
        std::fs::rename(shard.path(), folder.path().join("elsewhere")).unwrap();
        let aborted = writer.transaction(&shard, Durability::Crash, nothing);
        assert!(matches!(aborted, Err(Aborted::Replaced)));
        std::fs::rename(folder.path().join("elsewhere"), shard.path()).unwrap();
        let end = |connection: &Connection| rows::end(connection, Fate::Split).map_err(failure);
        writer.transaction(&shard, Durability::Crash, end).unwrap();
        let aborted = writer.transaction(&shard, Durability::Crash, nothing);
        assert!(matches!(aborted, Err(Aborted::Replaced)));
    }
}
