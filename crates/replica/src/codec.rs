//! The bytes of commands, of a log entry's batch, and of a checkpoint: written by hand, so that no library's release
//! can change what is in the log.
//!
//! ```text
//!   command   one command of a connection, or of the cluster         [`command`]
//!   batch     what one log entry carries: time and segments          [`batch`]
//!   message   an Application Message, in commands, checkpoints, QoS 0 [`message`]
//!   state     the parts of a whole `Broker`, for checkpoints         [`checkpoint`]
//! ```
//!
//! Integers are variable-length, seven bits a byte, least significant first (LEB128); the highest bit says that more
//! follow. Lengths stand before what they measure. A decoder never panics, never allocates more than its input can
//! hold, and gives slices of its input (`Bytes`), not copies: who keeps one longer detaches it.

pub mod batch;
pub mod checkpoint;
pub mod command;
pub mod message;
mod reader;
mod writer;

pub use reader::Malformed;
pub(crate) use reader::Reader;
pub(crate) use writer::Writer;
