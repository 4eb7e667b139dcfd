//! What to do with the socket and the read buffer between two inputs.

/// Says when to read, and when to give [`Bytes`](crate::Input::Bytes).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reading {
    /// Read, and give the bytes.
    Open,
    /// Whole packets may be left in the buffer: take room and give it again before reading more.
    Backlog,
    /// CONNACK is awaited: nothing in the buffer counts yet. Read on, up to [`PIPELINED`] bytes, only to see whether
    /// the peer closes: what it sent before counts only if it did not.
    Ahead,
    /// Too many answers are owed: do not read.
    Held,
    /// Nothing will be read any more.
    Shut,
}

/// Most bytes to buffer of a client that has no CONNACK yet. Enough for a first burst of packets; a stranger must
/// not make a node hold more.
pub const PIPELINED: usize = 64 << 10;
