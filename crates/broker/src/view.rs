//! What inspection shows of a session.

use alloc::vec::Vec;

use quartet_packet::{PacketId, TopicFilter, Utf8String, Version};

use crate::{
    Broker, ConnectionId, InflightMessage, LogIndex, Principal, SessionSlot, Subscription, Timestamp,
};

/// One session as `session show` needs it: handshakes one by one, the queue in numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionView {
    /// Where it is.
    pub slot: SessionSlot,
    /// The client's id.
    pub client_id: Utf8String,
    /// Whose it is.
    pub principal: Principal,
    /// The protocol version last spoken.
    pub version: Version,
    /// Its owner, if its boot lives.
    pub connection: Option<ConnectionId>,
    /// Where the last CONNECT of this client id was applied: since when the owner owns it.
    pub last_connect: LogIndex,
    /// Session Expiry Interval in force, in seconds; `u32::MAX` never.
    pub session_expiry: u32,
    /// While detached: when it ends.
    pub expires_at: Option<Timestamp>,
    /// Most unfinished messages towards its connection.
    pub window: u16,
    /// Towards us: QoS 2 identifiers that the client has not released.
    pub unreleased: Vec<PacketId>,
    /// From us: identifiers in use, in the original order of sending.
    pub inflight: Vec<(PacketId, InflightMessage)>,
    /// Messages in the queue.
    pub queued_messages: u64,
    /// Their topics, properties and payloads, in bytes.
    pub queued_bytes: u64,
    /// Messages not enqueued because of its limits.
    pub overflowed: u64,
    /// Its subscriptions, in the order of their filters' bytes.
    pub subscriptions: Vec<(TopicFilter, Subscription)>,
}

impl Broker {
    /// The living session of a client; one whose time has come is not, though left-over work may still find it.
    #[must_use]
    pub fn session(&self, client_id: &str) -> Option<SessionView> {
        let slot = self.sessions.find(client_id.as_bytes())?;
        let session = self.sessions.get(slot)?;
        if session.expired(self.time) {
            return None;
        }
        let outbound = &session.outbound;
        let inflight = outbound.inflight().iter();
        let mut inflight: Vec<_> = inflight.map(|(id, message)| (*id, message.clone())).collect();
        inflight.sort_unstable_by_key(|(_, message)| message.sequence);
        let subscriptions = session.filters.iter();
        Some(SessionView {
            slot,
            client_id: session.client_id.clone(),
            principal: session.principal.clone(),
            version: session.version,
            connection: self.live(session),
            last_connect: session.last_connect,
            session_expiry: session.session_expiry,
            expires_at: session.expires_at,
            window: outbound.window(),
            unreleased: session.inbound.iter().collect(),
            inflight,
            queued_messages: outbound.queue().len(),
            queued_bytes: outbound.queue().bytes(),
            overflowed: session.overflowed,
            subscriptions: subscriptions.map(|(f, s)| (f.clone(), *s)).collect(),
        })
    }

    /// Clients with a living session in the order of their ids, at most `most`, beginning after `after` (`""`: with
    /// the first; the empty id is no session's).
    #[must_use]
    pub fn client_ids(&self, after: &str, most: usize) -> Vec<Utf8String> {
        let clients = self.sessions.clients_after(after.as_bytes());
        clients.take(most).cloned().collect()
    }
}
