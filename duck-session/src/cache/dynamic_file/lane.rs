use std::mem;
use std::sync::Arc;

use rusqlite::Connection;

use super::connection;
use super::entries;
use super::failure::Failure;
use super::shard::Shard;

/// A shard as the writer sees it: its connection, and the transaction that is open in it.
#[derive(Debug)]
pub(super) struct Lane {
    shard: Arc<Shard>,
    connection: Option<Connection>,
    syncs: Option<bool>,
    turn: Turn,
}

/// Where a lane is between two commits.
#[derive(Debug)]
enum Turn {
    Idle,
    Open,
    /// SQLite undid the transaction; everything in it failed.
    Undone(Failure),
}

impl Lane {
    pub(super) fn new(shard: Arc<Shard>) -> Self {
        Self {
            shard,
            connection: None,
            syncs: None,
            turn: Turn::Idle,
        }
    }

    /// Of a new shard.
    #[cfg(test)]
    pub(super) fn made_at(path: std::path::PathBuf) -> Self {
        connection::create(&path).unwrap();
        let file = super::shard::FileId::at(&path).unwrap();
        Self::new(Arc::new(Shard::new(1, path, file)))
    }

    pub(super) fn shard(&self) -> &Arc<Shard> {
        &self.shard
    }

    pub(super) fn number(&self) -> u32 {
        self.shard.number()
    }

    /// Whether SQLite gave up the transaction that was open.
    pub(super) fn is_undone(&self) -> bool {
        matches!(self.turn, Turn::Undone(_))
    }

    /// Runs `work` in the lane's transaction, which the first call since the last
    /// [`commit`](Self::commit) begins. One that is `durable` is on the disk when it is committed.
    pub(super) fn run<T>(
        &mut self,
        durable: bool,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, Failure> {
        self.begin(durable)?;
        work(self.connect()?).map_err(|error| self.failed(error))
    }

    /// Commits what was run. When that fails, none of it happened.
    pub(super) fn commit(&mut self) -> Result<(), Failure> {
        match mem::replace(&mut self.turn, Turn::Idle) {
            Turn::Idle => Ok(()),
            Turn::Undone(failure) => Err(failure),
            Turn::Open => self.execute("COMMIT").inspect_err(|_| self.roll_back()),
        }
    }

    /// Whether nothing is left in the shard.
    pub(super) fn is_empty(&mut self) -> Result<bool, Failure> {
        let is_empty = self.run(false, entries::is_empty);
        self.commit().and(is_empty)
    }

    /// Copies the log into the shard as far as no reader needs it, and syncs both.
    pub(super) fn checkpoint(&mut self) -> Result<(), Failure> {
        let result = self
            .connect()?
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
        result.map_err(|error| self.failed(error))
    }

    fn begin(&mut self, durable: bool) -> Result<(), Failure> {
        match &self.turn {
            Turn::Open => Ok(()),
            Turn::Undone(failure) => Err(failure.clone()),
            Turn::Idle => {
                self.sync(durable)?;
                self.execute("BEGIN IMMEDIATE")?;
                self.turn = Turn::Open;
                Ok(())
            }
        }
    }

    /// Chooses whether a commit waits for the disk. SQLite takes this only between transactions.
    fn sync(&mut self, durable: bool) -> Result<(), Failure> {
        if self.syncs == Some(durable) {
            return Ok(());
        }
        self.execute(if durable {
            "PRAGMA synchronous = FULL"
        } else {
            "PRAGMA synchronous = NORMAL"
        })?;
        self.syncs = Some(durable);
        Ok(())
    }

    fn execute(&mut self, statement: &str) -> Result<(), Failure> {
        let connection = self.connect()?;
        let result = connection
            .prepare_cached(statement)
            .and_then(|mut statement| statement.execute([]));
        result.map(drop).map_err(|error| self.failed(error))
    }

    fn connect(&mut self) -> Result<&Connection, Failure> {
        match &mut self.connection {
            Some(connection) => Ok(connection),
            none => Ok(none.insert(connection::open_to_write(self.shard.path())?)),
        }
    }

    /// Undoes the transaction; a connection that can't is given up.
    fn roll_back(&mut self) {
        if let Some(connection) = &self.connection
            && !connection.is_autocommit()
            && connection.execute_batch("ROLLBACK").is_err()
        {
            self.connection = None;
            self.syncs = None;
        }
    }

    fn failed(&mut self, error: rusqlite::Error) -> Failure {
        let failure = Failure::at(self.shard.path(), "written")(error);
        if failure.is_corruption() {
            self.shard.warn(&failure);
        }
        let undone = self
            .connection
            .as_ref()
            .is_some_and(Connection::is_autocommit);
        if matches!(self.turn, Turn::Open) && undone {
            self.turn = Turn::Undone(failure.clone());
        }
        failure
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_transaction_waits_for_the_disk_as_it_should() {
        let folder = tempfile::tempdir().unwrap();
        let mut lane = Lane::made_at(folder.path().join("shard"));
        for durable in [true, false, true, true, false, false, true] {
            let level = lane.run(durable, |connection| {
                connection.query_row("PRAGMA synchronous", [], |row| row.get::<_, u8>(0))
            });
            lane.commit().unwrap();
            let (normal, full) = (1, 2);
            assert_eq!(level.unwrap(), if durable { full } else { normal });
        }
    }
}
