//! SUBSCRIBE and UNSUBSCRIBE (MQTT 5.0 sections 3.8 to 3.11).

use std::num::NonZeroU32;

use quartet_broker::{Command, FilterRequest, Outgoing};
use quartet_connection::{Ending, Error};
use quartet_packet::{
    Packet, QoS, ReasonCode, Subscribe, SubscriptionOptions, SubscriptionRequest, TopicFilter, Unsubscribe,
    UserProperties, Version,
};

use crate::pair::{ID, Pair, SESSION, id, text};

fn filter(text_of: &str) -> TopicFilter {
    TopicFilter::try_from(text_of).expect("the test's filter is one")
}

fn request(text_of: &str) -> SubscriptionRequest {
    SubscriptionRequest {
        filter: TopicFilter::from_utf8(text(text_of)),
        options: SubscriptionOptions::new(QoS::ExactlyOnce),
    }
}

fn subscribe(filters: &[&str], identifier: Option<u32>) -> Packet {
    Packet::Subscribe(Subscribe {
        packet_id: id(10),
        subscription_identifier: identifier,
        filters: filters.iter().copied().map(request).collect(),
        user_properties: UserProperties::default(),
    })
}

/// [MQTT-3.8.4-1], [MQTT-3.8.4-5]: all filters are one command, in order, and SUBACK waits for the core; what is no
/// filter, or shared, is refused in its place.
#[test]
fn subscribe_is_proposed() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut pair = Pair::usual(version);
        let identifier = version.is_v5().then_some(77);
        pair.send(subscribe(&["a/+", "bad#", "$share/g/t", "$SYS/#"], identifier));
        let [Command::Subscribe(command)] = pair.proposed.as_slice() else { panic!("{:?}", pair.proposed) };
        assert_eq!((command.connection, command.session, command.packet_id), (ID, SESSION, id(10)));
        assert_eq!(command.subscription_identifier, identifier.and_then(NonZeroU32::new));
        let options = SubscriptionOptions::new(QoS::ExactlyOnce);
        let expected = [
            FilterRequest::Admit(filter("a/+"), options),
            FilterRequest::Refuse(ReasonCode::TopicFilterInvalid),
            FilterRequest::Refuse(ReasonCode::SharedSubscriptionsNotSupported),
            FilterRequest::Admit(filter("$SYS/#"), options),
        ];
        assert_eq!(command.filters, expected);
        assert!(pair.received.is_empty());

        let codes = vec![
            ReasonCode::GrantedQos2,
            ReasonCode::TopicFilterInvalid,
            ReasonCode::SharedSubscriptionsNotSupported,
            ReasonCode::Success,
        ];
        pair.deliver(Outgoing::SubAck(id(10), codes));
        let written = pair.written.concat();
        let on_wire = if version.is_v5() { [2, 0x8F, 0x9E, 0] } else { [2, 0x80, 0x80, 0] };
        assert_eq!(written[written.len() - 4..], on_wire);
    }
}

/// [MQTT-3.8.3-4]: No Local on a shared subscription is a protocol error.
#[test]
fn no_local_on_shared() {
    let mut pair = Pair::usual(Version::V5);
    pair.bytes(b"\x82\x10\x00\x01\x00\x00\x0a$share/g/t\x04");
    assert_eq!(pair.disconnect_code(), Some(0x82));
    assert!(matches!(pair.ending, Some(Ending::Broken(Error::Packet(_)))));
}

/// [MQTT-3.10.4-1], [MQTT-3.10.4-4]: UNSUBSCRIBE goes through as it is, and is answered by the core; 3.1.1 has no
/// codes.
#[test]
fn unsubscribe_is_proposed() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut pair = Pair::usual(version);
        pair.send(Packet::Unsubscribe(Unsubscribe {
            packet_id: id(11),
            filters: vec![Ok(filter("a/+")), TopicFilter::from_utf8(text("bad#"))],
            user_properties: UserProperties::default(),
        }));
        let [Command::Unsubscribe(command)] = pair.proposed.as_slice() else { panic!("{:?}", pair.proposed) };
        assert_eq!(command.filters, [text("a/+"), text("bad#")]);
        assert!(pair.received.is_empty());
        pair.deliver(Outgoing::UnsubAck(
            id(11),
            vec![ReasonCode::Success, ReasonCode::NoSubscriptionExisted],
        ));
        let written = pair.written.concat();
        let on_wire: &[u8] =
            if version.is_v5() { b"\xb0\x05\x00\x0b\x00\x00\x11" } else { b"\xb0\x02\x00\x0b" };
        assert_eq!(written, on_wire);
    }
}
