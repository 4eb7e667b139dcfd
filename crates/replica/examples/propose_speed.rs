//! How many commands a second three replicas in one process take, with fsync on each, over loopback.
//!
//! ```text
//!   cargo run --release -p quartet-replica --example propose_speed -- [pairs] [in flight] [payload bytes] [seconds]
//! ```
//!
//! Pairs of connections exchange messages at QoS 2: four commands a message (PUBLISH, PUBREL, PUBREC, PUBCOMP), published
//! on one node and received on the next, spread over all three nodes. There is no MQTT and no client socket: what is
//! measured is window, stream, batcher, Raft, log and apply.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a program that prints its result")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use quartet_broker::{
    Ack, AckKind, Acknowledge, Command, Connect, ConnectionId, FilterRequest, LogIndex, Message, Origin,
    Outgoing, Principal, Publish, SessionSlot, Subscribe, Verdict,
};
use quartet_packet::{
    PacketId, PublishProperties, QoS, ReasonCode, SubscriptionOptions, Topic, TopicFilter, Utf8String,
    Version,
};
use quartet_replica::{AllClosed, Config, Delivery, Replica, Seed, Sink};
use tokio::sync::mpsc;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;

/// Hands deliveries to the node's driver. Unbounded in form only: the messages in flight bound it.
struct ToDriver(mpsc::UnboundedSender<Delivery>);

impl Sink for ToDriver {
    fn perform(&self, _: LogIndex, deliveries: Vec<Delivery>) {
        for delivery in deliveries {
            self.0.send(delivery).ok();
        }
    }

    fn all_closed(&self, why: AllClosed) {
        println!("all closed: {why:?}");
    }

    fn qos0(&self, _: Vec<Message>) {}
}

/// One node and the connections it plays.
struct Driver {
    replica: Replica,
    origin: Origin,
    sessions: BTreeMap<u64, SessionSlot>,
    payload: Bytes,
    done: Arc<AtomicU64>,
}

fn text(text: String) -> Utf8String {
    Utf8String::from_bytes(Bytes::from(text)).unwrap()
}

impl Driver {
    fn connection(&self, serial: u64) -> ConnectionId {
        ConnectionId { node: self.origin.node, boot: self.origin.boot, serial }
    }

    fn session(&self, serial: u64) -> SessionSlot {
        self.sessions.get(&serial).copied().unwrap_or(SessionSlot(u32::MAX))
    }

    /// Publishers are odd, subscribers even.
    fn publish(&self, serial: u64, packet_id: PacketId) -> Command {
        let message = Message {
            topic: Topic::try_from(format!("speed/{}/{serial}", self.origin.node.0).as_str()).unwrap(),
            qos: QoS::ExactlyOnce,
            retain: false,
            message_expiry: None,
            properties: PublishProperties::default(),
            payload: self.payload.clone(),
        };
        let (connection, session) = (self.connection(serial), self.session(serial));
        Command::Publish(Publish { connection, session, packet_id, message, verdict: Verdict::Admit })
    }

    async fn connect(&mut self, deliveries: &mut mpsc::UnboundedReceiver<Delivery>, serials: &[u64]) {
        for serial in serials {
            let connect = Connect {
                connection: self.connection(*serial),
                read_at: self.replica.applied(),
                client_id: text(format!("{}-{serial}", self.origin.node.0)),
                principal: Principal(text(String::new())),
                version: Version::V5,
                clean_start: true,
                session_expiry: 0,
                receive_maximum: 65_535,
            };
            self.propose(&[Command::Connect(connect)]).await;
        }
        while self.sessions.len() < serials.len() {
            if let Some(Delivery::Send { to, packet: Outgoing::ConnAck { session, .. }, .. }) =
                deliveries.recv().await
            {
                self.sessions.insert(to, session);
            }
        }
    }

    /// A subscriber takes what the publisher of the same pair on the node before publishes.
    async fn subscribe(
        &self,
        deliveries: &mut mpsc::UnboundedReceiver<Delivery>,
        serials: &[u64],
        before: u64,
    ) {
        for serial in serials {
            let filter = TopicFilter::try_from(format!("speed/{before}/{}", serial - 1).as_str()).unwrap();
            let options = SubscriptionOptions { qos: QoS::ExactlyOnce, ..SubscriptionOptions::default() };
            let subscribe = Subscribe {
                connection: self.connection(*serial),
                session: self.session(*serial),
                packet_id: PacketId::MIN,
                subscription_identifier: None,
                filters: vec![FilterRequest::Admit(filter, options)],
            };
            self.propose(&[Command::Subscribe(subscribe)]).await;
        }
        let mut acked = 0;
        while acked < serials.len() {
            if let Some(Delivery::Send { packet: Outgoing::SubAck(..), .. }) = deliveries.recv().await {
                acked += 1;
            }
        }
    }

    async fn propose(&self, commands: &[Command]) {
        let mut room = self.replica.room(commands.len() * (self.payload.len() + 64)).await;
        for command in commands {
            self.replica.propose(&mut room, command);
        }
    }

    /// Answers everything as a client would.
    async fn run(self, mut deliveries: mpsc::UnboundedReceiver<Delivery>) {
        let mut taken = Vec::new();
        while deliveries.recv_many(&mut taken, 256).await > 0 {
            let mut acks: BTreeMap<u64, Vec<Ack>> = BTreeMap::new();
            let mut commands = Vec::new();
            for delivery in taken.drain(..) {
                let Delivery::Send { to, packet, .. } = delivery else { continue };
                let mut ack = |kind, packet_id| {
                    acks.entry(to).or_default().push(Ack { kind, packet_id, reason: ReasonCode::Success });
                };
                match packet {
                    Outgoing::PubRec(packet_id, _) => ack(AckKind::PubRel, packet_id),
                    Outgoing::Publish { packet_id: Some(packet_id), .. } => ack(AckKind::PubRec, packet_id),
                    Outgoing::PubRel(packet_id, _) => ack(AckKind::PubComp, packet_id),
                    Outgoing::PubComp(packet_id, _) => {
                        self.done.fetch_add(1, Ordering::Relaxed);
                        commands.push(self.publish(to, packet_id));
                    }
                    Outgoing::Publish { packet_id: None, .. }
                    | Outgoing::ConnAck { .. }
                    | Outgoing::PubAck(..)
                    | Outgoing::SubAck(..)
                    | Outgoing::UnsubAck(..) => {}
                }
            }
            commands.extend(acks.into_iter().map(|(serial, acks)| {
                let (connection, session) = (self.connection(serial), self.session(serial));
                Command::Acknowledge(Acknowledge { connection, session, acks })
            }));
            self.propose(&commands).await;
        }
    }
}

/// User and system time of this process so far, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

async fn start(seed: &Seed, seeds: &[Seed], dir: &Path) -> (Replica, mpsc::UnboundedReceiver<Delivery>) {
    let (to_driver, deliveries) = mpsc::unbounded_channel();
    let config = Config::new(seed.name.clone(), dir, seeds.to_vec());
    let replica = Replica::start(config, Arc::new(ToDriver(to_driver))).unwrap();
    let service = replica.peer_service();
    let address = seed.peer_address.clone();
    replica.runtime().spawn(async move {
        let listener = tokio::net::TcpListener::bind(address).await.unwrap();
        let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
        Server::builder().add_service(service).serve_with_incoming(incoming).await.unwrap();
    });
    (replica, deliveries)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 1)]
async fn main() {
    let mut arguments = std::env::args().skip(1).map(|argument| argument.parse::<u64>().unwrap());
    let mut next = |default| arguments.next().unwrap_or(default);
    let (pairs, in_flight, payload, seconds) = (next(300), next(8), next(64), next(5));
    let free: Vec<_> = (0..3).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let seeds: Vec<Seed> = free
        .iter()
        .enumerate()
        .map(|(at, listener)| Seed {
            name: format!("node-{}", at + 1),
            peer_address: listener.local_addr().unwrap().to_string(),
            client_address: String::new(),
        })
        .collect();
    drop(free);
    let dir = std::env::temp_dir().join(format!("propose-speed-{}", std::process::id()));
    let mut nodes = Vec::new();
    for seed in &seeds {
        nodes.push(start(seed, &seeds, &dir.join(&seed.name)).await);
    }
    let replicas: Vec<Replica> = nodes.iter().map(|(replica, _)| replica.clone()).collect();
    let done = Arc::new(AtomicU64::new(0));
    let serials: Vec<u64> = (1..=pairs / 3).flat_map(|pair| [pair * 2 - 1, pair * 2]).collect();
    let subscribers: Vec<u64> = serials.iter().copied().filter(|serial| serial % 2 == 0).collect();
    let mut drivers = Vec::new();
    for (replica, deliveries) in nodes {
        replica.serving().wait_for(|serving| serving.is_yes()).await.unwrap();
        let origin = replica.origin().borrow().unwrap();
        let payload = Bytes::from(vec![7; payload as usize]);
        let sessions = BTreeMap::new();
        drivers.push((Driver { replica, origin, sessions, payload, done: Arc::clone(&done) }, deliveries));
    }
    let idle = (Instant::now(), cpu_seconds());
    tokio::time::sleep(Duration::from_secs(3)).await;
    println!("idle: {:.3} cores for three nodes", (cpu_seconds() - idle.1) / idle.0.elapsed().as_secs_f64());
    for (driver, deliveries) in &mut drivers {
        driver.connect(deliveries, &serials).await;
    }
    for (driver, deliveries) in &mut drivers {
        let before = if driver.origin.node.0 == 1 { 3 } else { driver.origin.node.0 - 1 };
        driver.subscribe(deliveries, &subscribers, before).await;
    }
    for (driver, deliveries) in drivers {
        for serial in serials.iter().filter(|serial| **serial % 2 == 1) {
            let publishes: Vec<_> = (1..=in_flight)
                .map(|id| driver.publish(*serial, PacketId::new(id as u16).unwrap()))
                .collect();
            driver.propose(&publishes).await;
        }
        tokio::spawn(driver.run(deliveries));
    }
    let leader =
        replicas.iter().find(|replica| replica.status().leader == replica.status().node).unwrap().clone();
    tokio::time::sleep(Duration::from_secs(1)).await;
    for _ in 0..seconds {
        let (from, cpu, messages) = (Instant::now(), cpu_seconds(), done.load(Ordering::Relaxed));
        let before = leader.status();
        tokio::time::sleep(Duration::from_secs(1)).await;
        let after = leader.status();
        let took = from.elapsed().as_secs_f64();
        let commands = (after.counters.commands_applied - before.counters.commands_applied) as f64 / took;
        let entries = (after.counters.entries_applied - before.counters.entries_applied) as f64 / took;
        let syncs = (after.log.syncs - before.log.syncs) as f64 / took;
        let messages = (done.load(Ordering::Relaxed) - messages) as f64 / took;
        let cores = (cpu_seconds() - cpu) / took;
        println!(
            "{messages:8.0} messages/s  {commands:8.0} commands/s ({:6.0} as four a message)  {entries:6.0} entries/s \
             {syncs:6.0} syncs/s  {cores:.2} cores  {:5.2} us/command  {:5.1} us/message",
            messages * 4.0,
            cores * 1e6 / commands,
            cores * 1e6 / messages,
        );
    }
    for replica in &replicas {
        println!("{:?}", replica.status().counters);
    }
    for replica in &replicas {
        replica.abort().await;
    }
    std::fs::remove_dir_all(&dir).unwrap();
}
