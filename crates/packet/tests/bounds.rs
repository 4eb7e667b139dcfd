//! The bounds of this crate, at their edge and one beyond, and what cannot be encoded.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod wire;

use bytes::{Bytes, BytesMut};
use quartet_packet::{
    Auth, Connect, EncodeError, MAX_CONNECT_SIZE, MAX_FILTERS, MAX_PACKET_SIZE, MAX_USER_PROPERTIES, Packet,
    PacketId, PacketType, Problem, Property, PubAck, Publish, PublishHeader, PublishProperties, QoS,
    ReasonCode, SubAck, Subscribe, Topic, UserProperties, Utf8String,
    Version::{V3_1_1, V5},
    Will, encode, encode_within, encoded_len,
};
use wire::{binary, block, connect, frame, join, server_reads};

const PAIR: [u8; 5] = [0x26, 0, 0, 0, 0];

fn publish() -> Publish {
    Publish::new(Topic::try_from("t").unwrap(), Bytes::from_static(b"payload"))
}

fn refused(packet: Packet, version: quartet_packet::Version) -> EncodeError {
    let mut bytes = BytesMut::new();
    let error = encode(&packet, version, &mut bytes).unwrap_err();
    assert!(bytes.is_empty());
    error
}

#[test]
fn filters_in_one_packet_are_bounded() {
    for (first, one) in [(0x82, &b"\0\x01t\0"[..]), (0xA2, b"\0\x01t")] {
        let with = |count| server_reads(V3_1_1, &frame(first, &join(&[&[0, 1], &one.repeat(count)])));
        assert!(matches!(with(MAX_FILTERS), Ok(Some(_))));
        let error = with(MAX_FILTERS + 1).unwrap_err();
        assert_eq!(error.problem, Problem::TooManyFilters);
        assert_eq!(error.reason, ReasonCode::QuotaExceeded);
    }
}

#[test]
fn user_properties_in_one_block_are_bounded() {
    let publish = |count| {
        let properties = block(&PAIR.repeat(count));
        server_reads(V5, &frame(0x30, &join(&[&binary(b"t"), &properties])))
    };
    assert!(matches!(publish(MAX_USER_PROPERTIES), Ok(Some(_))));
    let error = publish(MAX_USER_PROPERTIES + 1).unwrap_err();
    assert_eq!(error.problem, Problem::TooManyUserProperties);
    let bytes = Bytes::from(PAIR.repeat(MAX_USER_PROPERTIES + 1));
    assert!(PublishProperties::from_bytes(bytes.clone()).is_err());
    assert!(UserProperties::from_bytes(bytes).is_err());
}

#[test]
fn a_connect_is_bounded_before_it_is_read() {
    let of_size = |size: usize| {
        let fixed = connect(4, 0x06, &[], &join(&[&binary(b""), &binary(b"t"), &binary(b"")])).len();
        // Beyond 16383 bytes the Remaining Length takes three digits instead of one.
        let free = size - fixed - 2;
        let (id, will) = (vec![b'c'; free.min(65_535)], vec![0; free - free.min(65_535)]);
        let bytes = connect(4, 0x06, &[], &join(&[&binary(&id), &binary(b"t"), &binary(&will)]));
        assert_eq!(bytes.len(), size);
        bytes
    };
    assert!(matches!(server_reads(V3_1_1, &of_size(MAX_CONNECT_SIZE)), Ok(Some(_))));
    let error = server_reads(V3_1_1, &of_size(MAX_CONNECT_SIZE + 1)[..5]).unwrap_err();
    let (size, limit) = (MAX_CONNECT_SIZE + 1, MAX_CONNECT_SIZE);
    assert_eq!(error.problem, Problem::TooLarge { size, limit });
}

#[test]
fn kept_properties_are_only_those_that_may_be_kept() {
    let expiry = Bytes::from_static(&[0x02, 0, 0, 0, 1]);
    let problem = PublishProperties::from_bytes(expiry).unwrap_err();
    assert_eq!(problem, Problem::PropertyNotAllowed { property: 0x02 });
    let format = [Property::PayloadFormatIndicator(true), Property::PayloadFormatIndicator(true)];
    let problem = PublishProperties::new(format).unwrap_err();
    assert_eq!(problem, Problem::PropertyTwice { property: 0x01 });
    let data = Bytes::from(vec![0; 65_536]);
    let problem = PublishProperties::new([Property::CorrelationData(data)]).unwrap_err();
    assert_eq!(problem, Problem::PropertyValue { property: 0x09 });
    let content = UserProperties::from_bytes(Bytes::from_static(&[0x03, 0, 0])).unwrap_err();
    assert_eq!(content, Problem::PropertyNotAllowed { property: 0x03 });
}

#[test]
fn properties_between_others_are_kept_in_order() {
    let pair = |text: &[u8]| join(&[&[0x26], &binary(text), &binary(text)]);
    let properties = join(&[&pair(b"1"), &[2, 0, 0, 0, 9], &pair(b"2"), &[0x23, 0, 1], &pair(b"3")]);
    let bytes = frame(0x30, &join(&[&binary(b"t"), &block(&properties)]));
    let Ok(Some(Packet::Publish(publish))) = server_reads(V5, &bytes) else { panic!() };
    let kept = join(&[&pair(b"1"), &pair(b"2"), &pair(b"3")]);
    assert_eq!(publish.properties.as_bytes(), &kept);
    assert_eq!((publish.message_expiry, publish.topic_alias.unwrap().get()), (Some(9), 1));
}

#[test]
fn what_a_receiver_does_not_take_is_not_sent() {
    let packet = Packet::Publish(publish());
    let size = encoded_len(&packet, V5).unwrap();
    let mut bytes = BytesMut::new();
    assert_eq!(encode_within(&packet, V5, size, &mut bytes), Ok(()));
    assert_eq!(bytes.len(), size);
    bytes.clear();
    let error = encode_within(&packet, V5, size - 1, &mut bytes).unwrap_err();
    let limit = size - 1;
    assert_eq!(error, EncodeError::TooLarge { packet: PacketType::Publish, size, limit });
    assert!(bytes.is_empty());
}

#[test]
fn user_properties_go_before_the_reason_string() {
    let text = |text: &str| Utf8String::try_from(text).unwrap();
    let mut puback = PubAck::with_reason(PacketId::MIN, ReasonCode::NotAuthorized);
    puback.reason_string = Some(text("why"));
    puback.user_properties = UserProperties::new([(text("k"), text("v"))]).unwrap();
    let size = |puback: &PubAck, limit| {
        let mut bytes = BytesMut::new();
        let fits = encode_within(&Packet::PubAck(puback.clone()), V5, limit, &mut bytes);
        fits.is_ok().then_some(bytes.len())
    };
    assert_eq!(size(&puback, 19), Some(19));
    assert_eq!(size(&puback, 18), Some(12));
    assert_eq!(size(&puback, 12), Some(12));
    assert_eq!(size(&puback, 11), Some(5));
    assert_eq!(size(&puback, 4), None);
}

#[test]
fn each_length_of_the_remaining_length_comes_back() {
    for remaining in [0x7F, 0x80, 0x3FFF, 0x4000, 0x1F_FFFF, 0x20_0000] {
        let mut publish = publish();
        publish.payload = Bytes::from(vec![7; remaining - 3]);
        let packet = Packet::Publish(publish);
        let mut bytes = BytesMut::new();
        encode(&packet, V3_1_1, &mut bytes).unwrap();
        let header = join(&[&[0x30], &wire::variable_byte_integer(remaining), &binary(b"t")]);
        assert!(bytes.starts_with(&header), "{remaining:#x}");
        assert_eq!(bytes.len(), encoded_len(&packet, V3_1_1).unwrap());
        assert_eq!(server_reads(V3_1_1, &bytes), Ok(Some(packet)));
    }
}

#[test]
fn the_largest_packet_is_what_the_remaining_length_can_say() {
    let publish = publish();
    let header = PublishHeader::of(&publish);
    let most = MAX_PACKET_SIZE - 5 - 3;
    assert_eq!(header.packet_len(V3_1_1, most), Ok(MAX_PACKET_SIZE));
    for more in [most + 1, usize::MAX] {
        let error = header.packet_len(V3_1_1, more).unwrap_err();
        assert!(matches!(error, EncodeError::TooLarge { .. }));
    }
}

#[test]
fn what_has_no_form_is_not_encoded() {
    let mut without_id = publish();
    without_id.qos = QoS::AtLeastOnce;
    assert_eq!(refused(Packet::Publish(without_id), V5), EncodeError::NoPacketId);
    let mut aliased = publish();
    aliased.topic = None;
    aliased.topic_alias = core::num::NonZeroU16::new(1);
    assert!(encode(&Packet::Publish(aliased.clone()), V5, &mut BytesMut::new()).is_ok());
    assert_eq!(refused(Packet::Publish(aliased), V3_1_1), EncodeError::NoTopic);
    let mut numbered = publish();
    numbered.subscription_identifiers = vec![0];
    let error = refused(Packet::Publish(numbered), V5);
    assert_eq!(error, EncodeError::SubscriptionIdentifier(0));
    let auth = Packet::Auth(Auth { reason: ReasonCode::ReAuthenticate, ..Auth::default() });
    assert_eq!(refused(auth.clone(), V3_1_1), EncodeError::NotInVersion(PacketType::Auth));
    assert_eq!(refused(auth, V5), EncodeError::NoAuthenticationMethod(PacketType::Auth));
    let puback = PubAck::with_reason(PacketId::MIN, ReasonCode::ServerBusy);
    let (packet, reason) = (PacketType::PubAck, ReasonCode::ServerBusy);
    assert_eq!(refused(Packet::PubAck(puback), V5), EncodeError::Reason { packet, reason });
    let suback = Packet::SubAck(SubAck::new(PacketId::MIN, Vec::new()));
    assert_eq!(refused(suback, V5), EncodeError::Empty(PacketType::SubAck));
    let subscribe = Packet::Subscribe(Subscribe {
        packet_id: PacketId::MIN,
        subscription_identifier: None,
        filters: Vec::new(),
        user_properties: UserProperties::default(),
    });
    assert_eq!(refused(subscribe, V5), EncodeError::Empty(PacketType::Subscribe));
    let mut connect = Connect::new(V5, Utf8String::default());
    let topic = Topic::try_from("t").unwrap();
    connect.will = Some(Will::new(topic, Bytes::from(vec![0; 65_536])));
    let error = refused(Packet::Connect(connect.into()), V5);
    assert_eq!(error, EncodeError::BinaryTooLong { field: "will payload" });
}

#[test]
fn a_failed_subscription_has_one_code_before_5_0() {
    let reasons = vec![ReasonCode::GrantedQos2, ReasonCode::TopicFilterInvalid];
    let suback = Packet::SubAck(SubAck::new(PacketId::MIN, reasons));
    let mut bytes = BytesMut::new();
    encode(&suback, V3_1_1, &mut bytes).unwrap();
    assert_eq!(bytes, &[0x90, 4, 0, 1, 2, 0x80][..]);
}
