//! The few frames of MQTT 3.1.1 that the load needs, written into and read from plain buffers.

/// A packet from the broker, as far as the load looks at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Frame<'a> {
    /// CONNACK and its return code.
    ConnAck(u8),
    /// PUBLISH: QoS, packet identifier (0 at QoS 0), payload.
    Publish(u8, u16, &'a [u8]),
    /// PUBACK.
    PubAck(u16),
    /// PUBREC.
    PubRec(u16),
    /// PUBREL.
    PubRel(u16),
    /// PUBCOMP.
    PubComp(u16),
    /// SUBACK.
    SubAck,
    /// Anything else.
    Other,
}

/// The first whole packet of `bytes` and how many bytes it takes; `None` if there is no whole one yet.
pub(crate) fn first(bytes: &[u8]) -> Option<(Frame<'_>, usize)> {
    let mut length = 0;
    let mut header = 1;
    loop {
        let byte = *bytes.get(header)?;
        length |= usize::from(byte & 0x7f) << (7 * (header - 1));
        header += 1;
        if byte & 0x80 == 0 {
            break;
        }
        if header == 5 {
            return Some((Frame::Other, bytes.len()));
        }
    }
    let end = header + length;
    let body = bytes.get(header..end)?;
    let id = |at: usize| body.get(at..at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    let frame = match bytes[0] >> 4 {
        2 => Frame::ConnAck(body.get(1).copied().unwrap_or(u8::MAX)),
        3 => {
            let qos = bytes[0] >> 1 & 3;
            let topic_end = 2 + usize::from(id(0));
            let payload_start = topic_end + if qos > 0 { 2 } else { 0 };
            let packet_id = if qos > 0 { id(topic_end) } else { 0 };
            Frame::Publish(qos, packet_id, body.get(payload_start..).unwrap_or_default())
        }
        4 => Frame::PubAck(id(0)),
        5 => Frame::PubRec(id(0)),
        6 => Frame::PubRel(id(0)),
        7 => Frame::PubComp(id(0)),
        9 => Frame::SubAck,
        _ => Frame::Other,
    };
    Some((frame, end))
}

/// Writes a Remaining Length.
fn remaining_length(out: &mut Vec<u8>, mut length: usize) {
    loop {
        let low = (length & 0x7f) as u8;
        length >>= 7;
        if length == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

fn string(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u16).to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// CONNECT without keep alive.
pub(crate) fn connect(out: &mut Vec<u8>, client_id: &str, clean: bool) {
    out.push(0x10);
    remaining_length(out, 12 + client_id.len());
    out.extend_from_slice(b"\0\x04MQTT\x04");
    out.extend_from_slice(&[u8::from(clean) << 1, 0, 0]);
    string(out, client_id);
}

/// SUBSCRIBE to topics, all at one QoS.
pub(crate) fn subscribe(out: &mut Vec<u8>, topics: &[String], qos: u8) {
    out.push(0x82);
    remaining_length(out, 2 + topics.iter().map(|topic| topic.len() + 3).sum::<usize>());
    out.extend_from_slice(&[0, 1]);
    for topic in topics {
        string(out, topic);
        out.push(qos);
    }
}

/// PUBLISH; the packet identifier counts from QoS 1 on.
pub(crate) fn publish(out: &mut Vec<u8>, topic: &str, qos: u8, id: u16, head: &[u8; 16], payload: usize) {
    out.push(0x30 | qos << 1);
    remaining_length(out, 2 + topic.len() + if qos > 0 { 2 } else { 0 } + payload);
    string(out, topic);
    if qos > 0 {
        out.extend(id.to_be_bytes());
    }
    out.extend_from_slice(head);
    out.resize(out.len() + payload - head.len(), b'.');
}

/// An acknowledgement with this first byte.
pub(crate) fn acknowledge(out: &mut Vec<u8>, first: u8, id: u16) {
    let [high, low] = id.to_be_bytes();
    out.extend_from_slice(&[first, 2, high, low]);
}

/// First bytes for [`acknowledge`].
pub(crate) const PUBACK: u8 = 0x40;
/// See [`PUBACK`].
pub(crate) const PUBREC: u8 = 0x50;
/// See [`PUBACK`].
pub(crate) const PUBREL: u8 = 0x62;
/// See [`PUBACK`].
pub(crate) const PUBCOMP: u8 = 0x70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut out = Vec::new();
        publish(&mut out, "load/1", 2, 513, &[7; 16], 300);
        let length = out.len();
        acknowledge(&mut out, PUBREL, 513);
        let (frame, used) = first(&out).expect("whole");
        assert_eq!(used, length);
        let Frame::Publish(2, 513, payload) = frame else { panic!("{frame:?}") };
        assert_eq!((payload.len(), payload[0], payload[299]), (300, 7, b'.'));
        assert_eq!(first(&out[used..]), Some((Frame::PubRel(513), 4)));
        assert_eq!(first(&out[..length - 1]), None);
    }
}
