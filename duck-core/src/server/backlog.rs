//! What waits on an HTTP/2 connection for its client to take it.
//!
//! A client may ask for a hundred pages at once and take none of them. A page is whole in memory before
//! its first byte is sent, so without bounds the client decides how much memory the site needs.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Buf;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::vitals::Vitals;
use super::wire::Piece;

/// So many requests of one connection are under way at most.
pub(super) const MOST_STREAMS: usize = 100;
/// So many views run at once for a new client: as many as a browser has connections over HTTP/1.
const FIRST: usize = 6;
/// With so many bytes waiting, what a view answers is not kept.
const TOO_MUCH: usize = 32 * 1024 * 1024;
/// What is left of an answer when the next view may begin.
const LITTLE: usize = 64 * 1024;

/// The bytes of answers that wait for the client, and the views that it may have at work.
///
/// A view needs a turn, and its answer has it until little of it is left. A client begins with [`FIRST`]
/// turns, and gets another for each answer that it takes whole, as long as so many of the largest that it
/// got are not [`TOO_MUCH`].
pub(super) struct Backlog {
    vitals: Arc<Vitals>,
    /// `None` for a trusted proxy: behind it are many clients, and it has limits of its own.
    turns: Option<Turns>,
}

struct Turns {
    free: Arc<Semaphore>,
    count: Mutex<Count>,
}

struct Count {
    /// How many turns there are, taken and free.
    turns: usize,
    /// How many there may be.
    most: usize,
}

/// The right to have a view at work.
pub(super) type Turn = Option<OwnedSemaphorePermit>;

impl Backlog {
    pub(super) fn new(vitals: Arc<Vitals>, is_trusted: bool) -> Self {
        let count = Count {
            turns: FIRST,
            most: MOST_STREAMS,
        };
        let turns = (!is_trusted).then(|| Turns {
            free: Arc::new(Semaphore::new(FIRST)),
            count: Mutex::new(count),
        });
        Self { vitals, turns }
    }

    /// Waits until a view may begin.
    pub(super) async fn turn(&self) -> Turn {
        let turns = self.turns.as_ref()?;
        // Nobody closes this semaphore.
        turns.free.clone().acquire_owned().await.ok()
    }

    /// Whether so much waits that another answer has no room.
    pub(super) fn is_full(&self) -> bool {
        self.turns.is_some() && self.vitals.waiting() >= TOO_MUCH
    }

    /// A piece of an answer, counted until it is sent or dropped. It has its turn while much of it is left.
    pub(super) fn queue(self: &Arc<Self>, piece: Piece, turn: Turn) -> Queued {
        self.vitals.waits(piece.remaining());
        if let Some(turns) = &self.turns {
            turns.allow_for(piece.remaining());
        }
        Queued {
            turn: turn.filter(|_| piece.remaining() > LITTLE),
            piece,
            backlog: self.clone(),
        }
    }
}

impl Turns {
    /// There are answers as large as this.
    fn allow_for(&self, length: usize) {
        let fitting = TOO_MUCH / length.max(1);
        let mut count = self.count();
        if fitting < count.most {
            count.most = fitting.max(FIRST);
            self.shrink(&mut count);
        }
    }

    /// The client has taken an answer.
    fn grow(&self) {
        let mut count = self.count();
        if count.turns < count.most {
            count.turns += 1;
            self.free.add_permits(1);
        } else {
            self.shrink(&mut count);
        }
    }

    /// Ends turns that are free and too many.
    fn shrink(&self, count: &mut Count) {
        let above = count.turns.saturating_sub(count.most);
        count.turns -= self.free.forget_permits(above);
    }

    fn count(&self) -> MutexGuard<'_, Count> {
        self.count.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A piece of an answer on its way out.
pub(super) struct Queued {
    piece: Piece,
    turn: Turn,
    backlog: Arc<Backlog>,
}

impl Buf for Queued {
    fn remaining(&self) -> usize {
        self.piece.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.piece.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.piece.advance(count);
        self.backlog.vitals.took(count);
        let left = self.piece.remaining();
        if left <= LITTLE {
            self.turn = None;
        }
        if left == 0
            && count > 0
            && let Some(turns) = &self.backlog.turns
        {
            turns.grow();
        }
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.backlog.vitals.gives_up(self.piece.remaining());
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn piece(length: usize) -> Piece {
        Piece::Shared(Bytes::from(vec![b'x'; length]))
    }

    fn new(is_trusted: bool) -> (Arc<Backlog>, Arc<Vitals>) {
        let vitals = Arc::new(Vitals::default());
        (Arc::new(Backlog::new(vitals.clone(), is_trusted)), vitals)
    }

    fn free(backlog: &Backlog) -> usize {
        backlog.turns.as_ref().unwrap().free.available_permits()
    }

    #[tokio::test]
    async fn an_answer_has_its_turn_until_little_of_it_is_left() {
        let (backlog, vitals) = new(false);
        let mut large = backlog.queue(piece(LITTLE + 10), backlog.turn().await);
        let small = backlog.queue(piece(LITTLE), backlog.turn().await);
        assert_eq!(
            (free(&backlog), vitals.waiting()),
            (FIRST - 1, 2 * LITTLE + 10)
        );
        large.advance(10);
        assert_eq!((free(&backlog), vitals.waiting()), (FIRST, 2 * LITTLE));
        drop((large, small));
        assert_eq!(
            (free(&backlog), vitals.waiting()),
            (FIRST, 0),
            "nothing was taken whole"
        );
    }

    #[tokio::test]
    async fn a_client_that_takes_what_it_gets_may_have_more_at_work_if_there_is_room() {
        let (backlog, _) = new(false);
        let answer = async |length| {
            let mut answer = backlog.queue(piece(length), backlog.turn().await);
            answer.advance(1);
            answer.advance(length - 1);
        };
        for _ in 0..2 * MOST_STREAMS {
            answer(2).await;
        }
        assert_eq!(free(&backlog), MOST_STREAMS);
        answer(TOO_MUCH / 50).await;
        assert_eq!(free(&backlog), 50);
        let taken = [backlog.turn().await, backlog.turn().await];
        answer(TOO_MUCH).await;
        drop(taken);
        answer(2).await;
        assert_eq!(free(&backlog), FIRST, "also of those that were taken");
        answer(2).await;
        assert_eq!(free(&backlog), FIRST);
    }

    #[tokio::test]
    async fn it_is_full_while_too_much_waits() {
        let (backlog, _) = new(false);
        let waiting = backlog.queue(piece(TOO_MUCH - 1), backlog.turn().await);
        assert!(!backlog.is_full());
        let more = backlog.queue(piece(1), backlog.turn().await);
        assert!(backlog.is_full());
        drop((waiting, more));
        assert!(!backlog.is_full());
    }

    #[tokio::test]
    async fn a_trusted_proxy_is_not_bounded() {
        let (backlog, vitals) = new(true);
        assert!(backlog.turn().await.is_none());
        let queued = backlog.queue(piece(TOO_MUCH), None);
        assert!(!backlog.is_full());
        assert_eq!(vitals.waiting(), queued.remaining());
    }
}
