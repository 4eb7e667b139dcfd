//! What only a node with sockets shows: its bounds towards clients, its refusals, its stop. One node is a cluster.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quartet_packet::{
    Connect, Decoder, Packet, PacketId, PingReq, Publish, QoS, Role, Subscribe, SubscriptionOptions,
    SubscriptionRequest, Topic, TopicFilter, UserProperties, Utf8String, Version, encode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// Far more than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn free_address() -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback has a free port");
    listener.local_addr().expect("bound")
}

fn config(directory: &std::path::Path) -> Config {
    let cluster = free_address();
    let listener = free_address();
    let seed = quartet_replica::Seed {
        name: "only".into(),
        peer_address: cluster.to_string(),
        client_address: listener.to_string(),
    };
    Config {
        listeners: vec![listener],
        insecure: false,
        cluster,
        connection: quartet_connection::Config::default(),
        limits: Limits {
            maximum_connections: 100,
            connects_per_second: 100,
            connect_burst: 100,
            write_timeout: Duration::from_secs(30),
            shutdown_timeout: Duration::from_secs(10),
        },
        replica: quartet_replica::Config::new("only", directory, vec![seed]),
    }
}

struct Node {
    address: SocketAddr,
    handle: Handle,
    stop: oneshot::Sender<()>,
    running: JoinHandle<Result<(), Error>>,
    _directory: tempfile::TempDir,
}

impl Node {
    /// Starts a node and waits until it serves.
    async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut config = config(directory.path());
        change(&mut config);
        let address = config.listeners[0];
        let (stop, stopped) = oneshot::channel();
        let handle = Arc::new(OnceLock::new());
        let given = Arc::clone(&handle);
        let running = tokio::spawn(async move {
            let services = move |handle: Handle| {
                given.set(handle).ok();
                tonic::service::Routes::default()
            };
            let stop = async {
                stopped.await.ok();
            };
            run(config, services, stop).await
        });
        let handle = timeout(PATIENCE, async {
            while handle.get().is_none() {
                assert!(!running.is_finished(), "the node ended at its start");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            handle.get().expect("just seen").clone()
        });
        let handle = handle.await.expect("the node starts in time");
        let mut serving = handle.replica.serving();
        timeout(PATIENCE, serving.wait_for(|serving| serving.is_yes()))
            .await
            .expect("in time")
            .expect("running");
        Self { address, handle, stop, running, _directory: directory }
    }

    async fn stop(self) {
        self.stop.send(()).expect("the node runs");
        timeout(PATIENCE, self.running).await.expect("stops in time").expect("no panic").expect("in order");
    }
}

/// A client of bytes and packets.
struct Client {
    socket: TcpStream,
    decoder: Decoder,
    buffer: BytesMut,
}

impl Client {
    async fn open(node: &Node) -> Self {
        let socket = TcpStream::connect(node.address).await.expect("the listener accepts");
        Self { socket, decoder: Decoder::new(Role::Client), buffer: BytesMut::new() }
    }

    /// Connects under this id, and gives the answer's reason code.
    async fn connect(node: &Node, id: &str) -> (Self, u8) {
        let mut client = Self::open(node).await;
        client.send(&[connect(id)]).await;
        let Some(Packet::ConnAck(connack)) = client.receive().await else { panic!("no CONNACK") };
        (client, connack.reason.value())
    }

    async fn send(&mut self, packets: &[Packet]) {
        let mut bytes = BytesMut::new();
        for packet in packets {
            encode(packet, Version::V5, &mut bytes).expect("encodes");
        }
        self.socket.write_all(&bytes).await.expect("the socket takes it");
    }

    /// The next packet; `None` when the node has closed.
    async fn receive(&mut self) -> Option<Packet> {
        timeout(PATIENCE, async {
            loop {
                if let Some(packet) = self.decoder.decode(&mut self.buffer).expect("a packet of ours") {
                    return Some(packet);
                }
                if self.socket.read_buf(&mut self.buffer).await.is_ok_and(|count| count > 0) {
                    continue;
                }
                return None;
            }
        })
        .await
        .expect("an answer in time")
    }

    async fn subscribe(&mut self, filter: &str, qos: QoS) {
        let request = SubscriptionRequest {
            filter: TopicFilter::from_utf8(Utf8String::try_from(filter).expect("a string")),
            options: SubscriptionOptions::new(qos),
        };
        let subscribe = Subscribe {
            packet_id: PacketId::MIN,
            subscription_identifier: None,
            filters: vec![request],
            user_properties: UserProperties::default(),
        };
        self.send(&[Packet::Subscribe(subscribe)]).await;
        assert!(matches!(self.receive().await, Some(Packet::SubAck(_))));
    }
}

fn connect(id: &str) -> Packet {
    let mut connect = Connect::new(Version::V5, Utf8String::try_from(id).expect("a string"));
    connect.clean_start = false;
    connect.session_expiry = Some(300);
    Packet::Connect(connect.into())
}

fn publish(topic: &str, qos: QoS, packet_id: u16, payload: Bytes) -> Packet {
    let mut publish = Publish::new(Topic::try_from(topic).expect("a topic"), payload);
    publish.qos = qos;
    publish.packet_id = PacketId::new(packet_id);
    Packet::Publish(publish)
}

/// Waits for something that the node counts.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    timeout(PATIENCE, async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await
    .unwrap_or_else(|_| panic!("never came: {what}"));
}

fn counted(node: &Node, line: &str) -> u64 {
    let text = node.handle.metrics.text(&node.handle.replica.status());
    let value = text.lines().find_map(|found| found.strip_prefix(line)?.strip_prefix(' '));
    value.map_or(0, |value| value.parse().expect("a number"))
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_that_anybody_could_reach_are_refused() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let mut config = config(&data);
    config.listeners = vec!["0.0.0.0:1883".parse().expect("an address")];
    let error = run(config, |_| tonic::service::Routes::default(), async {}).await.expect_err("refused");
    assert!(matches!(error, Error::NotLoopback { .. }), "{error}");
    assert!(error.to_string().contains("node.insecure"), "it says what to do: {error}");
    assert!(!data.exists(), "nothing on the disk was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_is_one_clear_line() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let data = directory.path().join("data");
    let config = config(&data);
    let _taken = std::net::TcpListener::bind(config.listeners[0]).expect("it was free");
    let address = config.listeners[0].to_string();
    let error = run(config, |_| tonic::service::Routes::default(), async {}).await.expect_err("refused");
    assert!(error.to_string().contains(&address), "{error}");
    assert!(!data.exists(), "nothing on the disk was touched");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_id_connects_only_so_often() {
    let node = Node::start(|config| {
        config.limits.connect_burst = 2;
        config.limits.connects_per_second = 1;
    })
    .await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(Client::connect(&node, "same").await.1);
    }
    assert_eq!(codes[..2], [0, 0]);
    assert!(codes[2..].contains(&0x9F), "{codes:x?}");
    assert_eq!(Client::connect(&node, "other").await.1, 0);
    assert!(counted(&node, "quartet_connections_ended_total{why=\"ConnectRate\"}") > 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_bounded_and_the_next_waits() {
    let node = Node::start(|config| config.limits.maximum_connections = 1).await;
    let (first, code) = Client::connect(&node, "a").await;
    assert_eq!(code, 0);
    let mut second = Client::open(&node).await;
    second.send(&[connect("b")]).await;
    assert!(
        timeout(Duration::from_millis(300), second.socket.readable()).await.is_err(),
        "answered beyond the bound"
    );
    drop(first);
    assert!(matches!(second.receive().await, Some(Packet::ConnAck(_))));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscriber_that_does_not_read_loses_qos_0_and_then_its_socket() {
    let node = Node::start(|config| config.limits.write_timeout = Duration::from_secs(1)).await;
    let (mut slow, _) = Client::connect(&node, "slow").await;
    slow.subscribe("t", QoS::AtMostOnce).await;
    let (mut quick, _) = Client::connect(&node, "quick").await;
    quick.subscribe("t", QoS::AtMostOnce).await;
    let (mut publisher, _) = Client::connect(&node, "publisher").await;
    let payload = Bytes::from(vec![7; 64 << 10]);
    let mut slow_ended = false;
    for round in 0..2000 {
        publisher.send(&[publish("t", QoS::AtMostOnce, 0, payload.clone())]).await;
        assert!(matches!(quick.receive().await, Some(Packet::Publish(_))), "others go on");
        slow_ended = counted(&node, "quartet_connections_ended_total{why=\"SlowPeer\"}") == 1;
        if slow_ended {
            break;
        }
        if round > 300 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
    assert!(slow_ended, "a client that takes nothing is closed");
    assert!(counted(&node, "quartet_messages_dropped_total{why=\"MailboxFull\"}") > 0);
    assert_eq!(counted(&node, "quartet_mailbox_overflows_total"), 0);
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_pipelined_counts_of_a_client_that_closed_before_connack() {
    let node = Node::start(|_| {}).await;
    let (mut witness, _) = Client::connect(&node, "witness").await;
    witness.subscribe("t", QoS::AtLeastOnce).await;
    for round in 0..20 {
        let mut gone = Client::open(&node).await;
        let message = publish("t", QoS::ExactlyOnce, 1, Bytes::from_static(b"of the gone"));
        gone.send(&[connect(&format!("gone-{round}")), message]).await;
        // The FIN is behind the message, mostly before the CONNECT is applied: it takes an fsync.
        gone.socket.shutdown().await.expect("open");
    }
    until("every session of a closed connection is let go of", || {
        let status = node.handle.replica.status();
        let proposed = status.sizes.window_commands;
        let metrics = &node.handle.metrics;
        let all_gone = metrics.accepted.get() == 21 && metrics.connections() == 1;
        all_gone && proposed == 0 && status.statistics.connected == 1
    })
    .await;
    let (mut publisher, _) = Client::connect(&node, "publisher").await;
    publisher.send(&[publish("t", QoS::AtLeastOnce, 1, Bytes::from_static(b"marker"))]).await;
    let Some(Packet::Publish(first)) = witness.receive().await else { panic!("no message") };
    assert_eq!(&first.payload[..], b"marker");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connect_whose_sender_has_closed_takes_nothing_over() {
    let node = Node::start(|config| config.limits.maximum_connections = 2).await;
    let (mut living, _) = Client::connect(&node, "a").await;
    let (holder, _) = Client::connect(&node, "holder").await;
    // Waits in the system's backlog until both the CONNECT and the FIN are there.
    let mut gone = Client::open(&node).await;
    let clean = Connect::new(Version::V5, Utf8String::try_from("a").expect("a string"));
    gone.send(&[Packet::Connect(clean.into())]).await;
    gone.socket.shutdown().await.expect("open");
    drop(holder);
    assert!(gone.receive().await.is_none(), "no CONNACK for the gone");
    living.send(&[Packet::PingReq(PingReq)]).await;
    assert!(matches!(living.receive().await, Some(Packet::PingResp(_))), "the session was taken over");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reads_slowly_gets_everything_owed_in_order() {
    let node = Node::start(|_| {}).await;
    let (mut reader, _) = Client::connect(&node, "reader").await;
    reader.subscribe("t", QoS::AtLeastOnce).await;
    let (mut publisher, _) = Client::connect(&node, "publisher").await;
    let payload = |number: u16| Bytes::from([&number.to_be_bytes()[..], &[0; 20_000]].concat());
    for number in 1..=500 {
        publisher.send(&[publish("t", QoS::AtLeastOnce, number, payload(number))]).await;
    }
    for _ in 1..=500 {
        assert!(
            matches!(publisher.receive().await, Some(Packet::PubAck(_))),
            "the publisher waits for nobody"
        );
    }
    for number in 1..=500_u16 {
        let Some(Packet::Publish(message)) = reader.receive().await else { panic!("no message {number}") };
        assert_eq!(message.payload[..2], number.to_be_bytes());
    }
    reader.send(&[Packet::PingReq(PingReq)]).await;
    assert!(matches!(reader.receive().await, Some(Packet::PingResp(_))));
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_tells_every_client_and_frees_the_ports() {
    let node = Node::start(|_| {}).await;
    let (mut client, _) = Client::connect(&node, "a").await;
    let mut silent = Client::open(&node).await;
    until("both sockets are open", || node.handle.metrics.connections() == 2).await;
    let address = node.address;
    let Node { stop, running, handle, _directory, .. } = node;
    stop.send(()).expect("the node runs");
    let Some(Packet::Disconnect(disconnect)) = client.receive().await else { panic!("no DISCONNECT") };
    assert_eq!(disconnect.reason.value(), 0x8B);
    assert!(client.receive().await.is_none() && silent.receive().await.is_none());
    timeout(PATIENCE, running).await.expect("stops in time").expect("no panic").expect("in order");
    assert_eq!(handle.metrics.connections(), 0);
    std::net::TcpListener::bind(address).expect("the port is free again");
}
