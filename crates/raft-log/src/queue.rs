//! The bounded way to the writer: room first, then a request that cannot be refused.
//!
//! Two bounds, on requests and on bytes. Room is given back when a request is on disk, not when the
//! writer takes it: what is bounded is what memory must hold while a sync hangs.

use std::ops::Range;
use std::sync::Arc;

use parking_lot::RwLockWriteGuard;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::error::Error;
use crate::keys::Key;
use crate::shared::Shared;
use crate::tail::Tail;
use crate::type_config::{Entry, IOFlushed, LogId, Vote};

/// Requests in the queue at most. Raft has a few under way, so this bites only when the disk hangs.
const QUEUE_REQUESTS: usize = 1024;
/// What a request counts for besides its entries.
pub(crate) const REQUEST_COST: usize = 128;

/// What is to be written.
pub(crate) enum Work {
    /// Entries, and the number that the tail gave to this request.
    Append {
        entries: Vec<Entry>,
        request: u64,
    },
    /// Remove the entries of these indexes, at the end of the log.
    Truncate(Range<u64>),
    /// Remove the entries up to here, inclusive, and what else refers to them.
    Purge(LogId),
    Vote(Vote),
    Put {
        key: Key,
        value: Vec<u8>,
    },
}

/// Whom to tell when it is on disk.
pub(crate) enum Done {
    Nobody,
    Flushed(IOFlushed),
    Waiter(oneshot::Sender<Result<(), Error>>),
}

pub(crate) struct Request {
    pub(crate) work: Work,
    pub(crate) done: Done,
    /// Given back when the request is dropped, after its completion.
    room: OwnedSemaphorePermit,
}

impl Request {
    /// Bytes that it counts for.
    pub(crate) fn size(&self) -> usize {
        self.room.num_permits()
    }
}

/// The sending end.
pub(crate) struct Queue {
    sender: mpsc::Sender<Request>,
    room: Arc<Semaphore>,
    bytes: usize,
}

/// Room for one request.
pub(crate) struct Room<'a> {
    permit: mpsc::Permit<'a, Request>,
    room: OwnedSemaphorePermit,
}

/// The writer's end.
pub(crate) struct Requests(mpsc::Receiver<Request>);

impl Requests {
    /// Waits for one; `None` once every [`Queue`] is gone and all was taken.
    pub(crate) fn wait(&mut self) -> Option<Request> {
        self.0.blocking_recv()
    }

    /// One that is there already.
    pub(crate) fn next(&mut self) -> Option<Request> {
        self.0.try_recv().ok()
    }
}

/// A queue for requests of `bytes` in total.
pub(crate) fn queue(bytes: usize) -> (Queue, Requests) {
    let (sender, receiver) = mpsc::channel(QUEUE_REQUESTS);
    let bytes = bytes.min(Semaphore::MAX_PERMITS);
    let room = Arc::new(Semaphore::new(bytes));
    let queue = Queue { sender, room, bytes };
    (queue, Requests(receiver))
}

impl Queue {
    /// Waits for room for a request of `bytes`; one larger than the whole queue waits for all of it.
    pub(crate) async fn room(&self, bytes: usize, shared: &Shared) -> Result<Room<'_>, Error> {
        let cost = bytes.saturating_add(REQUEST_COST).min(self.bytes);
        if self.room.available_permits() < cost || self.sender.capacity() == 0 {
            shared.counters.queue_full();
        }
        let cost = u32::try_from(cost).unwrap_or(u32::MAX);
        let room = Arc::clone(&self.room).acquire_many_owned(cost).await;
        let (Ok(room), Ok(permit)) = (room, self.sender.reserve().await) else {
            return Err(shared.writer_gone());
        };
        Ok(Room { permit, room })
    }
}

impl Room<'_> {
    /// Queues the request. The tail is held locked, so that queue and tail have one order.
    pub(crate) fn send(self, _tail: &RwLockWriteGuard<'_, Tail>, work: Work, done: Done) {
        self.put(work, done);
    }

    /// Queues a request that does not touch the tail.
    pub(crate) fn put(self, work: Work, done: Done) {
        let Self { permit, room } = self;
        permit.send(Request { work, done, room });
    }
}
