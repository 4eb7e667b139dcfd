//! Acknowledgements on their way into the log: all of one read travel as one command.
//!
//! They are most of what a connection proposes. Their order among each other and relative to every other command
//! stays: whatever else is proposed goes after [`flush`](Acknowledgements::flush).

use alloc::vec::Vec;

use quartet_broker::{Ack, AckKind, Acknowledge, Command, ConnectionId, SessionSlot};
use quartet_packet::{PacketId, ReasonCode};

use crate::Output;

/// Most acknowledgements of one command: what its encoding can count.
const MAX_ACKS: usize = 65_535;

/// Acknowledgements not yet proposed.
#[derive(Debug, Default)]
pub(crate) struct Acknowledgements {
    acks: Vec<Ack>,
}

impl Acknowledgements {
    /// Takes one.
    pub(crate) fn push(&mut self, kind: AckKind, packet_id: PacketId, reason: ReasonCode) {
        self.acks.push(Ack { kind, packet_id, reason });
    }

    /// Proposes them as one command.
    pub(crate) fn flush(
        &mut self,
        connection: ConnectionId,
        session: SessionSlot,
        outputs: &mut Vec<Output>,
    ) {
        while !self.acks.is_empty() {
            let rest = self.acks.split_off(self.acks.len().min(MAX_ACKS));
            let acks = core::mem::replace(&mut self.acks, rest);
            outputs.push(Output::Propose(Command::Acknowledge(Acknowledge { connection, session, acks })));
        }
    }
}
