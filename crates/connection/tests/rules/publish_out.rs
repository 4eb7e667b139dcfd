//! Messages to the client: their form, their size, their bytes (MQTT 5.0 sections 3.1.2.11.4 and 3.3).

use std::num::NonZeroU32;

use bytes::Bytes;
use quartet_broker::{Ack, AckKind, MessageHandle, Outgoing};
use quartet_connection::{Config, Dropped, Ending, Error};
use quartet_packet::{Packet, QoS, ReasonCode, Version, encoded_len};

use crate::pair::{Pair, client, delivery, id, message};

/// Everything the core says of a delivery is in the packet; a 3.1.1 client gets no properties.
#[test]
fn publish_is_written() {
    for version in [Version::V3_1_1, Version::V5] {
        let mut pair = Pair::usual(version);
        let packet = Outgoing::Publish {
            handle: MessageHandle(1),
            packet_id: Some(id(9)),
            qos: QoS::ExactlyOnce,
            dup: true,
            retain: false,
            message_expiry: Some(30),
            subscription_identifiers: vec![5, 6],
        };
        pair.deliver_message(packet, &message(b"hi".to_vec()));
        let [Packet::Publish(publish)] = pair.received.as_slice() else { panic!("{:?}", pair.received) };
        assert_eq!((publish.packet_id, publish.qos, publish.dup), (Some(id(9)), QoS::ExactlyOnce, true));
        assert_eq!(publish.topic.as_ref().map(|topic| topic.as_str()), Some("a/b"));
        assert_eq!(&publish.payload[..], b"hi");
        let expected = if version.is_v5() { (Some(30), vec![5, 6]) } else { (None, vec![]) };
        assert_eq!((publish.message_expiry, publish.subscription_identifiers.clone()), expected);
        assert_eq!(publish.topic_alias, None, "[MQTT-3.1.2-27]");
    }
}

/// A large payload is shared and not copied; a small one goes with its header in one piece.
#[test]
fn large_payloads_are_shared() {
    let mut pair = Pair::usual(Version::V5);
    let large = message(vec![7; 100_000]);
    pair.deliver_message(delivery(1, 1), &large);
    assert_eq!(pair.written.len(), 2);
    assert_eq!(pair.written[1].as_ptr(), large.payload.as_ptr());
    pair.forget();
    pair.deliver_message(delivery(1, 2), &message(vec![7; 100]));
    assert_eq!(pair.written.len(), 1);
    assert_eq!(pair.received.len(), 1);
}

fn with_limit(limit: usize) -> Pair {
    let mut connect = client(Version::V5);
    connect.maximum_packet_size = NonZeroU32::new(u32::try_from(limit).expect("small"));
    Pair::connected(Version::V5, Config::default(), connect)
}

/// [MQTT-3.1.2-24], [MQTT-3.1.2-25]: exactly the limit arrives; one more is discarded through the log, so that its
/// place in the window is given back, and the connection stays.
#[test]
fn client_maximum_packet_size() {
    for qos in 0..=2 {
        let limit = 200;
        let mut pair = with_limit(limit);
        let mut probe = Pair::usual(Version::V5);
        probe.deliver_message(delivery(qos, u16::from(qos > 0)), &message(vec![0; 100]));
        let overhead = encoded_len(&probe.received[0], Version::V5).expect("encodes") - 100 + 1;
        pair.deliver_message(delivery(qos, u16::from(qos > 0)), &message(vec![0; limit - overhead]));
        assert_eq!(pair.written.concat().len(), limit);
        assert_eq!((pair.received.len(), pair.proposed.len()), (1, 0));

        pair.deliver_message(
            delivery(qos, if qos == 0 { 0 } else { 2 }),
            &message(vec![0; limit - overhead + 1]),
        );
        assert_eq!(pair.received.len(), 1);
        assert_eq!(pair.dropped, [Dropped::TooLargeForClient]);
        let discard = Ack { kind: AckKind::Discard, packet_id: id(2), reason: ReasonCode::Success };
        assert_eq!(pair.acks(), if qos == 0 { vec![] } else { vec![discard] });
        assert_eq!(pair.ending, None);
    }
}

/// [MQTT-3.1.2-24]: a SUBACK that does not fit cannot be left out, so the connection ends without one.
#[test]
fn answers_that_do_not_fit() {
    let mut pair = with_limit(60);
    pair.deliver(Outgoing::SubAck(id(1), vec![ReasonCode::Success; 100]));
    assert!(matches!(pair.ending, Some(Ending::Broken(Error::AnswerTooLarge { limit: 60, .. }))));
    assert_eq!(pair.disconnects(), [(None, true)]);
    assert!(pair.written.concat().len() <= 60);
}

/// Invariant 5: an owed message that is not in the store is not passed over; the client comes back for it.
#[test]
fn a_message_that_is_missing_ends_the_connection() {
    let mut pair = Pair::usual(Version::V5);
    pair.deliver(delivery(1, 1));
    assert_eq!(pair.ending, Some(Ending::Broken(Error::Internal)));
    assert_eq!(pair.disconnect_code(), Some(0x83));
}

/// Packets leave in the order in which the core gave them, whatever their size.
#[test]
fn order_is_kept() {
    let mut pair = Pair::usual(Version::V5);
    for packet_id in 1..=50 {
        let size = if packet_id % 3 == 0 { 5000 } else { 5 };
        pair.deliver_message(delivery(1, packet_id), &message(vec![1; size]));
        pair.deliver(Outgoing::PubAck(id(packet_id), ReasonCode::Success));
    }
    let ids: Vec<_> = pair
        .received
        .iter()
        .map(|packet| match packet {
            Packet::Publish(publish) => publish.packet_id.map_or(0, |id| id.get()),
            Packet::PubAck(ack) => ack.packet_id.get(),
            other => panic!("{other:?}"),
        })
        .collect();
    let expected: Vec<_> = (1..=50).flat_map(|id| [id, id]).collect();
    assert_eq!(ids, expected);
    let bytes: Bytes = pair.written.concat().into();
    assert!(bytes.len() > 80_000);
}
