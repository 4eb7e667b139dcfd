//! Answers operators from the running node: its replica's status, a session, its metrics.

use std::time::Instant;

use quartet_broker::{Broker, Inflight, SessionView, Timestamp};
use quartet_replica::{MemberStatus, Replica, Role, Status};
use tonic::service::Routes;
use tonic::{Request, Response};

use super::VERSION;
use super::wire::admin_server::{Admin, AdminServer};
use super::wire::{
    self, Connection, Handshake, Member, MetricsReply, MetricsRequest, NodeStatusReply, NodeStatusRequest,
    Queue, Session, SessionReply, SessionRequest, Step, Subscription,
};
use crate::server::Handle;

/// Most handshakes, and most subscriptions, in one reply: more than anybody reads, well within a gRPC message.
const MOST_LISTED: usize = 10_000;

/// The admin service of a running node, to be mounted on its gRPC port.
pub(crate) fn routes(handle: Handle) -> Routes {
    Routes::new(AdminServer::new(Service { handle }))
}

struct Service {
    handle: Handle,
}

impl Service {
    fn replica(&self) -> &Replica {
        &self.handle.replica
    }

    /// Refuses a question in a version we do not know, or meant for another cluster.
    fn check(&self, version: u32, cluster_id: &str, status: &Status) -> Result<(), tonic::Status> {
        if version != VERSION {
            return Err(tonic::Status::unimplemented(format!(
                "this node speaks version {VERSION} of the admin protocol, the question is in version {version}; use a \
                 quartet of the same release"
            )));
        }
        let own = cluster_id_text(status);
        if !cluster_id.is_empty() && cluster_id != own {
            return Err(tonic::Status::failed_precondition(format!(
                "this node is of cluster {own}, the question is for cluster {cluster_id}"
            )));
        }
        Ok(())
    }
}

#[tonic::async_trait]
impl Admin for Service {
    async fn node_status(
        &self,
        request: Request<NodeStatusRequest>,
    ) -> Result<Response<NodeStatusReply>, tonic::Status> {
        let request = request.into_inner();
        let status = self.replica().status();
        self.check(request.version, &request.cluster_id, &status)?;
        let connections = self.handle.metrics.connections();
        Ok(Response::new(node_status(&status, connections, self.handle.started)))
    }

    async fn session(
        &self,
        request: Request<SessionRequest>,
    ) -> Result<Response<SessionReply>, tonic::Status> {
        let request = request.into_inner();
        let status = self.replica().status();
        self.check(request.version, &request.cluster_id, &status)?;
        let client_id = request.client_id;
        let read = move |broker: &Broker| (broker.index(), broker.time(), broker.session(&client_id));
        let (index, time, view) = self.replica().inspect(read).await;
        Ok(Response::new(SessionReply {
            version: VERSION,
            cluster_id: cluster_id_text(&status),
            applied_index: index.0,
            session: view.map(|view| session(&view, time, &status.members)),
        }))
    }

    async fn metrics(
        &self,
        request: Request<MetricsRequest>,
    ) -> Result<Response<MetricsReply>, tonic::Status> {
        let request = request.into_inner();
        let status = self.replica().status();
        self.check(request.version, &request.cluster_id, &status)?;
        Ok(Response::new(MetricsReply { version: VERSION, text: self.handle.metrics.text(&status) }))
    }
}

/// As people copy it; empty while there is none.
fn cluster_id_text(status: &Status) -> String {
    status.cluster_id.map(|id| format!("{id:032x}")).unwrap_or_default()
}

fn node_status(status: &Status, connections: u64, started: Instant) -> NodeStatusReply {
    let role = match status.role {
        Role::Forming => wire::Role::Forming,
        Role::Learner => wire::Role::Learner,
        Role::Follower => wire::Role::Follower,
        Role::Candidate => wire::Role::Candidate,
        Role::Leader => wire::Role::Leader,
        Role::Stopped => wire::Role::Stopped,
    };
    let serving = status.serving.is_yes();
    let members = status.members.iter().map(|member| Member {
        node_id: member.node.0,
        name: member.name.clone(),
        address: member.peer_address.clone(),
        voter: member.voter,
        client_address: member.client_address.clone(),
    });
    NodeStatusReply {
        version: VERSION,
        cluster_id: cluster_id_text(status),
        node_id: status.node.map_or(0, |node| node.0),
        name: status.name.clone(),
        role: role.into(),
        term: status.term,
        leader_id: status.leader.map_or(0, |node| node.0),
        last_log_index: status.last_log.0,
        committed_index: status.committed.0,
        applied_index: status.applied.0,
        serving,
        not_serving_reason: if serving { String::new() } else { status.serving.reason().to_owned() },
        connections,
        sessions: status.statistics.sessions,
        subscriptions: status.statistics.subscriptions,
        queued_messages: status.statistics.queued_messages,
        overflowed_messages: status.statistics.counters.overflowed,
        poisoned_commands: status.statistics.counters.poisoned,
        software_version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_milliseconds: u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
        process_id: std::process::id(),
        boot: status.origin.map_or(0, |origin| origin.boot.0),
        members: members.collect(),
    }
}

fn session(view: &SessionView, now: Timestamp, members: &[MemberStatus]) -> Session {
    let connection = view.connection.map(|connection| Connection {
        node_id: connection.node.0,
        boot: connection.boot.0,
        serial: connection.serial,
        node_name: node_name(members, connection.node.0),
        since_index: view.last_connect.0,
    });
    let inbound = view.unreleased.iter().map(|id| handshake(id.get(), Step::AwaitingPubrel));
    let outbound = view.inflight.iter().map(|(id, message)| {
        handshake(
            id.get(),
            match message.step {
                Inflight::AwaitingPubAck(_) => Step::AwaitingPuback,
                Inflight::AwaitingPubRec(_) => Step::AwaitingPubrec,
                Inflight::AwaitingPubComp => Step::AwaitingPubcomp,
            },
        )
    });
    let handshakes = view.unreleased.len() + view.inflight.len();
    let subscriptions = view.subscriptions.iter().map(|(filter, subscription)| Subscription {
        filter: filter.as_str().to_owned(),
        qos: subscription.options.qos.value().into(),
        no_local: subscription.options.no_local,
        retain_as_published: subscription.options.retain_as_published,
        identifier: subscription.identifier.map_or(0, Into::into),
    });
    Session {
        client_id: view.client_id.as_str().to_owned(),
        protocol_level: view.version.level().into(),
        connection,
        session_expiry: view.session_expiry,
        expires_in_milliseconds: view.expires_at.map(|at| at.0.saturating_sub(now.0)),
        subscriptions: subscriptions.take(MOST_LISTED).collect(),
        queue: Some(Queue {
            messages: view.queued_messages,
            bytes: view.queued_bytes,
            overflowed: view.overflowed,
        }),
        handshakes: inbound.chain(outbound).take(MOST_LISTED).collect(),
        handshakes_left_out: left_out(handshakes),
        subscriptions_left_out: left_out(view.subscriptions.len()),
    }
}

fn handshake(packet_id: u16, step: Step) -> Handshake {
    Handshake { packet_id: packet_id.into(), step: step.into() }
}

fn left_out(count: usize) -> u64 {
    u64::try_from(count.saturating_sub(MOST_LISTED)).unwrap_or(u64::MAX)
}

fn node_name(members: &[MemberStatus], id: u64) -> String {
    let member = members.iter().find(|member| member.node.0 == id);
    member.map_or_else(|| format!("node id {id}"), |member| member.name.clone())
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use quartet_broker::{
        Ack, AckKind, Acknowledge, Boot, Command, Connect, ConnectionId, Disconnect, FilterRequest, LogIndex,
        Message, NodeId, NodeUp, Number, Origin, Principal, Publish, SessionSlot, Settings, Subscribe,
        Verdict,
    };
    use quartet_packet::{
        PacketId, PublishProperties, QoS, ReasonCode, SubscriptionOptions, Topic, TopicFilter, Utf8String,
        Version,
    };

    use super::*;

    const ORIGIN: Origin = Origin { node: NodeId(2), boot: Boot(1) };
    const ALICE: ConnectionId = ConnectionId { node: NodeId(2), boot: Boot(1), serial: 1 };
    const SLOT: SessionSlot = SessionSlot(0);

    fn publish(id: u16) -> Command {
        Command::Publish(Publish {
            connection: ALICE,
            session: SLOT,
            packet_id: PacketId::new(id).expect("not zero"),
            message: Message {
                topic: Topic::try_from("a/b").expect("a topic"),
                qos: QoS::ExactlyOnce,
                retain: false,
                message_expiry: None,
                properties: PublishProperties::default(),
                payload: Bytes::from_static(b"x"),
            },
            verdict: Verdict::Admit,
        })
    }

    /// alice publishes to herself: message 7 is unreleased, and of its two copies' handshakes one has had its PUBREC.
    fn broker() -> Broker {
        let connect = Command::Connect(Connect {
            connection: ALICE,
            read_at: LogIndex(0),
            client_id: Utf8String::try_from("alice").expect("an id"),
            principal: Principal(Utf8String::default()),
            version: Version::V5,
            clean_start: false,
            session_expiry: 60,
            receive_maximum: 10,
        });
        let filter = TopicFilter::try_from("a/#").expect("a filter");
        let subscribe = Command::Subscribe(Subscribe {
            connection: ALICE,
            session: SLOT,
            packet_id: PacketId::MIN,
            subscription_identifier: None,
            filters: vec![FilterRequest::Admit(filter, SubscriptionOptions::new(QoS::ExactlyOnce))],
        });
        let received = Ack { kind: AckKind::PubRec, packet_id: PacketId::MIN, reason: ReasonCode::Success };
        let acknowledge =
            Command::Acknowledge(Acknowledge { connection: ALICE, session: SLOT, acks: vec![received] });
        let mut broker = Broker::new(9, Settings::default());
        broker.begin_entry(LogIndex(3), Timestamp(1000));
        broker.apply(Command::NodeUp(NodeUp { origin: ORIGIN }), &mut Vec::new());
        for (number, command) in (1..).zip([connect, subscribe, publish(7), publish(8), acknowledge]) {
            broker.admit(ORIGIN, Number(number));
            broker.apply(command, &mut Vec::new());
        }
        broker.end_entry(&mut Vec::new());
        broker
    }

    fn members() -> Vec<MemberStatus> {
        vec![MemberStatus {
            node: NodeId(2),
            name: "node-2".to_owned(),
            peer_address: String::new(),
            client_address: String::new(),
            voter: true,
            boot: None,
            matched: None,
            silent: None,
        }]
    }

    #[test]
    fn a_session_with_every_kind_of_handshake() {
        let broker = broker();
        let view = broker.session("alice").expect("there");
        let session = session(&view, broker.time(), &members());
        let connection = session.connection.expect("connected");
        assert_eq!((connection.node_name.as_str(), connection.since_index), ("node-2", 3));
        let handshakes: Vec<_> = session.handshakes.iter().map(|one| (one.packet_id, one.step())).collect();
        assert_eq!(
            handshakes,
            [
                (7, Step::AwaitingPubrel),
                (8, Step::AwaitingPubrel),
                (1, Step::AwaitingPubcomp),
                (2, Step::AwaitingPubrec)
            ]
        );
        assert_eq!((session.subscriptions[0].filter.as_str(), session.subscriptions[0].qos), ("a/#", 2));
        assert_eq!(session.expires_in_milliseconds, None);
    }

    #[test]
    fn a_session_without_its_client_says_how_long_it_has() {
        let mut broker = broker();
        broker.begin_entry(LogIndex(4), Timestamp(2000));
        broker.admit(ORIGIN, Number(6));
        let gone = Disconnect { connection: ALICE, session: SLOT, session_expiry: None, will_due: false };
        broker.apply(Command::Disconnect(gone), &mut Vec::new());
        broker.end_entry(&mut Vec::new());
        let view = broker.session("alice").expect("there");
        let session = session(&view, Timestamp(12_000), &[]);
        assert!(session.connection.is_none());
        assert_eq!(session.expires_in_milliseconds, Some(50_000));
    }

    #[test]
    fn a_node_nobody_lists_keeps_its_number() {
        assert_eq!(node_name(&[], 5), "node id 5");
    }
}
