//! Arbitrary packets that can be sent: each version's fields, sizes from nothing to some dozens.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::num::{NonZeroU16, NonZeroU32};

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use quartet_packet::*;

pub(crate) fn version() -> impl Strategy<Value = Version> {
    select(Version::ALL.to_vec())
}

fn text() -> impl Strategy<Value = Utf8String> {
    prop_oneof!["[a-z/]{0,12}", "[^\0]{0,20}"].prop_map(|text| Utf8String::try_from(text).unwrap())
}

pub(crate) fn topic() -> impl Strategy<Value = Topic> {
    prop_oneof!["[a-z/$]{1,20}", "[^\0+#]{1,20}"].prop_map(|text| Topic::try_from(text.as_str()).unwrap())
}

pub(crate) fn filter() -> impl Strategy<Value = Result<TopicFilter, InvalidTopicFilter>> {
    let levels = vec(prop_oneof!["[a-c]{0,2}", "\\+"], 1..5);
    let structured = (select(vec!["", "$share/g/", "$share/", "$share/#/"]), levels, any::<bool>()).prop_map(
        |(share, levels, rest)| format!("{share}{}{}", levels.join("/"), if rest { "/#" } else { "" }),
    );
    prop_oneof![4 => structured, 1 => "[^\0]{0,12}"]
        .prop_map(|text| TopicFilter::from_utf8(Utf8String::try_from(text).unwrap()))
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..40).prop_map(Bytes::from)
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    any::<NonZeroU16>().prop_map(PacketId::from)
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn user_properties(version: Version) -> BoxedStrategy<UserProperties> {
    let count = if version.is_v5() { 0..4 } else { 0..1 };
    vec((text(), text()), count).prop_map(|pairs| UserProperties::new(pairs).unwrap()).boxed()
}

/// `None` before 5.0.
fn v5<S: Strategy + 'static>(version: Version, value: S) -> BoxedStrategy<Option<S::Value>>
where
    S::Value: Clone,
{
    if version.is_v5() { of(value).boxed() } else { Just(None).boxed() }
}

/// The default before 5.0.
fn v5_or<S: Strategy + 'static>(version: Version, value: S, default: S::Value) -> BoxedStrategy<S::Value>
where
    S::Value: Clone,
{
    if version.is_v5() { value.boxed() } else { Just(default).boxed() }
}

pub(crate) fn publish_properties(version: Version) -> BoxedStrategy<PublishProperties> {
    let single = (
        v5(version, any::<bool>().prop_map(Property::PayloadFormatIndicator)),
        v5(version, text().prop_map(Property::ContentType)),
        v5(version, topic().prop_map(Property::ResponseTopic)),
        v5(version, bytes().prop_map(Property::CorrelationData)),
    );
    let pairs = (text(), text()).prop_map(|(name, value)| Property::UserProperty(name, value));
    let user = vec(pairs, if version.is_v5() { 0..4 } else { 0..1 });
    (single, user)
        .prop_map(|((a, b, c, d), user)| [a, b, c, d].into_iter().flatten().chain(user).collect::<Vec<_>>())
        .prop_shuffle()
        .prop_map(|properties| PublishProperties::new(properties).unwrap())
        .boxed()
}

fn reason(packet: PacketType) -> BoxedStrategy<ReasonCode> {
    let allowed: Vec<ReasonCode> =
        (0..=255).filter_map(ReasonCode::from_u8).filter(|reason| reason.allowed_in(packet)).collect();
    select(allowed).boxed()
}

pub(crate) fn publish(role: Role, version: Version) -> impl Strategy<Value = Publish> {
    let identifiers = match (role, version) {
        (Role::Client, Version::V5) => vec(1..=268_435_455_u32, 0..4).boxed(),
        _ => Just(Vec::new()).boxed(),
    };
    let flags = (any::<bool>(), qos(), any::<bool>(), packet_id());
    let rest = (
        of(topic()),
        topic(),
        v5(version, any::<u32>()),
        v5(version, any::<NonZeroU16>()),
        identifiers,
        publish_properties(version),
        bytes(),
    );
    (flags, rest).prop_map(|((dup, qos, retain, id), rest)| {
        let (topic, other, message_expiry, topic_alias, subscription_identifiers, ..) = rest;
        Publish {
            dup: dup && qos > QoS::AtMostOnce,
            qos,
            retain,
            topic: if topic_alias.is_some() { topic } else { Some(other) },
            packet_id: Some(id).filter(|_| qos > QoS::AtMostOnce),
            message_expiry,
            topic_alias,
            subscription_identifiers,
            properties: rest.5,
            payload: rest.6,
        }
    })
}

fn will(version: Version) -> impl Strategy<Value = Will> {
    (
        qos(),
        any::<bool>(),
        topic(),
        bytes(),
        v5_or(version, any::<u32>(), 0),
        v5(version, any::<u32>()),
        publish_properties(version),
    )
        .prop_map(|(qos, retain, topic, payload, delay_interval, message_expiry, properties)| Will {
            qos,
            retain,
            topic,
            payload,
            delay_interval,
            message_expiry,
            properties,
        })
}

/// Method, or method and data.
fn authentication(version: Version) -> BoxedStrategy<(Option<Utf8String>, Option<Bytes>)> {
    v5(version, (text(), of(bytes())))
        .prop_map(|both| match both {
            Some((method, data)) => (Some(method), data),
            None => (None, None),
        })
        .boxed()
}

pub(crate) fn connect(version: Version) -> impl Strategy<Value = Connect> {
    let plain = (any::<bool>(), any::<u16>(), text(), of(will(version)), of(text()), of(bytes()));
    let properties = (
        v5(version, any::<u32>()),
        v5(version, any::<NonZeroU16>()),
        v5(version, any::<NonZeroU32>()),
        v5_or(version, any::<u16>(), 0),
        v5_or(version, any::<bool>(), false),
        v5_or(version, any::<bool>(), true),
        user_properties(version),
        authentication(version),
    );
    (plain, properties).prop_map(move |(plain, properties)| {
        let (clean_start, keep_alive, client_id, will, username, password) = plain;
        let password = password.filter(|_| version.is_v5() || username.is_some());
        let authentication = properties.7;
        Connect {
            version,
            clean_start,
            keep_alive,
            client_id,
            will,
            username,
            password,
            session_expiry: properties.0,
            receive_maximum: properties.1,
            maximum_packet_size: properties.2,
            topic_alias_maximum: properties.3,
            request_response_information: properties.4,
            request_problem_information: properties.5,
            user_properties: properties.6,
            authentication_method: authentication.0,
            authentication_data: authentication.1,
        }
    })
}

fn connack(version: Version) -> impl Strategy<Value = ConnAck> {
    let reason = match version {
        Version::V5 => reason(PacketType::ConnAck),
        Version::V3_1 | Version::V3_1_1 => {
            (0..=5_u8).prop_map(|c| ReasonCode::from_connect_return_code(c).unwrap()).boxed()
        }
    };
    let limits = (
        v5(version, any::<u32>()),
        v5(version, any::<NonZeroU16>()),
        v5_or(version, qos(), QoS::ExactlyOnce),
        v5(version, any::<NonZeroU32>()),
        v5_or(version, any::<u16>(), 0),
        v5(version, any::<u16>()),
    );
    let available = v5_or(version, any::<[bool; 4]>(), [true; 4]);
    let texts = (
        v5(version, text()),
        v5(version, text()),
        v5(version, text()),
        v5(version, text()),
        user_properties(version),
        authentication(version),
    );
    (any::<bool>(), reason, limits, available, texts).prop_map(
        move |(present, reason, limits, available, texts)| {
            let authentication = texts.5;
            ConnAck {
                session_present: present && version > Version::V3_1 && !reason.is_error(),
                reason,
                session_expiry: limits.0,
                receive_maximum: limits.1,
                maximum_qos: limits.2,
                retain_available: available[0],
                maximum_packet_size: limits.3,
                assigned_client_identifier: texts.0,
                topic_alias_maximum: limits.4,
                reason_string: texts.1,
                user_properties: texts.4,
                wildcard_subscription_available: available[1],
                subscription_identifiers_available: available[2],
                shared_subscription_available: available[3],
                server_keep_alive: limits.5,
                response_information: texts.2,
                server_reference: texts.3,
                authentication_method: authentication.0,
                authentication_data: authentication.1,
            }
        },
    )
}

macro_rules! acknowledgement {
    ($type:ident, $version:expr) => {
        (
            packet_id(),
            v5_or($version, reason(PacketType::$type), ReasonCode::Success),
            v5($version, text()),
            user_properties($version),
        )
            .prop_map(|(packet_id, reason, reason_string, user_properties)| {
                Packet::$type($type { packet_id, reason, reason_string, user_properties })
            })
            .boxed()
    };
}

fn subscribe(version: Version) -> impl Strategy<Value = Subscribe> {
    let handling = select(vec![RetainHandling::Send, RetainHandling::SendIfNew, RetainHandling::DoNotSend]);
    let options = (qos(), v5_or(version, (any::<bool>(), any::<bool>(), handling), Default::default()))
        .prop_map(|(qos, (no_local, retain_as_published, retain_handling))| SubscriptionOptions {
            qos,
            no_local,
            retain_as_published,
            retain_handling,
        });
    let request = (filter(), options).prop_map(|(filter, mut options)| {
        options.no_local &= !filter.as_ref().is_ok_and(TopicFilter::is_shared);
        SubscriptionRequest { filter, options }
    });
    (packet_id(), v5(version, 1..=268_435_455_u32), vec(request, 1..4), user_properties(version)).prop_map(
        |(packet_id, subscription_identifier, filters, user_properties)| Subscribe {
            packet_id,
            subscription_identifier,
            filters,
            user_properties,
        },
    )
}

fn suback(version: Version) -> impl Strategy<Value = SubAck> {
    let reason = match version {
        Version::V5 => reason(PacketType::SubAck),
        Version::V3_1 | Version::V3_1_1 => {
            select(vec![0, 1, 2, 0x80]).prop_map(|c| ReasonCode::from_u8(c).unwrap()).boxed()
        }
    };
    (packet_id(), vec(reason, 1..5), v5(version, text()), user_properties(version)).prop_map(
        |(packet_id, reasons, reason_string, user_properties)| SubAck {
            packet_id,
            reasons,
            reason_string,
            user_properties,
        },
    )
}

fn unsuback(version: Version) -> impl Strategy<Value = UnsubAck> {
    let reasons = vec(reason(PacketType::UnsubAck), 1..5);
    let reasons = v5_or(version, reasons, Vec::new());
    (packet_id(), reasons, v5(version, text()), user_properties(version)).prop_map(
        |(packet_id, reasons, reason_string, user_properties)| UnsubAck {
            packet_id,
            reasons,
            reason_string,
            user_properties,
        },
    )
}

fn disconnect(role: Role, version: Version) -> impl Strategy<Value = Disconnect> {
    let reason = v5_or(version, reason(PacketType::Disconnect), ReasonCode::Success);
    let texts = (v5(version, text()), v5(version, text()), user_properties(version));
    (reason, v5(version, any::<u32>()), texts).prop_map(move |(reason, session_expiry, texts)| Disconnect {
        reason,
        session_expiry: session_expiry.filter(|_| role == Role::Server),
        reason_string: texts.0,
        server_reference: texts.1,
        user_properties: texts.2,
    })
}

fn auth() -> impl Strategy<Value = Auth> {
    let full = (reason(PacketType::Auth), text(), of(bytes()), of(text()), user_properties(Version::V5))
        .prop_map(|(reason, method, data, reason_string, user_properties)| Auth {
            reason,
            authentication_method: Some(method),
            authentication_data: data,
            reason_string,
            user_properties,
        });
    prop_oneof![1 => Just(Auth::default()), 9 => full]
}

/// Any packet that this role reads, CONNECT excepted.
pub(crate) fn packet(role: Role, version: Version) -> BoxedStrategy<Packet> {
    let mut all = vec![
        publish(role, version).prop_map(Packet::Publish).boxed(),
        acknowledgement!(PubAck, version),
        acknowledgement!(PubRec, version),
        acknowledgement!(PubRel, version),
        acknowledgement!(PubComp, version),
    ];
    match role {
        Role::Server => all.extend([
            subscribe(version).prop_map(Packet::Subscribe).boxed(),
            (packet_id(), vec(filter(), 1..4), user_properties(version))
                .prop_map(|(packet_id, filters, user_properties)| {
                    Packet::Unsubscribe(Unsubscribe { packet_id, filters, user_properties })
                })
                .boxed(),
            Just(Packet::PingReq(PingReq)).boxed(),
            disconnect(role, version).prop_map(Packet::Disconnect).boxed(),
        ]),
        Role::Client => all.extend([
            connack(version).prop_map(|connack| Packet::ConnAck(connack.into())).boxed(),
            suback(version).prop_map(Packet::SubAck).boxed(),
            unsuback(version).prop_map(Packet::UnsubAck).boxed(),
            Just(Packet::PingResp(PingResp)).boxed(),
        ]),
    }
    if version.is_v5() {
        all.push(auth().prop_map(Packet::Auth).boxed());
        if role == Role::Client {
            all.push(disconnect(role, version).prop_map(Packet::Disconnect).boxed());
        }
    }
    proptest::strategy::Union::new(all).boxed()
}

/// Any packet of any version, CONNECT included, and who reads it.
pub(crate) fn any_packet() -> BoxedStrategy<(Role, Version, Packet)> {
    (version(), select(vec![Role::Server, Role::Client]))
        .prop_flat_map(|(version, role)| {
            let connect = connect(version).prop_map(|connect| Packet::Connect(connect.into()));
            let packet = match role {
                Role::Server => prop_oneof![9 => packet(role, version), 1 => connect].boxed(),
                Role::Client => packet(role, version),
            };
            packet.prop_map(move |packet| (role, version, packet))
        })
        .boxed()
}
