//! SUBSCRIBE: an entry of the same log as PUBLISH, so what is published after its SUBACK is never missed.

use alloc::vec::Vec;
use core::num::NonZeroU32;
use quartet_packet::{PacketId, QoS, ReasonCode, SubscriptionOptions, TopicFilter};

use crate::digest::length;
use crate::session::outbound::send;
use crate::{Broker, ConnectionId, Effect, Outgoing, RouteChange, SessionSlot, Subscription};

/// One filter of a SUBSCRIBE.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum FilterRequest {
    /// Subscribe.
    Admit(TopicFilter, SubscriptionOptions),
    /// Answer with this code: the front end refuses it (malformed, not authorized, not available).
    Refuse(ReasonCode),
}

/// Filters to add to a session.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Subscribe {
    /// Whose.
    pub connection: ConnectionId,
    /// Its session, from CONNACK.
    pub session: SessionSlot,
    /// The client's packet identifier, for the SUBACK.
    pub packet_id: PacketId,
    /// Subscription Identifier, 1 to 268,435,455.
    pub subscription_identifier: Option<NonZeroU32>,
    /// In the packet's order; the same filter twice counts as its last.
    pub filters: Vec<FilterRequest>,
}

impl Subscribe {
    pub(crate) fn apply(self, broker: &mut Broker, effects: &mut Vec<Effect>) {
        if !broker.admits(self.connection, self.session) {
            return;
        }
        let mut codes = Vec::with_capacity(self.filters.len());
        for request in self.filters {
            codes.push(match request {
                FilterRequest::Refuse(code) => code,
                FilterRequest::Admit(filter, options) => {
                    let identifier = self.subscription_identifier;
                    let subscription = Subscription { options, identifier };
                    subscribe(broker, self.session, &filter, subscription, effects)
                }
            });
        }
        let packet = Outgoing::SubAck(self.packet_id, codes);
        effects.push(send(self.connection, packet));
    }
}

/// Adds one filter, or replaces its options: no message is lost or doubled at the switch ([MQTT-3.8.4-3]).
fn subscribe(
    broker: &mut Broker,
    slot: SessionSlot,
    filter: &TopicFilter,
    subscription: Subscription,
    effects: &mut Vec<Effect>,
) -> ReasonCode {
    if filter.is_shared() {
        return ReasonCode::SharedSubscriptionsNotSupported;
    }
    let most = u64::from(broker.settings.maximum_subscriptions);
    let filter = filter.detach();
    let taken = broker.sessions.change(slot, |session| {
        let full = length(session.filters.len()) >= most && !session.filters.contains(&filter);
        if !full {
            session.filters.insert(filter.clone(), subscription);
        }
        !full
    });
    if taken != Some(true) {
        return ReasonCode::QuotaExceeded;
    }
    broker.subscriptions.insert(&filter, slot, subscription);
    let session = slot;
    effects.push(Effect::Route(RouteChange::Subscribed { session, filter, subscription }));
    match subscription.options.qos {
        QoS::AtMostOnce => ReasonCode::Success,
        QoS::AtLeastOnce => ReasonCode::GrantedQos1,
        QoS::ExactlyOnce => ReasonCode::GrantedQos2,
    }
}
