//! Publisher and subscriber against a broker that follows a script, over real sockets on loopback.

use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use quartet_packet::{
    ConnAck, Connect, Decoder, Packet, PacketId, PubComp, PubRec, PubRel, Publish, QoS, ReasonCode, Role,
    SubAck, Topic, TopicFilter, Utf8String, Version, encode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{Error, Options, publisher, subscriber};

/// Longest wait for something that must happen.
const DEADLINE: Duration = Duration::from_secs(10);

/// The broker's end of one connection.
struct Peer {
    stream: TcpStream,
    decoder: Decoder,
    input: BytesMut,
    version: Version,
}

impl Peer {
    /// The next client's CONNECT, answered.
    async fn accept(listener: &TcpListener, session_present: bool) -> (Self, Connect) {
        let (stream, _) = timeout(DEADLINE, listener.accept()).await.expect("in time").expect("accepted");
        let decoder = Decoder::new(Role::Server);
        let mut peer = Self { stream, decoder, input: BytesMut::new(), version: Version::V5 };
        let Packet::Connect(connect) = peer.receive().await else { panic!("the first packet is CONNECT") };
        peer.version = connect.version;
        let mut connack = ConnAck::new(ReasonCode::Success);
        connack.session_present = session_present;
        peer.send(Packet::ConnAck(Box::new(connack))).await;
        (peer, *connect)
    }

    async fn receive(&mut self) -> Packet {
        loop {
            if let Some(packet) = self.decoder.decode(&mut self.input).expect("well formed") {
                return packet;
            }
            let read = timeout(DEADLINE, self.stream.read_buf(&mut self.input)).await.expect("in time");
            assert_ne!(read.expect("readable"), 0, "the client closed");
        }
    }

    async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        encode(&packet, self.version, &mut bytes).expect("encodable");
        self.stream.write_all(&bytes).await.expect("written");
    }
}

async fn listen() -> (TcpListener, Options) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let options = Options {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().expect("bound").port(),
        version: Version::V5,
        client_id: Utf8String::try_from("me").expect("an id"),
        keep_alive: Duration::from_secs(60),
    };
    (listener, options)
}

fn id(value: u16) -> PacketId {
    PacketId::new(value).expect("not zero")
}

fn message(qos: QoS, packet_id: u16, payload: &'static [u8]) -> Packet {
    let topic = Topic::try_from("a").expect("a topic");
    let packet_id = Some(id(packet_id));
    Packet::Publish(Publish { qos, packet_id, ..Publish::new(topic, Bytes::from_static(payload)) })
}

fn publish(options: Options, payload: &'static [u8]) -> tokio::task::JoinHandle<Result<(), Error>> {
    let wish = publisher::Wish {
        topic: Topic::try_from("a").expect("a topic"),
        qos: QoS::ExactlyOnce,
        retain: false,
    };
    tokio::spawn(async move {
        let (sender, payloads) = mpsc::channel(1);
        sender.send(Ok(Bytes::from_static(payload))).await.expect("room");
        drop(sender);
        publisher::run(&options, &wish, payloads, &mut |_| {}).await
    })
}

#[tokio::test]
async fn a_publication_survives_the_loss_of_its_connection_at_each_step() {
    let (listener, options) = listen().await;
    let publishing = publish(options, b"x");
    let (mut first, connect) = Peer::accept(&listener, false).await;
    assert!(connect.clean_start, "a new process knows of no handshake");
    assert!(connect.session_expiry.is_some_and(|seconds| seconds > 0), "and wants to resume this one");
    let Packet::Publish(sent) = first.receive().await else { panic!("PUBLISH") };
    assert_eq!((sent.dup, sent.packet_id), (false, Some(id(1))));
    drop(first);

    let (mut second, connect) = Peer::accept(&listener, true).await;
    assert!(!connect.clean_start);
    let Packet::Publish(again) = second.receive().await else { panic!("PUBLISH") };
    assert_eq!((again.dup, again.packet_id), (true, Some(id(1))));
    second.send(Packet::PubRec(PubRec::new(id(1)))).await;
    assert_eq!(second.receive().await, Packet::PubRel(PubRel::new(id(1))));
    drop(second);

    let (mut third, _) = Peer::accept(&listener, true).await;
    assert_eq!(third.receive().await, Packet::PubRel(PubRel::new(id(1))), "PUBREL again, never PUBLISH");
    third.send(Packet::PubComp(PubComp::new(id(1)))).await;
    let Packet::Disconnect(bye) = third.receive().await else { panic!("DISCONNECT") };
    assert_eq!(bye.session_expiry, Some(0), "the session ends with its one message");
    publishing.await.expect("no panic").expect("published");
}

#[tokio::test]
async fn a_refused_message_is_an_error() {
    let (listener, options) = listen().await;
    let publishing = publish(options, b"x");
    let (mut peer, _) = Peer::accept(&listener, false).await;
    peer.receive().await;
    peer.send(Packet::PubRec(PubRec::with_reason(id(1), ReasonCode::NotAuthorized))).await;
    let error = publishing.await.expect("no panic").expect_err("refused");
    assert_eq!(error.to_string(), "the broker refused the message");
}

#[tokio::test]
async fn nobody_there_is_said_at_once() {
    let (listener, options) = listen().await;
    let address = options.address();
    drop(listener);
    let error = publish(options, b"x").await.expect("no panic").expect_err("unreachable").to_string();
    assert!(error.starts_with(&format!("{address}: Connection refused")), "{error}");
    assert_eq!(error.matches("refused").count(), 1, "{error}");
}

#[tokio::test]
async fn a_subscriber_hears_each_message_once_across_connections() {
    let (listener, options) = listen().await;
    let wish = subscriber::Wish {
        filters: vec![TopicFilter::try_from("a").expect("a filter")],
        qos: QoS::ExactlyOnce,
        persistent: true,
        session_expiry: 60,
    };
    let (heard, hears) = std_mpsc::sync_channel(8);
    let subscribing = tokio::spawn(async move {
        let mut count = 0;
        let mut hear = move |publish: &Publish| {
            heard.send(publish.payload.clone()).expect("the test listens");
            count += 1;
            Ok(if count == 2 { subscriber::Next::Enough } else { subscriber::Next::More })
        };
        subscriber::run(&options, &wish, &mut hear, &mut |_| {}, std::future::pending()).await
    });

    let (mut first, connect) = Peer::accept(&listener, false).await;
    assert!(!connect.clean_start);
    let Packet::Subscribe(subscribe) = first.receive().await else { panic!("SUBSCRIBE") };
    first.send(Packet::SubAck(SubAck::new(subscribe.packet_id, vec![ReasonCode::GrantedQos2]))).await;
    first.send(message(QoS::ExactlyOnce, 9, b"one")).await;
    assert_eq!(first.receive().await, Packet::PubRec(PubRec::new(id(9))));
    drop(first);

    let (mut second, _) = Peer::accept(&listener, true).await;
    second.send(message(QoS::ExactlyOnce, 9, b"one")).await;
    assert_eq!(
        second.receive().await,
        Packet::PubRec(PubRec::new(id(9))),
        "no SUBSCRIBE: the session has it"
    );
    second.send(Packet::PubRel(PubRel::new(id(9)))).await;
    assert_eq!(second.receive().await, Packet::PubComp(PubComp::new(id(9))));
    second.send(message(QoS::ExactlyOnce, 10, b"two")).await;
    assert_eq!(second.receive().await, Packet::PubRec(PubRec::new(id(10))));
    // That was enough, so what comes now stays in the session; but what has begun is finished before leaving.
    second.send(message(QoS::ExactlyOnce, 11, b"three")).await;
    second.send(Packet::PubRel(PubRel::new(id(10)))).await;
    assert_eq!(second.receive().await, Packet::PubComp(PubComp::new(id(10))));
    let Packet::Disconnect(bye) = second.receive().await else { panic!("DISCONNECT, and no PUBREC 11") };
    assert_eq!(bye.session_expiry, None, "the session waits for the next process");
    subscribing.await.expect("no panic").expect("heard enough");
    assert_eq!(hears.iter().collect::<Vec<_>>(), [&b"one"[..], &b"two"[..]]);
}
