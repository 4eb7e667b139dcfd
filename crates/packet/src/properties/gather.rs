//! Collects pieces of a buffer: a slice as long as they touch, a copy when they do not.
//!
//! User Properties may stand between other properties; mostly they do not, and then nothing is copied.

use core::ops::Range;

use bytes::{Bytes, BytesMut};

/// Pieces of one buffer, in order.
#[derive(Debug, Default)]
pub(crate) struct Gather {
    /// The first pieces, as long as each began where the last ended.
    run: Range<usize>,
    /// All pieces, from when one did not.
    copy: Option<BytesMut>,
}

impl Gather {
    pub(crate) fn add(&mut self, buffer: &Bytes, piece: Range<usize>) {
        if let Some(copy) = &mut self.copy {
            copy.extend_from_slice(buffer.get(piece).unwrap_or_default());
        } else if self.run.is_empty() {
            self.run = piece;
        } else if self.run.end == piece.start {
            self.run.end = piece.end;
        } else {
            let mut copy = BytesMut::from(buffer.get(self.run.clone()).unwrap_or_default());
            copy.extend_from_slice(buffer.get(piece).unwrap_or_default());
            self.copy = Some(copy);
        }
    }

    /// The pieces; `buffer` is the one given to [`add`](Self::add).
    pub(crate) fn finish(self, buffer: &Bytes) -> Bytes {
        match self.copy {
            Some(copy) => copy.freeze(),
            None if self.run.is_empty() => Bytes::new(),
            None => buffer.slice(self.run),
        }
    }
}
