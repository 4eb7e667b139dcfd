//! The workload's packets as bytes of MQTT 3.1.1 or 5.0, and back: what stands between a client of the simulation and the real
//! connection at a node.

use core::num::{NonZeroU16, NonZeroU32};

use bytes::{Bytes, BytesMut};
use quartet_packet::{
    Connect, Decoder, Disconnect, Packet, PacketId, PubAck, PubComp, PubRec, PubRel, Publish, ReasonCode,
    Role, Subscribe, SubscriptionOptions, SubscriptionRequest, Topic, TopicFilter, Unsubscribe,
    UserProperties, Utf8String, Version, encode,
};

use crate::front_end::client_id;
use crate::link::{Down, Filter, MessageId, Published, Up};

/// Bytes of a large message's payload: more than [`SMALL_PACKETS`].
const LARGE: usize = 300;

/// The Maximum Packet Size of a client that takes no large messages.
const SMALL_PACKETS: NonZeroU32 = NonZeroU32::new(200).expect("200 is not 0");

/// A client's packet as bytes.
pub(crate) fn bytes_of(packet: &Up, client: usize, takes_large: bool, version: Version) -> BytesMut {
    let is_v5 = version.is_v5();
    let packet = match *packet {
        Up::Connect { clean_start, session_expiry, receive_maximum } => {
            let mut connect = Connect::new(version, client_id(client));
            connect.clean_start = clean_start;
            connect.keep_alive = 0;
            if is_v5 {
                connect.session_expiry = Some(session_expiry);
                connect.receive_maximum = NonZeroU16::new(receive_maximum);
                connect.maximum_packet_size = (!takes_large).then_some(SMALL_PACKETS);
            }
            Packet::Connect(Box::new(connect))
        }
        Up::Publish { packet_id, dup, message } => Packet::Publish(Publish {
            dup,
            qos: message.qos,
            packet_id: PacketId::new(packet_id),
            message_expiry: message.expiry.filter(|_| is_v5),
            ..Publish::new(topic(message.topic), payload(message))
        }),
        Up::PubAck(id) => Packet::PubAck(PubAck::new(identifier(id))),
        Up::PubRec(id) => Packet::PubRec(PubRec::new(identifier(id))),
        Up::PubRel(id) => Packet::PubRel(PubRel::new(identifier(id))),
        Up::PubComp(id) => Packet::PubComp(PubComp::new(identifier(id))),
        Up::Subscribe { packet_id, filter, qos } => Packet::Subscribe(Subscribe {
            packet_id: identifier(packet_id),
            subscription_identifier: None,
            filters: vec![SubscriptionRequest {
                filter: Ok(topic_filter(filter)),
                options: SubscriptionOptions::new(qos),
            }],
            user_properties: UserProperties::default(),
        }),
        Up::Unsubscribe { packet_id, filter } => Packet::Unsubscribe(Unsubscribe {
            packet_id: identifier(packet_id),
            filters: vec![Ok(topic_filter(filter))],
            user_properties: UserProperties::default(),
        }),
        Up::Disconnect => Packet::Disconnect(Disconnect::new(ReasonCode::Success)),
    };
    let mut bytes = BytesMut::new();
    encode(&packet, version, &mut bytes).expect("the workload's packets have a form in both versions");
    bytes
}

/// What a node wrote, as far as a client of the workload cares. Farewells are left out: the close that follows says it.
pub(crate) fn packets_of(written: &mut BytesMut, version: Version) -> Vec<Down> {
    let mut decoder = Decoder::new(Role::Client);
    decoder.set_version(version);
    let mut packets = Vec::new();
    while let Some(packet) = decoder.decode(written).expect("what a node writes is MQTT") {
        packets.extend(down(packet));
    }
    packets
}

fn down(packet: Packet) -> Option<Down> {
    match packet {
        Packet::ConnAck(connack) if connack.reason == ReasonCode::Success => {
            Some(Down::ConnAck { session_present: connack.session_present })
        }
        Packet::Publish(publish) => Some(Down::Publish {
            packet_id: publish.packet_id.map(PacketId::get),
            dup: publish.dup,
            qos: publish.qos,
            message: from_payload(&publish.payload).0,
        }),
        Packet::PubAck(ack) => Some(Down::PubAck(ack.packet_id.get(), ack.reason.is_error())),
        Packet::PubRec(ack) => Some(Down::PubRec(ack.packet_id.get(), ack.reason.is_error())),
        Packet::PubRel(ack) => Some(Down::PubRel(ack.packet_id.get())),
        Packet::PubComp(ack) => Some(Down::PubComp(ack.packet_id.get())),
        Packet::SubAck(ack) => Some(Down::SubAck(ack.packet_id.get())),
        Packet::UnsubAck(ack) => Some(Down::UnsubAck(ack.packet_id.get())),
        Packet::ConnAck(_)
        | Packet::Disconnect(_)
        | Packet::PingResp(_)
        | Packet::Auth(_)
        | Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq(_) => None,
    }
}

/// A topic of the workload.
pub(crate) fn topic(topic: u8) -> Topic {
    Topic::try_from(format!("t/{topic}").as_str()).expect("the workload's topics are topics")
}

/// A filter of the workload.
pub(crate) fn topic_filter(filter: Filter) -> TopicFilter {
    TopicFilter::from_utf8(utf8(&filter.text())).expect("the workload's filters are filters")
}

/// A payload that names its message: publisher, whether it is large, sequence, padding.
pub(crate) fn payload(message: Published) -> Bytes {
    let mut payload = vec![message.id.publisher, u8::from(message.large)];
    payload.extend(message.id.sequence.to_be_bytes());
    if message.large {
        payload.resize(LARGE, 0);
    }
    Bytes::from(payload)
}

/// The message that a payload names, and whether it is large.
pub(crate) fn from_payload(payload: &[u8]) -> (MessageId, bool) {
    match payload {
        [publisher, large, a, b, c, d, ..] => {
            let sequence = u32::from_be_bytes([*a, *b, *c, *d]);
            (MessageId { publisher: *publisher, sequence }, *large == 1)
        }
        _ => (MessageId { publisher: u8::MAX, sequence: 0 }, false),
    }
}

/// A packet identifier of the workload.
pub(crate) fn identifier(id: u16) -> PacketId {
    PacketId::new(id).expect("identifiers of the workload start at 1")
}

/// A string of the workload.
pub(crate) fn utf8(text: &str) -> Utf8String {
    Utf8String::try_from(text).expect("the workload's strings are MQTT strings")
}

/// The message that the core gets from the thin front end.
pub(crate) fn to_message(message: Published) -> quartet_broker::Message {
    quartet_broker::Message {
        topic: topic(message.topic),
        qos: message.qos,
        retain: false,
        message_expiry: message.expiry,
        properties: quartet_packet::PublishProperties::default(),
        payload: payload(message),
    }
}
