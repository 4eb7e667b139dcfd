//! Checkpoints come back as they were, and damage is found.

use std::os::unix::fs::FileExt;

use bytes::Bytes;
use quartet_broker::{
    Ack, AckKind, Acknowledge, Boot, Broker, Command, Connect, ConnectionId, Effect, FilterRequest, LogIndex,
    Message, NodeId, NodeUp, Number, Origin, Outgoing, Principal, Publish, SessionSlot, Settings, Subscribe,
    Timestamp, Verdict,
};
use quartet_packet::{
    PacketId, PublishProperties, QoS, ReasonCode, SubscriptionOptions, Topic, TopicFilter, Utf8String,
    Version,
};
use quartet_raft_log::{LogId, StoredMembership};

use super::*;
use crate::message_store::MessageStore;

const CLUSTER: u128 = 0x1234;

fn text(text: String) -> Utf8String {
    Utf8String::from_bytes(Bytes::from(text)).unwrap()
}

/// A state with attached and detached sessions, queues, and handshakes at every step.
fn state() -> (Broker, MessageStore) {
    let mut broker = Broker::new(7, Settings { maximum_inflight: 2, ..Settings::default() });
    let mut messages = MessageStore::default();
    let origin = Origin { node: NodeId(1), boot: Boot(1) };
    let mut number = 0;
    let mut index = 0;
    let mut apply = |broker: &mut Broker, command: Command| {
        index += 1;
        broker.begin_entry(LogIndex(index), Timestamp(1000 + index));
        let mut effects = Vec::new();
        if super::super::codec::command::connection_of(&command).is_some() {
            number += 1;
            broker.admit(origin, Number(number));
        }
        broker.apply(command, &mut effects);
        broker.end_entry(&mut effects);
        for effect in &effects {
            match effect {
                Effect::Store { handle, message } => messages.store(*handle, message),
                Effect::Release { handle } => messages.release(*handle),
                _ => {}
            }
        }
        effects
    };
    apply(&mut broker, Command::NodeUp(NodeUp { origin }));
    let mut sessions = Vec::new();
    for serial in 1..=4 {
        let connection = ConnectionId { node: origin.node, boot: origin.boot, serial };
        let connect = Connect {
            connection,
            read_at: LogIndex(serial),
            client_id: text(format!("client-{serial}")),
            principal: Principal(text("p".to_owned())),
            version: Version::V5,
            clean_start: false,
            session_expiry: 1000,
            receive_maximum: 10,
        };
        let effects = apply(&mut broker, Command::Connect(connect));
        let slot = effects.iter().find_map(|effect| match effect {
            Effect::Send { packet: Outgoing::ConnAck { session, .. }, .. } => Some(*session),
            _ => None,
        });
        sessions.push((connection, slot.unwrap()));
    }
    for (connection, session) in &sessions[1..] {
        let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
        let filters = vec![FilterRequest::Admit(TopicFilter::try_from("a/+").unwrap(), options)];
        let (connection, session) = (*connection, *session);
        let (packet_id, subscription_identifier) = (PacketId::MIN, core::num::NonZeroU32::new(3));
        let subscribe = Subscribe { connection, session, packet_id, subscription_identifier, filters };
        apply(&mut broker, Command::Subscribe(subscribe));
    }
    for packet_id in 1..=8 {
        let message = Message {
            topic: Topic::try_from("a/b").unwrap(),
            qos: if packet_id % 2 == 0 { QoS::ExactlyOnce } else { QoS::AtLeastOnce },
            retain: false,
            message_expiry: Some(500),
            properties: PublishProperties::default(),
            payload: Bytes::from(vec![9; 100]),
        };
        let (connection, session) = sessions[0];
        let packet_id = PacketId::new(packet_id).unwrap();
        let publish = Publish { connection, session, packet_id, message, verdict: Verdict::Admit };
        apply(&mut broker, Command::Publish(publish));
    }
    let (connection, session): (ConnectionId, SessionSlot) = sessions[1];
    let acks = [1, 2].map(|id| Ack {
        kind: if id == 1 { AckKind::PubAck } else { AckKind::PubRec },
        packet_id: PacketId::new(id).unwrap(),
        reason: ReasonCode::Success,
    });
    apply(&mut broker, Command::Acknowledge(Acknowledge { connection, session, acks: acks.to_vec() }));
    (broker, messages)
}

fn head(index: u64) -> Head {
    let last_log_id = Some(LogId::new(CommittedLeaderId { term: 2 }, index));
    Head { cluster_id: CLUSTER, last_log_id, membership: StoredMembership::default() }
}

fn open(dir: &Path) -> (Checkpoints, Option<Applier>, Arc<Counters>) {
    let counters = Arc::new(Counters::default());
    let (checkpoints, applier) = Checkpoints::open(dir, CLUSTER, Arc::clone(&counters)).unwrap();
    (checkpoints, applier, counters)
}

#[test]
fn a_state_comes_back_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, messages) = state();
    let statistics = broker.statistics();
    assert!(
        statistics.queued_messages > 0 && statistics.inflight > 0 && statistics.unreleased > 0,
        "{statistics:?}"
    );
    let (checkpoints, none, _) = open(dir.path());
    assert!(none.is_none());
    checkpoints.write(head(30), &broker.freeze(), &messages.pin()).unwrap();
    let (_, loaded, _) = open(dir.path());
    let loaded = loaded.unwrap();
    assert_eq!(loaded.broker, broker);
    assert_eq!(loaded.broker.digest(), broker.digest());
    assert_eq!(loaded.broker.recompute_digest(), broker.digest());
    assert_eq!(loaded.last_applied.unwrap().index, 30);
    assert_eq!((loaded.messages.count(), loaded.messages.bytes()), (messages.count(), messages.bytes()));
    for (handle, message) in messages.iter() {
        assert_eq!(loaded.messages.get(handle).as_ref(), Some(message));
    }
}

#[test]
fn the_last_two_are_kept_and_a_damaged_one_is_passed_over() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, messages) = state();
    let (checkpoints, _, _) = open(dir.path());
    for index in [10, 20, 30] {
        checkpoints.write(head(index), &broker.freeze(), &messages.pin()).unwrap();
    }
    assert_eq!(checkpoints.oldest_index(), Some(20));
    let newest = checkpoints.newest().unwrap().1;
    let file = fs::OpenOptions::new().read(true).write(true).open(newest.path()).unwrap();
    let middle = newest.length() / 2;
    let mut byte = [0];
    file.read_exact_at(&mut byte, middle).unwrap();
    file.write_all_at(&[byte[0] ^ 1], middle).unwrap();
    fs::write(dir.path().join("7.part"), b"unfinished").unwrap();

    let (checkpoints, loaded, counters) = open(dir.path());
    assert_eq!(loaded.unwrap().last_applied.unwrap().index, 20);
    assert_eq!(counters.checkpoints_damaged.get(), 1);
    assert_eq!(checkpoints.newest().unwrap().0.last_log_id.unwrap().index, 20);
    assert!(!dir.path().join("7.part").exists());
    assert!(newest.path().with_extension(DAMAGED).exists());
}

#[test]
fn every_damage_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let (broker, messages) = state();
    let (checkpoints, _, _) = open(dir.path());
    let (_, file) = checkpoints.write(head(10), &broker.freeze(), &messages.pin()).unwrap();
    let whole = fs::read(file.path()).unwrap();
    let path = dir.path().join("damaged");
    for at in (0..whole.len()).step_by(7) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(&path, &damaged).unwrap();
        assert!(CheckpointFile::open_at(path.clone()).unwrap().load(CLUSTER).is_err(), "byte {at}");
        fs::write(&path, &whole[..at]).unwrap();
        assert!(CheckpointFile::open_at(path.clone()).unwrap().load(CLUSTER).is_err(), "cut at {at}");
    }
    let other = file.load(CLUSTER + 1).err().unwrap();
    assert!(other.to_string().contains("is of cluster"), "{other}");
}

#[test]
fn when_none_reads_the_error_says_which() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("00000000000000000005.checkpoint"), b"quartet\n").unwrap();
    let error = Checkpoints::open(dir.path(), CLUSTER, Arc::default()).err().unwrap();
    assert!(error.to_string().contains("00000000000000000005.checkpoint"), "{error}");
}

#[test]
fn a_received_one_replaces_all_others() {
    let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (broker, messages) = state();
    let (meta, sent) = open(from.path()).0.write(head(40), &broker.freeze(), &messages.pin()).unwrap();
    let (checkpoints, _, _) = open(to.path());
    checkpoints
        .write(head(10), &Broker::new(7, Settings::default()).freeze(), &MessageStore::default())
        .unwrap();
    let mut incoming = checkpoints.receive(sent.length()).unwrap();
    let mut offset = 0;
    loop {
        let chunk = sent.chunk(offset, 1000).unwrap();
        if chunk.is_empty() {
            break;
        }
        offset += chunk.len() as u64;
        incoming.write(&chunk).unwrap();
    }
    let received = incoming.finish().unwrap();
    assert_eq!(checkpoints.adopt(&meta, &received).unwrap().broker, broker);
    let (again, loaded, _) = open(to.path());
    assert_eq!(loaded.unwrap().broker, broker);
    assert_eq!(again.oldest_index(), None, "the one before is gone");
    assert!(checkpoints.receive(10).unwrap().finish().is_err(), "less came than was said");
}
