//! What a large state costs: time to connect and subscribe so many clients, to freeze, to take apart, to thaw; and how
//! long the first entry after a freeze takes.
//!
//! `cargo run --release -p quartet-broker --example freeze_speed [sessions]`

use std::io::Write;
use std::time::Instant;

use quartet_broker::{
    Boot, Broker, Command, Connect, ConnectionId, Effect, FilterRequest, LogIndex, NodeId, NodeUp, Origin,
    Outgoing, Principal, SessionSlot, Settings, Subscribe, Timestamp,
};
use quartet_packet::{PacketId, QoS, SubscriptionOptions, TopicFilter, Utf8String, Version};

const NODE: Origin = Origin { node: NodeId(1), boot: Boot(1) };

fn main() -> std::io::Result<()> {
    let sessions = std::env::args().nth(1).and_then(|word| word.parse().ok()).unwrap_or(1_000_000_u64);
    let mut said = std::io::stdout();
    let mut broker = Broker::new(1, Settings::default());
    let mut effects = Vec::new();
    broker.begin_entry(LogIndex(1), Timestamp(1));
    broker.apply(Command::NodeUp(NodeUp { origin: NODE }), &mut effects);
    broker.end_entry(&mut effects);

    let start = Instant::now();
    for serial in 1..=sessions {
        effects.clear();
        client(&mut broker, serial, &mut effects);
    }
    writeln!(said, "{sessions} clients with a subscription each: {:?}", start.elapsed())?;
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let resident = status.lines().find(|line| line.starts_with("VmRSS")).unwrap_or_default();
        writeln!(said, "resident: {}", resident.trim_start_matches("VmRSS:").trim())?;
    }

    let start = Instant::now();
    let frozen = broker.freeze();
    writeln!(said, "freeze: {:?}", start.elapsed())?;
    let start = Instant::now();
    client(&mut broker, sessions + 1, &mut effects);
    writeln!(said, "the next two entries: {:?}", start.elapsed())?;
    let start = Instant::now();
    let parts = frozen.parts();
    writeln!(said, "take apart: {:?}", start.elapsed())?;
    let start = Instant::now();
    let thawed = Broker::thaw(parts);
    writeln!(said, "thaw: {:?}", start.elapsed())?;
    assert!(thawed.is_ok_and(|thawed| thawed.digest() == frozen.header().digest));
    let start = Instant::now();
    drop(frozen);
    writeln!(said, "let go of the frozen one: {:?}", start.elapsed())
}

/// One client connects and subscribes, in an entry each.
fn client(broker: &mut Broker, serial: u64, effects: &mut Vec<Effect>) {
    let Origin { node, boot } = NODE;
    let connection = ConnectionId { node, boot, serial };
    let client_id = Utf8String::try_from(format!("sensor-{serial:08}")).expect("a client id");
    let next = |broker: &mut Broker, command, effects: &mut Vec<Effect>| {
        broker.begin_entry(LogIndex(broker.index().0 + 1), Timestamp(1));
        broker.apply(command, effects);
        broker.end_entry(effects);
    };
    let connect = Command::Connect(Connect {
        connection,
        read_at: broker.index(),
        client_id,
        principal: Principal(Utf8String::default()),
        version: Version::V5,
        clean_start: false,
        session_expiry: 3600,
        receive_maximum: 100,
    });
    next(broker, connect, effects);
    let slot = effects.iter().rev().find_map(|effect| match effect {
        Effect::Send { packet: Outgoing::ConnAck { session, .. }, .. } => Some(*session),
        _ => None,
    });
    let filter = format!("site/{}/sensor/{serial}/command", serial % 100);
    let options = SubscriptionOptions::new(QoS::AtLeastOnce);
    let subscribe = Command::Subscribe(Subscribe {
        connection,
        session: slot.unwrap_or(SessionSlot(0)),
        packet_id: PacketId::MIN,
        subscription_identifier: None,
        filters: vec![FilterRequest::Admit(
            TopicFilter::try_from(filter.as_str()).expect("a filter"),
            options,
        )],
    });
    next(broker, subscribe, effects);
}
