//! MQTT 3.1, 3.1.1 and 5.0 control packets and their bytes.
//!
//! One file per packet: its fields (one shape for all versions) and its two wire forms. [`Decoder`] turns
//! bytes into [`Packet`]s and refuses whatever the standard forbids, with the reason code to answer;
//! [`encode()`] is the way back. Payloads, strings and property blocks are slices of the read buffer
//! (`Bytes`): nothing is copied until somebody keeps it and calls `detach`.
//!
//! The crate knows packets, not conversations: which packet may follow which, what a session holds and
//! when to answer belongs to the crates above. Two rules of the conversation live here nevertheless,
//! because no later byte can be read without them: the first packet from a client is CONNECT, and it
//! comes once.
//!
//! ```
//! use bytes::BytesMut;
//! use quartet_packet::{Connect, Decoder, Packet, Role, Utf8String, Version, encode};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let connect = Connect::new(Version::V5, Utf8String::try_from("press-7")?);
//! let mut buffer = BytesMut::new();
//! encode(&Packet::Connect(connect.into()), Version::V5, &mut buffer)?;
//!
//! let mut decoder = Decoder::new(Role::Server);
//! while let Some(packet) = decoder.decode(&mut buffer)? {
//!     assert!(matches!(packet, Packet::Connect(connect) if connect.client_id == "press-7"));
//! }
//! assert_eq!(decoder.version(), Some(Version::V5));
//! # Ok(())
//! # }
//! ```
#![no_std]
#![deny(clippy::wildcard_enum_match_arm, clippy::iter_over_hash_type, clippy::as_conversions)]

extern crate alloc;

mod acknowledgement;
mod auth;
mod connack;
mod connect;
mod decode;
mod decode_error;
mod disconnect;
mod encode;
mod packet;
mod packet_id;
mod ping;
mod problem;
mod properties;
mod puback;
mod pubcomp;
mod publish;
mod pubrec;
mod pubrel;
mod qos;
mod reader;
mod reason_code;
mod suback;
mod subscribe;
mod topic;
mod topic_filter;
mod unsuback;
mod unsubscribe;
mod utf8_string;
mod version;
mod will;
mod writer;

pub use auth::Auth;
pub use connack::ConnAck;
pub use connect::Connect;
pub use decode::{Decoder, MAX_CONNECT_SIZE, Role};
pub use decode_error::DecodeError;
pub use disconnect::Disconnect;
pub use encode::{EncodeError, MAX_PACKET_SIZE, encode, encode_publish, encode_within, encoded_len};
pub use packet::{Packet, PacketType};
pub use packet_id::PacketId;
pub use ping::{PingReq, PingResp};
pub use problem::Problem;
pub use properties::{MAX_USER_PROPERTIES, Property, PublishProperties, UserProperties};
pub use puback::PubAck;
pub use pubcomp::PubComp;
pub use publish::{Publish, PublishHeader};
pub use pubrec::PubRec;
pub use pubrel::PubRel;
pub use qos::QoS;
pub use reason_code::ReasonCode;
pub use suback::SubAck;
pub use subscribe::{MAX_FILTERS, RetainHandling, Subscribe, SubscriptionOptions, SubscriptionRequest};
pub use topic::{MAX_LEVELS, Topic, TopicProblem};
pub use topic_filter::{FilterProblem, InvalidTopicFilter, TopicFilter, matches};
pub use unsuback::UnsubAck;
pub use unsubscribe::Unsubscribe;
pub use utf8_string::{StringProblem, Utf8String};
pub use version::Version;
pub use will::Will;
