//! Packets on their way out: small ones in one buffer, large payloads as their own piece, shared and never copied.

use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};
use quartet_packet::{EncodeError, Packet, PublishHeader, Version, encode_publish, encode_within};

use crate::Output;

/// Payloads from this size on are shared. Below, copying them beside their header is cheaper than another piece in
/// the vectored write, and than keeping the whole message alive for a slow peer.
const SHARED_FROM: usize = 1024;

/// What is encoded and not yet handed out.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: BytesMut,
}

impl Outbox {
    /// Adds a packet, without its Reason String and User Properties if only so it fits [MQTT-3.4.2-2].
    pub(crate) fn packet(
        &mut self,
        packet: &Packet,
        version: Version,
        limit: usize,
    ) -> Result<(), EncodeError> {
        encode_within(packet, version, limit, &mut self.bytes)
    }

    /// Adds a PUBLISH.
    pub(crate) fn publish(
        &mut self,
        header: &PublishHeader<'_>,
        payload: &Bytes,
        version: Version,
        outputs: &mut Vec<Output>,
    ) -> Result<(), EncodeError> {
        encode_publish(header, version, payload.len(), &mut self.bytes)?;
        if payload.len() < SHARED_FROM {
            self.bytes.extend_from_slice(payload);
        } else {
            self.flush(outputs);
            outputs.push(Output::Write(payload.clone()));
        }
        Ok(())
    }

    /// Hands out what is there.
    pub(crate) fn flush(&mut self, outputs: &mut Vec<Output>) {
        if !self.bytes.is_empty() {
            outputs.push(Output::Write(self.bytes.split().freeze()));
        }
    }
}
