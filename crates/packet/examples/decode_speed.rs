//! How long the decoder and the encoder take for one packet:
//! `cargo run --release -p quartet-packet --example decode_speed`.

use std::hint::black_box;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use quartet_packet::{
    Decoder, Packet, PacketId, Property, PubAck, Publish, PublishHeader, PublishProperties, QoS, Role, Topic,
    Utf8String, Version, encode, encode_publish,
};

/// Packets in one read buffer, as a busy connection has them.
const BATCH: usize = 64;
const ROUNDS: usize = 20_000;

fn main() -> io::Result<()> {
    let topic = Topic::try_from("factory/line7/press/temp1").expect("a topic");
    let publish = Publish::new(topic, Bytes::from(vec![b'x'; 64]));
    let mut qos_1 = publish.clone();
    qos_1.qos = QoS::AtLeastOnce;
    qos_1.packet_id = Some(PacketId::MIN);
    let mut with_property = publish.clone();
    let name = Utf8String::try_from("trace").expect("a string");
    let pair = Property::UserProperty(name.clone(), name);
    with_property.properties = PublishProperties::new([pair]).expect("properties");
    let puback = Packet::PubAck(PubAck::new(PacketId::MIN));

    let mut out = io::stdout().lock();
    for (name, packet, version) in [
        ("publish 3.1.1 qos 0", Packet::Publish(publish.clone()), Version::V3_1_1),
        ("publish 3.1.1 qos 1", Packet::Publish(qos_1), Version::V3_1_1),
        ("publish 5.0", Packet::Publish(publish.clone()), Version::V5),
        ("publish 5.0, one user property", Packet::Publish(with_property), Version::V5),
        ("puback", puback, Version::V5),
    ] {
        let (decode, encode) = (time_decode(&packet, version), time_encode(&packet, version));
        writeln!(out, "{name:32} decode {decode:6.1} ns   encode {encode:6.1} ns")?;
    }
    let header = time_header(&publish);
    writeln!(out, "{:32} encode {header:6.1} ns", "publish 3.1.1, header only")
}

/// Median nanoseconds a packet, drop included, the fill of the read buffer left out.
fn time_decode(packet: &Packet, version: Version) -> f64 {
    let mut batch = BytesMut::new();
    for _ in 0..BATCH {
        encode(packet, version, &mut batch).expect("a packet");
    }
    let mut decoder = Decoder::new(Role::Server);
    decoder.set_version(version);
    let mut buffer = BytesMut::with_capacity(batch.len());
    median(|| {
        buffer.extend_from_slice(&batch);
        let start = Instant::now();
        while let Ok(Some(packet)) = &decoder.decode(&mut buffer) {
            black_box(packet);
        }
        let spent = start.elapsed();
        assert!(buffer.is_empty(), "all packets are valid");
        spent
    })
}

fn time_encode(packet: &Packet, version: Version) -> f64 {
    time_puts(|out| encode(black_box(packet), version, out).expect("a packet"))
}

fn time_header(publish: &Publish) -> f64 {
    let header = PublishHeader::of(publish);
    time_puts(|out| {
        encode_publish(black_box(&header), Version::V3_1_1, publish.payload.len(), out).expect("a packet");
    })
}

fn time_puts(mut put: impl FnMut(&mut BytesMut)) -> f64 {
    let mut out = BytesMut::with_capacity(BATCH * 256);
    median(|| {
        out.clear();
        let start = Instant::now();
        for _ in 0..BATCH {
            put(&mut out);
        }
        black_box(&out);
        start.elapsed()
    })
}

/// The median, because a busy machine makes the mean say little.
fn median(mut round: impl FnMut() -> Duration) -> f64 {
    let mut rounds: Vec<Duration> = (0..ROUNDS).map(|_| round()).collect();
    rounds.sort_unstable();
    rounds[ROUNDS / 2].as_secs_f64() * 1e9 / BATCH as f64
}
