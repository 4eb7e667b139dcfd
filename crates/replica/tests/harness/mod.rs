//! Clusters of replicas in one process, over loopback and temporary directories, with clients that speak commands.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use quartet_broker::{
    Ack, AckKind, Acknowledge, CloseReason, Command, Connect, ConnectionId, FilterRequest, LogIndex, Message,
    Origin, Outgoing, Principal, Publish, SessionSlot, Subscribe, Verdict,
};
use quartet_packet::{
    PacketId, PublishProperties, QoS, ReasonCode, SubscriptionOptions, Topic, TopicFilter, Utf8String,
    Version,
};
use quartet_replica::{AllClosed, Config, Delivery, Replica, Seed, Sink};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// How long anything may take before a test fails.
const DEADLINE: Duration = Duration::from_secs(30);

/// Waits until `condition` gives something.
pub async fn until<T>(what: &str, mut condition: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = condition().await {
            return found;
        }
        assert!(Instant::now() < deadline, "waited too long until {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// One packet to a client, with its message.
pub type Sent = (Outgoing, Option<Arc<Message>>);

/// What a node was told to do, by connection.
#[derive(Default)]
pub struct Told {
    pub packets: BTreeMap<u64, Vec<Sent>>,
    pub closed: BTreeMap<u64, CloseReason>,
    pub all_closed: Vec<AllClosed>,
    pub qos0: Vec<Message>,
    pub last_index: LogIndex,
}

#[derive(Default)]
pub struct Recorder(pub Mutex<Told>);

impl Sink for Recorder {
    fn perform(&self, index: LogIndex, deliveries: Vec<Delivery>) {
        let mut told = self.0.lock();
        assert!(index > told.last_index, "entries are performed in order, each once");
        told.last_index = index;
        for delivery in deliveries {
            match delivery {
                Delivery::Send { to, packet, message } => {
                    told.packets.entry(to).or_default().push((packet, message))
                }
                Delivery::Close { connection, reason } => {
                    told.closed.insert(connection, reason);
                }
            }
        }
    }

    fn all_closed(&self, why: AllClosed) {
        self.0.lock().all_closed.push(why);
    }

    fn qos0(&self, messages: Vec<Message>) {
        self.0.lock().qos0.extend(messages);
    }
}

/// A running node.
pub struct Node {
    pub replica: Replica,
    pub told: Arc<Recorder>,
    server: JoinHandle<()>,
}

impl Node {
    async fn start(config: Config, address: &str) -> Self {
        let told = Arc::new(Recorder::default());
        let sink: Arc<dyn Sink> = Arc::clone(&told) as Arc<dyn Sink>;
        let replica =
            tokio::task::spawn_blocking(move || Replica::start(config, sink)).await.unwrap().unwrap();
        let listener =
            until("the port is free", async || tokio::net::TcpListener::bind(address).await.ok()).await;
        let service = replica.peer_service();
        // The listener lives on the runtime that accepts.
        let listener = listener.into_std().unwrap();
        let server = replica.runtime().spawn(async move {
            let listener = tokio::net::TcpListener::from_std(listener).unwrap();
            let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
            Server::builder().add_service(service).serve_with_incoming(incoming).await.ok();
        });
        Self { replica, told, server }
    }

    /// The live boot, once this node serves clients.
    pub async fn serving(&self) -> Origin {
        until("the node serves", async || {
            let serving = self.replica.serving().borrow().is_yes();
            let origin = *self.replica.origin().borrow();
            origin.filter(|_| serving)
        })
        .await
    }

    pub fn leads(&self) -> bool {
        let status = self.replica.status();
        status.leader.is_some() && status.leader == status.node
    }

    /// The packets that a connection was sent so far.
    pub fn packets(&self, serial: u64) -> Vec<Sent> {
        self.told.0.lock().packets.get(&serial).cloned().unwrap_or_default()
    }

    pub async fn abort(self) {
        self.replica.abort().await;
        self.server.abort();
    }

    #[allow(dead_code, reason = "not every test file stops in good order")]
    pub async fn shutdown(self) {
        self.replica.shutdown().await;
        self.server.abort();
    }
}

/// Nodes by place; `None` is stopped.
pub struct Cluster {
    dirs: Vec<TempDir>,
    seeds: Vec<Seed>,
    change: Box<dyn Fn(&mut Config)>,
    pub nodes: Vec<Option<Node>>,
}

impl Cluster {
    /// A cluster of `size` fresh nodes that all serve; `change` alters each configuration, at every start.
    pub async fn start(size: usize, change: impl Fn(&mut Config) + 'static) -> Self {
        let mut cluster = Self::stopped(size, change);
        for at in 0..size {
            cluster.start_node(at).await;
        }
        for at in 0..size {
            cluster.node(at).serving().await;
        }
        cluster
    }

    /// The same, with no node started.
    pub fn stopped(size: usize, change: impl Fn(&mut Config) + 'static) -> Self {
        let free = || std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let held: Vec<_> = (0..size).map(|_| free()).collect();
        let seed = |(at, listener): (usize, &std::net::TcpListener)| Seed {
            name: format!("node-{}", at + 1),
            peer_address: listener.local_addr().unwrap().to_string(),
            client_address: String::new(),
        };
        Self {
            dirs: (0..size).map(|_| TempDir::new().unwrap()).collect(),
            seeds: held.iter().enumerate().map(seed).collect(),
            change: Box::new(change),
            nodes: (0..size).map(|_| None).collect(),
        }
    }

    pub fn config(&self, at: usize) -> Config {
        let mut config = Config::new(self.seeds[at].name.clone(), self.dir(at), self.seeds.clone());
        (self.change)(&mut config);
        config
    }

    pub fn dir(&self, at: usize) -> &Path {
        self.dirs[at].path()
    }

    pub async fn start_node(&mut self, at: usize) {
        assert!(self.nodes[at].is_none());
        let config = self.config(at);
        self.nodes[at] = Some(Node::start(config, &self.seeds[at].peer_address).await);
    }

    pub fn node(&self, at: usize) -> &Node {
        self.nodes[at].as_ref().expect("the node runs")
    }

    pub async fn abort(&mut self, at: usize) {
        self.nodes[at].take().expect("the node runs").abort().await;
    }

    #[allow(dead_code, reason = "not every test file stops in good order")]
    pub async fn shutdown(&mut self, at: usize) {
        self.nodes[at].take().expect("the node runs").shutdown().await;
    }

    fn running(&self) -> impl Iterator<Item = (usize, &Node)> {
        self.nodes.iter().enumerate().filter_map(|(at, node)| node.as_ref().map(|node| (at, node)))
    }

    /// The place of the node that leads.
    pub async fn leader(&self) -> usize {
        until("a node leads", async || self.running().find(|(_, node)| node.leads()).map(|(at, _)| at)).await
    }

    /// The place of a running node that does not lead.
    pub async fn follower(&self) -> usize {
        let leader = self.leader().await;
        self.running().map(|(at, _)| at).find(|at| *at != leader).expect("more than one node runs")
    }

    /// Waits until all running nodes have the same state at the same entry.
    pub async fn same_state(&self) {
        until("all nodes have the same state", async || {
            let mut states = Vec::new();
            for (_, node) in self.running() {
                let state = |broker: &quartet_broker::Broker| {
                    assert_eq!(broker.digest(), broker.recompute_digest(), "the digest is kept right");
                    (broker.index(), broker.digest())
                };
                states.push(node.replica.inspect(state).await);
            }
            // Time goes on every second: between two entries all nodes are at the same one.
            states.windows(2).all(|pair| pair[0] == pair[1]).then_some(())
        })
        .await;
    }
}

/// A client's connection on one node, speaking in commands.
pub struct Client {
    pub connection: ConnectionId,
    pub session: SessionSlot,
    next_packet_id: u16,
}

impl Client {
    /// Connects and waits for CONNACK.
    pub async fn connect(node: &Node, serial: u64, client_id: &str) -> Self {
        let origin = node.serving().await;
        let connection = ConnectionId { node: origin.node, boot: origin.boot, serial };
        let connect = Connect {
            connection,
            read_at: node.replica.applied(),
            client_id: text(client_id),
            principal: Principal(text("")),
            version: Version::V5,
            clean_start: false,
            session_expiry: u32::MAX,
            receive_maximum: 60_000,
        };
        propose(node, Command::Connect(connect)).await;
        let session = until("CONNACK", async || {
            node.packets(serial).iter().find_map(|(packet, _)| match packet {
                Outgoing::ConnAck { session, .. } => Some(*session),
                _ => None,
            })
        })
        .await;
        Self { connection, session, next_packet_id: 0 }
    }

    fn packet_id(&mut self) -> PacketId {
        self.next_packet_id = self.next_packet_id.checked_add(1).unwrap_or(1);
        PacketId::new(self.next_packet_id).unwrap()
    }

    /// Subscribes at QoS 1 and waits for SUBACK.
    pub async fn subscribe(&mut self, node: &Node, filter: &str) {
        let packet_id = self.packet_id();
        let options = SubscriptionOptions { qos: QoS::AtLeastOnce, ..SubscriptionOptions::default() };
        let subscribe = Subscribe {
            connection: self.connection,
            session: self.session,
            packet_id,
            subscription_identifier: None,
            filters: vec![FilterRequest::Admit(TopicFilter::try_from(filter).unwrap(), options)],
        };
        propose(node, Command::Subscribe(subscribe)).await;
        let acked =
            |(packet, _): &(Outgoing, _)| matches!(packet, Outgoing::SubAck(id, _) if *id == packet_id);
        until("SUBACK", async || node.packets(self.connection.serial).iter().any(acked).then_some(())).await;
    }

    /// Proposes a PUBLISH at QoS 1, and does not wait.
    pub async fn publish(&mut self, node: &Node, topic: &str, payload: impl Into<Bytes>) -> PacketId {
        let packet_id = self.packet_id();
        let (connection, session) = (self.connection, self.session);
        let message = message(topic, payload);
        propose(
            node,
            Command::Publish(Publish { connection, session, packet_id, message, verdict: Verdict::Admit }),
        )
        .await;
        packet_id
    }

    /// Acknowledges all that it was sent at QoS 1, and gives the payloads in order.
    pub async fn take(&self, node: &Node, wanted: usize) -> Vec<Bytes> {
        let mut acknowledged = 0;
        until("all messages have come", async || {
            let publishes = received(node, self.connection.serial);
            let acks: Vec<Ack> = publishes[acknowledged..]
                .iter()
                .map(|(packet_id, _)| Ack {
                    kind: AckKind::PubAck,
                    packet_id: *packet_id,
                    reason: ReasonCode::Success,
                })
                .collect();
            acknowledged = publishes.len();
            if !acks.is_empty() {
                let (connection, session) = (self.connection, self.session);
                propose(node, Command::Acknowledge(Acknowledge { connection, session, acks })).await;
            }
            (publishes.len() >= wanted).then(|| publishes.into_iter().map(|(_, payload)| payload).collect())
        })
        .await
    }

    /// How many PUBACKs it was sent.
    pub fn pubacks(&self, node: &Node) -> usize {
        let packets = node.packets(self.connection.serial);
        packets
            .iter()
            .filter(|(packet, _)| matches!(packet, Outgoing::PubAck(_, reason) if !reason.is_error()))
            .count()
    }
}

/// Identifiers and payloads of the PUBLISHes that a connection was sent.
pub fn received(node: &Node, serial: u64) -> Vec<(PacketId, Bytes)> {
    let publish = |(packet, message): Sent| match packet {
        Outgoing::Publish { packet_id: Some(packet_id), .. } => {
            Some((packet_id, message.expect("the store has it").payload.clone()))
        }
        _ => None,
    };
    node.packets(serial).into_iter().filter_map(publish).collect()
}

pub async fn propose(node: &Node, command: Command) {
    let mut room = node.replica.room(1024).await;
    node.replica.propose(&mut room, &command);
}

pub fn text(text: &str) -> Utf8String {
    Utf8String::from_bytes(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

pub fn message(topic: &str, payload: impl Into<Bytes>) -> Message {
    Message {
        topic: Topic::try_from(topic).unwrap(),
        qos: QoS::AtLeastOnce,
        retain: false,
        message_expiry: None,
        properties: PublishProperties::default(),
        payload: payload.into(),
    }
}
