//! Every packet comes back from its bytes as it was, however the bytes are cut, mixed and limited.
#![allow(clippy::unwrap_used, reason = "a test that panics has failed")]

mod strategies;
mod wire;

use bytes::{BufMut, BytesMut};
use proptest::collection::vec;
use proptest::prelude::*;
use quartet_packet::*;
use strategies::{any_packet, packet, publish};
use wire::{decoder, decoder_for};

fn encoded(packet: &Packet, version: Version) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode(packet, version, &mut bytes).unwrap();
    bytes
}

/// All packets of the buffer.
fn drain(decoder: &mut Decoder, buffer: &mut BytesMut) -> Vec<Packet> {
    std::iter::from_fn(|| decoder.decode(buffer).unwrap()).collect()
}

/// Several packets of one connection.
fn conversation() -> impl Strategy<Value = (Role, Version, Vec<Packet>)> {
    let role = prop_oneof![Just(Role::Server), Just(Role::Client)];
    (role, strategies::version()).prop_flat_map(|(role, version)| {
        vec(packet(role, version), 1..6).prop_map(move |packets| (role, version, packets))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn decode_gives_back_what_was_encoded((role, version, packet) in any_packet()) {
        let mut bytes = encoded(&packet, version);
        prop_assert_eq!(bytes.len(), encoded_len(&packet, version).unwrap());
        let decoded = decoder_for(&bytes, role, version).decode(&mut bytes);
        prop_assert_eq!(decoded, Ok(Some(packet)));
        prop_assert!(bytes.is_empty());
    }

    #[test]
    fn a_part_of_a_packet_is_waited_for((role, version, packet) in any_packet()) {
        let whole = encoded(&packet, version);
        for cut in 0..whole.len() {
            let mut part = BytesMut::from(&whole[..cut]);
            let decoded = decoder_for(&whole, role, version).decode(&mut part);
            prop_assert_eq!(decoded, Ok(None), "{} of {} bytes", cut, whole.len());
        }
    }

    #[test]
    fn cuts_between_reads_do_not_matter(
        (role, version, packets) in conversation(),
        sizes in vec(1..40_usize, 1..30),
    ) {
        let mut whole = BytesMut::new();
        for packet in &packets {
            encode(packet, version, &mut whole).unwrap();
        }
        let mut decoder = decoder(role, version);
        let mut buffer = BytesMut::new();
        let mut decoded = Vec::new();
        for size in sizes.into_iter().cycle() {
            let chunk = whole.split_to(size.min(whole.len()));
            if chunk.is_empty() {
                break;
            }
            buffer.extend_from_slice(&chunk);
            decoded.extend(drain(&mut decoder, &mut buffer));
        }
        prop_assert_eq!(decoded, packets);
    }

    #[test]
    fn a_changed_packet_is_refused_or_means_what_it_says(
        (role, version, packet) in any_packet(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>(), 0..3_u8), 1..4),
    ) {
        let whole = encoded(&packet, version);
        let mut body = whole[2..].to_vec();
        for (at, byte, how) in changes {
            let at = at.index(body.len() + 1);
            match how {
                0 => body.insert(at, byte),
                1 if at < body.len() => { body.remove(at); }
                _ if at < body.len() => body[at] = byte,
                _ => body.push(byte),
            }
        }
        let mut bytes = BytesMut::from(&wire::frame(whole[0], &body)[..]);
        let mut decoder = decoder_for(&bytes, role, version);
        let decoded = decoder.decode(&mut bytes);
        prop_assert!(decoded != Ok(None), "a whole packet is never waited for");
        if let Ok(Some(packet)) = decoded {
            let version = decoder.version().unwrap();
            let mut again = encoded(&packet, version);
            let decoded = decoder_for(&again, role, version).decode(&mut again);
            prop_assert_eq!(decoded, Ok(Some(packet)));
        }
    }

    #[test]
    fn within_a_limit_only_explanations_are_left_out(
        (role, version, packet) in any_packet(),
        limit in 0..120_usize,
    ) {
        let mut bytes = BytesMut::new();
        match encode_within(&packet, version, limit, &mut bytes) {
            Ok(()) => {
                prop_assert!(bytes.len() <= limit);
                let decoded = decoder_for(&bytes, role, version).decode(&mut bytes);
                let decoded = decoded.unwrap().unwrap();
                if encoded_len(&packet, version).unwrap() <= limit {
                    prop_assert_eq!(decoded, packet);
                } else {
                    prop_assert_eq!(bare(decoded), bare(packet));
                }
            }
            Err(EncodeError::TooLarge { limit: said, .. }) => {
                prop_assert_eq!(said, limit);
                prop_assert!(bytes.is_empty());
                prop_assert!(encoded_len(&bare(packet), version).unwrap() > limit);
            }
            Err(error) => return Err(TestCaseError::fail(error.to_string())),
        }
    }

    #[test]
    fn header_and_payload_make_the_packet(
        (version, publish) in strategies::version()
            .prop_flat_map(|version| (Just(version), publish(Role::Client, version))),
    ) {
        let header = PublishHeader::of(&publish);
        let mut bytes = BytesMut::new();
        encode_publish(&header, version, publish.payload.len(), &mut bytes).unwrap();
        bytes.put_slice(&publish.payload);
        prop_assert_eq!(header.packet_len(version, publish.payload.len()), Ok(bytes.len()));
        prop_assert_eq!(bytes, encoded(&Packet::Publish(publish), version));
    }

    #[test]
    fn properties_come_back_from_their_bytes(
        properties in strategies::publish_properties(Version::V5),
    ) {
        let again = PublishProperties::from_bytes(properties.as_bytes().clone()).unwrap();
        prop_assert_eq!(&again, &properties);
        prop_assert_eq!(PublishProperties::new(properties.iter()), Ok(again));
    }
}

/// The packet without what may be left out.
fn bare(mut packet: Packet) -> Packet {
    macro_rules! strip {
        ($p:expr) => {{
            $p.reason_string = None;
            $p.user_properties = UserProperties::default();
        }};
    }
    match &mut packet {
        Packet::ConnAck(p) => strip!(p),
        Packet::PubAck(p) => strip!(p),
        Packet::PubRec(p) => strip!(p),
        Packet::PubRel(p) => strip!(p),
        Packet::PubComp(p) => strip!(p),
        Packet::SubAck(p) => strip!(p),
        Packet::UnsubAck(p) => strip!(p),
        Packet::Disconnect(p) => strip!(p),
        Packet::Auth(p) => strip!(p),
        Packet::Connect(_)
        | Packet::Publish(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq(_)
        | Packet::PingResp(_) => {}
    }
    packet
}
