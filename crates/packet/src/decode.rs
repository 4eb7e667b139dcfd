//! Bytes to packets.
//!
//! ```text
//!   first byte ──► type, flags, direction, CONNECT first and once
//!   1 to 4 more ──► Remaining Length ──► size limit
//!   so many more ──► the body, by the packet's own file
//! ```
//! Everything that the first two to five bytes can tell is refused by them, before the rest is waited
//! for; the decoder holds no bytes and reserves none. After a refusal it only repeats it: where the next
//! packet begins is no longer known.

use bytes::{Buf, Bytes, BytesMut};

use crate::encode::MAX_PACKET_SIZE;
use crate::reader::Reader;
use crate::{
    Auth, ConnAck, Connect, DecodeError, Disconnect, Packet, PacketId, PacketType, PingReq, PingResp,
    Problem, PubAck, PubComp, PubRec, PubRel, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe, Version,
};

/// The size limit of a server's decoder until [`Decoder::set_maximum_packet_size`], which is called
/// once the client is accepted: what a stranger can make a node hold. 128 KiB has room for one string
/// of the longest kind (65 535 bytes, say a client identifier) beside an ordinary CONNECT.
pub const MAX_CONNECT_SIZE: usize = 128 * 1024;

/// Whose packets a decoder reads: those sent *to* this role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Reads what clients send, CONNECT first.
    Server,
    /// Reads what servers send.
    Client,
}

/// Cuts one connection's bytes into packets.
#[derive(Debug, Clone)]
pub struct Decoder {
    role: Role,
    /// Known from CONNECT on (server) or from the start (client).
    version: Option<Version>,
    /// Largest packet in bytes, fixed header included.
    limit: usize,
    failed: Option<DecodeError>,
}

/// What the fixed header says.
struct FixedHeader {
    packet_type: PacketType,
    flags: u8,
    /// Of the header itself, in bytes: 2 to 5.
    length: usize,
    /// Of what follows, in bytes.
    remaining_length: usize,
}

impl Decoder {
    /// A server's decoder waits for CONNECT, under [`MAX_CONNECT_SIZE`]; do not go on decoding between
    /// CONNECT and [`set_maximum_packet_size`](Self::set_maximum_packet_size). A client's has no limit
    /// and speaks 5.0 until told otherwise.
    pub const fn new(role: Role) -> Self {
        let (version, limit) = match role {
            Role::Server => (None, MAX_CONNECT_SIZE),
            Role::Client => (Some(Version::V5), MAX_PACKET_SIZE),
        };
        Self { role, version, limit, failed: None }
    }

    /// The version of the connection, once known.
    pub const fn version(&self) -> Option<Version> {
        self.version
    }

    /// Takes CONNECT as read, with this version.
    pub const fn set_version(&mut self, version: Version) {
        self.version = Some(version);
    }

    /// The size limit in bytes, fixed header included.
    pub const fn maximum_packet_size(&self) -> usize {
        self.limit
    }

    /// Sets the size limit in bytes, fixed header included; [`MAX_PACKET_SIZE`] is none.
    pub const fn set_maximum_packet_size(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The next packet, taken off the front of `buffer`; `None` if it is not whole yet. Call again
    /// until `None`, then read more bytes.
    ///
    /// # Errors
    /// The bytes break the standard or a limit. The connection is to be closed, after what
    /// [`DecodeError::connack`] or a DISCONNECT may still say.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, DecodeError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        match self.try_decode(buffer) {
            Ok(packet) => Ok(packet),
            Err((problem, packet_type)) => {
                let error =
                    DecodeError { reason: problem.reason(), problem, packet_type, version: self.version };
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    // A packet is 144 bytes: without these inlines it is copied at each return.
    #[inline(always)]
    fn try_decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, (Problem, Option<PacketType>)> {
        let Some(&first) = buffer.first() else {
            return Ok(None);
        };
        let Some(packet_type) = PacketType::from_u8(first >> 4) else {
            return Err((Problem::ReservedPacketType { value: first >> 4 }, None));
        };
        let blame = |problem| (problem, Some(packet_type));
        self.check_first_byte(packet_type, first & 0x0F).map_err(blame)?;
        let Some((remaining_length, digits)) = read_remaining_length(buffer).map_err(blame)? else {
            return Ok(None);
        };
        let header = FixedHeader { packet_type, flags: first & 0x0F, length: 1 + digits, remaining_length };
        let size = header.length + header.remaining_length;
        if size > self.limit {
            return Err(blame(Problem::TooLarge { size, limit: self.limit }));
        }
        if buffer.len() < size {
            return Ok(None);
        }
        buffer.advance(header.length);
        match self.decode_body(&header, buffer) {
            Ok(packet) => Ok(Some(packet)),
            Err(problem) => Err(blame(problem)),
        }
    }

    /// What the first byte alone can break.
    fn check_first_byte(&self, packet_type: PacketType, flags: u8) -> Result<(), Problem> {
        self.check_turn(packet_type)?;
        if packet_type == PacketType::Publish {
            return publish_flags(flags);
        }
        let prescribed = packet_type.prescribed_flags();
        // MQTT 3.1 has DUP on everything that is sent again, which is what carries QoS 1 in its header.
        let repeated = self.version == Some(Version::V3_1) && prescribed != 0;
        if flags == prescribed || (repeated && flags == prescribed | 0x08) {
            Ok(())
        } else {
            Err(Problem::FixedHeaderFlags { flags })
        }
    }

    /// Whether the other side may send this type now.
    fn check_turn(&self, packet_type: PacketType) -> Result<(), Problem> {
        let is_v5 = self.version.is_none_or(Version::is_v5);
        match (packet_type, self.role) {
            (PacketType::Connect, Role::Server) => match self.version {
                None => Ok(()),
                Some(_) => Err(Problem::SecondConnect),
            },
            (_, Role::Server) if self.version.is_none() => Err(Problem::FirstNotConnect),
            (PacketType::Auth, _) if !is_v5 => {
                Err(Problem::ReservedPacketType { value: packet_type.value() })
            }
            (PacketType::Disconnect, Role::Client) if !is_v5 => Err(Problem::WrongDirection),
            (PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq, Role::Server)
            | (
                PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp,
                Role::Client,
            )
            | (
                PacketType::Publish
                | PacketType::PubAck
                | PacketType::PubRec
                | PacketType::PubRel
                | PacketType::PubComp
                | PacketType::Disconnect
                | PacketType::Auth,
                Role::Server | Role::Client,
            ) => Ok(()),
            (
                PacketType::ConnAck | PacketType::SubAck | PacketType::UnsubAck | PacketType::PingResp,
                Role::Server,
            )
            | (
                PacketType::Connect | PacketType::Subscribe | PacketType::Unsubscribe | PacketType::PingReq,
                Role::Client,
            ) => Err(Problem::WrongDirection),
        }
    }

    #[inline(always)]
    fn decode_body(&mut self, header: &FixedHeader, buffer: &mut BytesMut) -> Result<Packet, Problem> {
        if header.remaining_length == 2
            && let Some(packet) = short_acknowledgement(header.packet_type, buffer)?
        {
            buffer.advance(2);
            return Ok(packet);
        }
        let body = if header.remaining_length == 0 {
            Bytes::new()
        } else {
            buffer.split_to(header.remaining_length).freeze()
        };
        let mut reader = Reader::new(body);
        let Some(version) = self.version else {
            // The version counts from here on, also for saying what is wrong with the rest.
            let version = Connect::decode_version(&mut reader)?;
            self.version = Some(version);
            let connect = Connect::decode(version, &mut reader)?;
            return Ok(Packet::Connect(connect.into()));
        };
        let reader = &mut reader;
        let packet = match header.packet_type {
            PacketType::Publish => {
                let publish = Publish::decode(header.flags, version, self.role, reader)?;
                return Ok(Packet::Publish(publish));
            }
            PacketType::Connect => return Err(Problem::SecondConnect),
            PacketType::ConnAck => Packet::ConnAck(ConnAck::decode(version, reader)?.into()),
            PacketType::PubAck => Packet::PubAck(PubAck::decode(version, reader)?),
            PacketType::PubRec => Packet::PubRec(PubRec::decode(version, reader)?),
            PacketType::PubRel => Packet::PubRel(PubRel::decode(version, reader)?),
            PacketType::PubComp => Packet::PubComp(PubComp::decode(version, reader)?),
            PacketType::Subscribe => Packet::Subscribe(Subscribe::decode(version, reader)?),
            PacketType::SubAck => Packet::SubAck(SubAck::decode(version, reader)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(version, reader)?),
            PacketType::UnsubAck => Packet::UnsubAck(UnsubAck::decode(version, reader)?),
            PacketType::PingReq => Packet::PingReq(PingReq),
            PacketType::PingResp => Packet::PingResp(PingResp),
            PacketType::Disconnect => Packet::Disconnect(Disconnect::decode(version, self.role, reader)?),
            PacketType::Auth => Packet::Auth(Auth::decode(reader)?),
        };
        reader.finish()?;
        Ok(packet)
    }
}

/// DUP, QoS and RETAIN of a PUBLISH that can be refused at once.
fn publish_flags(flags: u8) -> Result<(), Problem> {
    match (flags & 0x06, flags & 0x08) {
        (0x06, _) => Err(Problem::Qos3 { field: "fixed header" }),
        (0, 0x08) => Err(Problem::DupWithoutQos),
        _ => Ok(()),
    }
}

/// Remaining Length and how many bytes it takes; `None` if it is not whole yet. Refused as soon as a
/// fourth byte promises a fifth, or a last byte adds nothing `[MQTT-1.5.5-1]`.
fn read_remaining_length(buffer: &[u8]) -> Result<Option<(usize, usize)>, Problem> {
    const FIELD: &str = "remaining length";
    let mut value = 0_usize;
    let mut digits = 0;
    for &byte in buffer.iter().skip(1).take(4) {
        value |= usize::from(byte & 0x7F) << (7 * digits);
        digits += 1;
        if byte & 0x80 == 0 {
            if byte == 0 && digits > 1 {
                return Err(Problem::VariableByteInteger { field: FIELD });
            }
            return Ok(Some((value, digits)));
        }
    }
    if digits == 4 {
        return Err(Problem::VariableByteInteger { field: FIELD });
    }
    Ok(None)
}

/// The commonest form of the four acknowledgements, the same in all versions, read where it lies.
fn short_acknowledgement(packet_type: PacketType, body: &[u8]) -> Result<Option<Packet>, Problem> {
    let &[high, low, ..] = body else {
        return Ok(None);
    };
    let packet_id = PacketId::new(u16::from_be_bytes([high, low])).ok_or(Problem::PacketIdZero);
    Ok(Some(match packet_type {
        PacketType::PubAck => Packet::PubAck(PubAck::new(packet_id?)),
        PacketType::PubRec => Packet::PubRec(PubRec::new(packet_id?)),
        PacketType::PubRel => Packet::PubRel(PubRel::new(packet_id?)),
        PacketType::PubComp => Packet::PubComp(PubComp::new(packet_id?)),
        PacketType::Connect
        | PacketType::ConnAck
        | PacketType::Publish
        | PacketType::Subscribe
        | PacketType::SubAck
        | PacketType::Unsubscribe
        | PacketType::UnsubAck
        | PacketType::PingReq
        | PacketType::PingResp
        | PacketType::Disconnect
        | PacketType::Auth => return Ok(None),
    }))
}
