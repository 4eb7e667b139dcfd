//! Any command, for property tests.

use core::num::NonZeroU32;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use quartet_broker::{
    Ack, AckKind, Acknowledge, AdvanceTime, Boot, Command, Configure, Connect, ConnectionId, Disconnect,
    FilterRequest, LogIndex, Message, NodeDown, NodeId, NodeUp, Origin, Principal, Publish, SessionSlot,
    Settings, Subscribe, Unsubscribe, Upgrade, Verdict, VoteDigest,
};
use quartet_packet::{
    PacketId, Property, PublishProperties, QoS, ReasonCode, RetainHandling, SubscriptionOptions, Topic,
    TopicFilter, Utf8String, Version,
};

/// The origin of all commands of connections here.
pub(crate) const ORIGIN: Origin = Origin { node: NodeId(3), boot: Boot(9) };

fn text() -> impl Strategy<Value = Utf8String> {
    "[a-zé/]{0,12}".prop_map(|text| Utf8String::from_bytes(Bytes::from(text)).unwrap())
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    // Ends of the range are as likely as its middle: runs wrap there.
    prop_oneof![1..=4_u16, 65_532..=65_535_u16, 1..=u16::MAX].prop_map(|id| PacketId::new(id).unwrap())
}

fn reason() -> impl Strategy<Value = ReasonCode> {
    any::<u8>().prop_map(|code| ReasonCode::from_u8(code).unwrap_or(ReasonCode::Success))
}

fn refusal() -> impl Strategy<Value = ReasonCode> {
    (0x80..=0xa2_u8).prop_map(|code| ReasonCode::from_u8(code).unwrap_or(ReasonCode::NotAuthorized))
}

fn qos() -> impl Strategy<Value = QoS> {
    (0..3_u8).prop_map(|qos| QoS::from_u8(qos).unwrap())
}

fn connection() -> impl Strategy<Value = ConnectionId> {
    any::<u64>().prop_map(|serial| ConnectionId { node: ORIGIN.node, boot: ORIGIN.boot, serial })
}

fn slot() -> impl Strategy<Value = SessionSlot> {
    any::<u32>().prop_map(SessionSlot)
}

pub(crate) fn message() -> impl Strategy<Value = Message> {
    let properties = vec((text(), text()), 0..3).prop_map(|pairs| {
        let pairs = pairs.into_iter().map(|(name, value)| Property::UserProperty(name, value));
        PublishProperties::new(pairs).unwrap()
    });
    ("[a-z/]{1,12}", qos(), any::<bool>(), option::of(any::<u32>()), properties, vec(any::<u8>(), 0..300))
        .prop_map(|(topic, qos, retain, message_expiry, properties, payload)| Message {
            topic: Topic::try_from(topic.as_str()).unwrap(),
            qos,
            retain,
            message_expiry,
            properties,
            payload: payload.into(),
        })
}

fn connect() -> impl Strategy<Value = Command> {
    let version = prop_oneof![Just(Version::V3_1), Just(Version::V3_1_1), Just(Version::V5)];
    (connection(), any::<u64>(), text(), text(), version, any::<bool>(), any::<u32>(), any::<u16>()).prop_map(
        |(
            connection,
            read_at,
            client_id,
            principal,
            version,
            clean_start,
            session_expiry,
            receive_maximum,
        )| {
            Command::Connect(Connect {
                connection,
                read_at: LogIndex(read_at),
                client_id,
                principal: Principal(principal),
                version,
                clean_start,
                session_expiry,
                receive_maximum,
            })
        },
    )
}

fn disconnect() -> impl Strategy<Value = Command> {
    (connection(), slot(), option::of(any::<u32>()), any::<bool>()).prop_map(
        |(connection, session, session_expiry, will_due)| {
            Command::Disconnect(Disconnect { connection, session, session_expiry, will_due })
        },
    )
}

fn publish() -> impl Strategy<Value = Command> {
    let verdict = prop_oneof![Just(Verdict::Admit), refusal().prop_map(Verdict::Refuse)];
    (connection(), slot(), packet_id(), message(), verdict).prop_map(
        |(connection, session, packet_id, message, verdict)| {
            Command::Publish(Publish { connection, session, packet_id, message, verdict })
        },
    )
}

fn ack() -> impl Strategy<Value = Ack> {
    let kind = prop_oneof![
        Just(AckKind::PubAck),
        Just(AckKind::PubRec),
        Just(AckKind::PubRel),
        Just(AckKind::PubComp),
        Just(AckKind::Discard)
    ];
    let reason = prop_oneof![4 => Just(ReasonCode::Success), 1 => reason()];
    (kind, packet_id(), reason).prop_map(|(kind, packet_id, reason)| Ack { kind, packet_id, reason })
}

fn acknowledge() -> impl Strategy<Value = Command> {
    // Runs of one acknowledgement and its followers, so that both forms occur.
    let run = (ack(), 0..5_u16).prop_map(|(first, more)| {
        let id =
            move |by: u16| PacketId::new(first.packet_id.get().wrapping_add(by)).unwrap_or(PacketId::MIN);
        (0..=more).map(move |by| Ack { packet_id: id(by), ..first })
    });
    (connection(), slot(), vec(run, 0..6)).prop_map(|(connection, session, runs)| {
        Command::Acknowledge(Acknowledge { connection, session, acks: runs.into_iter().flatten().collect() })
    })
}

fn options() -> impl Strategy<Value = SubscriptionOptions> {
    (qos(), any::<bool>(), any::<bool>(), 0..3_u8).prop_map(
        |(qos, no_local, retain_as_published, handling)| {
            let retain_handling = RetainHandling::from_u8(handling).unwrap();
            SubscriptionOptions { qos, no_local, retain_as_published, retain_handling }
        },
    )
}

fn subscribe() -> impl Strategy<Value = Command> {
    let filter = "[a-z/]{1,10}".prop_map(|filter| TopicFilter::try_from(filter.as_str()).unwrap());
    let request = prop_oneof![
        3 => (filter, options()).prop_map(|(filter, options)| FilterRequest::Admit(filter, options)),
        1 => refusal().prop_map(FilterRequest::Refuse)
    ];
    (connection(), slot(), packet_id(), option::of(1..268_435_456_u32), vec(request, 0..5)).prop_map(
        |(connection, session, packet_id, identifier, filters)| {
            let subscription_identifier = identifier.and_then(NonZeroU32::new);
            Command::Subscribe(Subscribe { connection, session, packet_id, subscription_identifier, filters })
        },
    )
}

fn unsubscribe() -> impl Strategy<Value = Command> {
    (connection(), slot(), packet_id(), vec(text(), 0..5)).prop_map(
        |(connection, session, packet_id, filters)| {
            Command::Unsubscribe(Unsubscribe { connection, session, packet_id, filters })
        },
    )
}

/// Any command of a connection of [`ORIGIN`].
pub(crate) fn connection_command() -> impl Strategy<Value = Command> {
    prop_oneof![connect(), disconnect(), publish(), acknowledge(), subscribe(), unsubscribe()]
}

/// Any command of the cluster.
pub(crate) fn cluster_command() -> impl Strategy<Value = Command> {
    let origin = || {
        (any::<u64>(), any::<u64>()).prop_map(|(node, boot)| Origin { node: NodeId(node), boot: Boot(boot) })
    };
    let settings = (any::<u16>(), any::<u32>(), any::<u64>()).prop_map(|(small, middle, large)| Settings {
        maximum_inflight: small,
        maximum_sessions: middle,
        maximum_queued_bytes: large,
        ..Settings::default()
    });
    prop_oneof![
        origin().prop_map(|origin| Command::NodeUp(NodeUp { origin })),
        origin().prop_map(|origin| Command::NodeDown(NodeDown { origin })),
        Just(Command::AdvanceTime(AdvanceTime)),
        settings.prop_map(|settings| Command::Configure(Configure { settings })),
        any::<u16>().prop_map(|behaviour| Command::Upgrade(Upgrade { behaviour })),
        (any::<u64>(), any::<u64>(), any::<u64>()).prop_map(|(node, index, digest)| {
            Command::VoteDigest(VoteDigest { node: NodeId(node), index: LogIndex(index), digest })
        }),
    ]
}
