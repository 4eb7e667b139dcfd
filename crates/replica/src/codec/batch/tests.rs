//! Batches come back as they were; hostile ones never panic.

use proptest::collection::vec;
use proptest::prelude::*;
use quartet_broker::AdvanceTime;

use super::*;
use crate::codec::command::decode_connection_command;
use crate::codec::command::strategy::{ORIGIN, cluster_command, connection_command};

fn numbered(first: u64, commands: &[Command]) -> Numbered {
    let (mut scratch, mut out) = (BytesMut::new(), BytesMut::new());
    for command in commands {
        put_numbered_command(command, &mut scratch, &mut out);
    }
    Numbered { origin: ORIGIN, first: Number(first), count: commands.len() as u32, commands: out.freeze() }
}

#[test]
fn the_bytes_of_a_batch() {
    let mut batch = BatchWriter::new(Timestamp(300), 100);
    batch.cluster(&Command::AdvanceTime(AdvanceTime));
    let commands = Bytes::from_static(b"\x01x\x02yz");
    batch.numbered(&Numbered { origin: ORIGIN, first: Number(130), count: 2, commands });
    assert_eq!(batch.commands(), 3);
    assert_eq!(&batch.finish()[..], b"\x01\xac\x02\x02\x01\x12\x01\x03\x09\x82\x01\x02\x05\x01x\x02yz");
}

#[test]
fn numbers_are_walked_without_decoding() {
    let commands = Bytes::from_static(b"\x01x\x02yz\x00");
    let segment = Numbered { origin: ORIGIN, first: Number(7), count: 3, commands };
    segment.check().unwrap();
    let found: Vec<_> = segment.iter().map(Result::unwrap).map(|(number, bytes)| (number.0, bytes)).collect();
    assert_eq!(found, [(7, Bytes::from("x")), (8, Bytes::from("yz")), (9, Bytes::new())]);
    let rest = segment.starting_at(Number(9));
    rest.check().unwrap();
    assert_eq!((rest.first, rest.count, &rest.commands[..]), (Number(9), 1, &b"\x00"[..]));
    assert_eq!(segment.starting_at(Number(3)), segment);
    assert_eq!(segment.starting_at(Number(50)).count, 0);
}

#[test]
fn a_segment_whose_lengths_do_not_add_up_is_refused() {
    let segment = |first, count, commands: &'static [u8]| {
        let commands = Bytes::from_static(commands);
        Numbered { origin: ORIGIN, first: Number(first), count, commands }.check()
    };
    assert!(segment(1, 1, b"\x01x").is_ok());
    assert!(segment(1, 0, b"").is_err(), "no command");
    assert!(segment(0, 1, b"\x01x").is_err(), "number 0");
    assert!(segment(u64::MAX, 1, b"\x01x").is_err(), "numbers that overflow");
    assert!(segment(1, 2, b"\x01x").is_err(), "fewer than counted");
    assert!(segment(1, 1, b"\x01x\x01y").is_err(), "more than counted");
    assert!(segment(1, 1, b"\x05x").is_err(), "cut off");
}

#[test]
fn another_version_is_refused() {
    let error = BatchReader::new(Bytes::from_static(b"\x02\x01")).unwrap_err();
    assert!(error.to_string().contains("newer release"), "{error}");
}

proptest! {
    #[test]
    fn any_batch_comes_back(
        time in any::<u64>(),
        segments in vec((any::<u32>(), vec(connection_command(), 1..5)), 0..4),
        cluster in vec(cluster_command(), 0..3),
    ) {
        let mut batch = BatchWriter::new(Timestamp(time), 0);
        let mut expected = Vec::new();
        for command in &cluster {
            batch.cluster(command);
            expected.push(Segment::Cluster(command.clone()));
        }
        for (first, commands) in &segments {
            let segment = numbered(u64::from(*first) + 1, commands);
            prop_assert!(segment.check().is_ok());
            batch.numbered(&segment);
            expected.push(Segment::Numbered(segment));
        }
        let reader = BatchReader::new(batch.finish()).unwrap();
        prop_assert_eq!(reader.time(), Timestamp(time));
        let found: Vec<Segment> = reader.map(Result::unwrap).collect();
        for (segment, (first, commands)) in found.iter().skip(cluster.len()).zip(&segments) {
            let Segment::Numbered(segment) = segment else { panic!("not numbered") };
            for (place, found) in segment.iter().enumerate() {
                let (number, bytes) = found.unwrap();
                prop_assert_eq!(number.0, u64::from(*first) + 1 + place as u64);
                prop_assert_eq!(&decode_connection_command(ORIGIN, bytes).unwrap(), &commands[place]);
            }
        }
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn hostile_batches_end(bytes in vec(any::<u8>(), 0..200)) {
        let mut hostile = vec![VERSION];
        hostile.extend(bytes);
        if let Ok(reader) = BatchReader::new(Bytes::from(hostile)) {
            for segment in reader {
                if let Ok(Segment::Numbered(segment)) = segment {
                    for (_, bytes) in segment.iter().flatten() {
                        decode_connection_command(segment.origin, bytes).ok();
                    }
                }
            }
        }
    }
}
