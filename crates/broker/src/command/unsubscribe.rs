//! UNSUBSCRIBE: after its UNSUBACK nothing new is enqueued [MQTT-3.10.4-2]; what was begun goes on [MQTT-3.10.4-3].

use alloc::vec::Vec;
use quartet_packet::{PacketId, ReasonCode, Utf8String};

use crate::session::outbound::send;
use crate::{Broker, ConnectionId, Effect, Outgoing, RouteChange, SessionSlot};

/// Filters to remove from a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Unsubscribe {
    /// Whose.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// The client's packet identifier, for the UNSUBACK.
    pub packet_id: PacketId,
    /// Compared character by character [MQTT-3.10.4-1]; one that is no filter at all is simply not there.
    pub filters: Vec<Utf8String>,
}

impl Unsubscribe {
    pub(crate) fn apply(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        if !broker.admits(self.connection, self.session) {
            return;
        }
        let mut codes = Vec::with_capacity(self.filters.len());
        for filter in &self.filters {
            let removed =
                broker.sessions.change(self.session, |session| session.filters.remove(filter.as_bytes()));
            let Some(filter) = removed.flatten() else {
                codes.push(ReasonCode::NoSubscriptionExisted);
                continue;
            };
            broker.subscriptions.remove(&filter, self.session);
            let session = self.session;
            effects.push(Effect::Route(RouteChange::Unsubscribed { session, filter }));
            codes.push(ReasonCode::Success);
        }
        let packet = Outgoing::UnsubAck(self.packet_id, codes);
        effects.push(send(self.connection, packet));
    }
}
