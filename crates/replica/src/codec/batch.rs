//! What one log entry carries: the leader's time and the segments that waited for it.
//!
//! ```text
//!   batch     = version(1) time segment*
//!   segment   = 1 node boot first count length command*     numbered: count commands of one boot, from number `first`
//!             | 2 length command                            one command of the cluster
//!   command   = length bytes                                (numbered ones)
//! ```
//!
//! The commands of a segment were encoded once by the node that proposed them; leader, log and wire pass their bytes
//! on unread. Since each has its length before it, `apply` skips repeated numbers without decoding them.
//!
//! Left out: who may propose what, and which number comes next. `Broker::admit` knows.

use bytes::{BufMut, Bytes, BytesMut};
use quartet_broker::{Boot, Command, NodeId, Number, Origin, Timestamp};

use super::command::{decode_cluster_command, encode_command};
use super::{Malformed, Reader, Writer};

/// The format of batches that this release writes and reads, with all commands inside. An older release refuses a
/// newer one by stopping; it must not skip what it cannot read.
pub const VERSION: u8 = 1;

const NUMBERED: u8 = 1;
const CLUSTER: u8 = 2;

/// Commands of one boot with consecutive numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// Whose.
    pub origin: Origin,
    /// The number of the first.
    pub first: Number,
    /// How many; at least one.
    pub count: u32,
    /// The commands, each with its length before it.
    pub commands: Bytes,
}

impl Numbered {
    /// Bytes it takes in a batch, at most.
    #[must_use]
    pub fn encoded_len(&self) -> usize {
        SEGMENT_HEAD + self.commands.len()
    }

    /// Its commands one by one, still encoded: number and bytes.
    #[must_use]
    pub fn iter(&self) -> Commands {
        Commands { next: self.first.0, left: self.count, rest: Reader::new("segment", self.commands.clone()) }
    }

    /// The same without the commands before `number`; empty if it has none from there on, or does not decode.
    #[must_use]
    pub fn starting_at(&self, number: Number) -> Self {
        let mut commands = self.iter();
        while commands.next < number.0 && commands.left > 0 {
            if commands.next().is_some_and(|command| command.is_err()) {
                break;
            }
        }
        Self {
            origin: self.origin,
            first: Number(commands.next),
            count: commands.left,
            commands: commands.rest.into_rest(),
        }
    }

    /// Whether the commands' lengths add up to their bytes: what a node that takes a segment from a peer must know
    /// before it may enter the log.
    ///
    /// # Errors
    /// [`Malformed`].
    pub fn check(&self) -> Result<(), Malformed> {
        let malformed = |why| Malformed { what: "segment", why };
        if self.count == 0 || self.first.0 == 0 {
            return Err(malformed("numbers and counts begin at 1"));
        }
        if self.first.0.checked_add(u64::from(self.count)).is_none() {
            return Err(malformed("its numbers are beyond the greatest"));
        }
        let mut commands = self.iter();
        for command in commands.by_ref() {
            command?;
        }
        commands.rest.end()
    }
}

/// Longest head of a segment: kind and five integers of ten bytes.
const SEGMENT_HEAD: usize = 1 + 5 * 10;

/// Longest head of a batch: version and time.
pub const BATCH_HEAD: usize = 1 + 10;

/// Iterates over the encoded commands of a [`Numbered`] segment.
#[derive(Debug)]
pub struct Commands {
    next: u64,
    left: u32,
    rest: Reader,
}

impl Iterator for Commands {
    type Item = Result<(Number, Bytes), Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let number = Number(self.next);
        self.next = self.next.saturating_add(1);
        Some(match self.rest.bytes() {
            Ok(bytes) => Ok((number, bytes)),
            Err(malformed) => {
                self.left = 0;
                Err(malformed)
            }
        })
    }
}

/// One part of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// Of a node's numbered stream.
    Numbered(Numbered),
    /// Of the cluster.
    Cluster(Command),
}

/// Appends one command with its length before it, as [`Numbered::commands`] holds them; gives the bytes written.
/// `scratch` is emptied first and keeps its memory.
pub fn put_numbered_command(command: &Command, scratch: &mut BytesMut, out: &mut BytesMut) -> usize {
    scratch.clear();
    encode_command(command, scratch);
    let before = out.len();
    Writer::new(out).bytes(scratch);
    out.len() - before
}

/// Builds one batch.
#[derive(Debug)]
pub struct BatchWriter {
    out: BytesMut,
    commands: u32,
}

impl BatchWriter {
    /// An empty batch stamped `time`, with room for `capacity` bytes.
    #[must_use]
    pub fn new(time: Timestamp, capacity: usize) -> Self {
        let mut out = BytesMut::with_capacity(capacity + BATCH_HEAD);
        out.put_u8(VERSION);
        Writer::new(&mut out).u64(time.0);
        Self { out, commands: 0 }
    }

    /// Adds a segment as it came.
    pub fn numbered(&mut self, segment: &Numbered) {
        let Numbered { origin, first, count, commands } = segment;
        self.commands = self.commands.saturating_add(*count);
        let mut out = Writer::new(&mut self.out);
        out.u8(NUMBERED);
        out.u64(origin.node.0);
        out.u64(origin.boot.0);
        out.u64(first.0);
        out.u32(*count);
        out.bytes(commands);
    }

    /// Adds a command of the cluster.
    pub fn cluster(&mut self, command: &Command) {
        let mut encoded = BytesMut::new();
        encode_command(command, &mut encoded);
        self.cluster_bytes(&encoded);
    }

    /// Adds a command of the cluster that is encoded already.
    pub fn cluster_bytes(&mut self, command: &[u8]) {
        self.commands = self.commands.saturating_add(1);
        let mut out = Writer::new(&mut self.out);
        out.u8(CLUSTER);
        out.bytes(command);
    }

    /// How many commands are in it.
    #[must_use]
    pub fn commands(&self) -> u32 {
        self.commands
    }

    /// The bytes.
    #[must_use]
    pub fn finish(self) -> Bytes {
        self.out.freeze()
    }
}

/// Reads a batch segment by segment.
#[derive(Debug)]
pub struct BatchReader {
    time: Timestamp,
    rest: Reader,
}

impl BatchReader {
    /// Reads the head.
    ///
    /// # Errors
    /// [`Malformed`], also for a version that this release does not know: the caller must stop then.
    pub fn new(bytes: Bytes) -> Result<Self, Malformed> {
        let mut rest = Reader::new("batch", bytes);
        if rest.u8()? != VERSION {
            return Err(rest.malformed("unknown format version; run a newer release"));
        }
        let time = Timestamp(rest.u64()?);
        Ok(Self { time, rest })
    }

    /// When the leader stamped it.
    #[must_use]
    pub fn time(&self) -> Timestamp {
        self.time
    }

    fn segment(&mut self) -> Result<Segment, Malformed> {
        let rest = &mut self.rest;
        match rest.u8()? {
            NUMBERED => {
                let origin = Origin { node: NodeId(rest.u64()?), boot: Boot(rest.u64()?) };
                let first = Number(rest.u64()?);
                let count = rest.u32()?;
                let commands = rest.bytes()?;
                Ok(Segment::Numbered(Numbered { origin, first, count, commands }))
            }
            CLUSTER => decode_cluster_command(rest.bytes()?).map(Segment::Cluster),
            _ => Err(rest.malformed("no such segment")),
        }
    }
}

impl Iterator for BatchReader {
    type Item = Result<Segment, Malformed>;

    /// The next segment; after an error the rest is given up.
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let segment = self.segment();
        if segment.is_err() {
            self.rest = Reader::new("batch", Bytes::new());
        }
        Some(segment)
    }
}

#[cfg(test)]
mod tests;
