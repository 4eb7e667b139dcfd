//! CONNECT, field by field.

use crate::{Version, frame};

/// What a test client asks for when it connects. Public fields: a test changes what it is about.
#[derive(Clone, Debug)]
pub struct Connect {
    /// Protocol name and level follow from it.
    pub version: Version,
    /// May be empty.
    pub client_id: String,
    /// Clean Start, or Clean Session before 5.0.
    pub clean: bool,
    /// Keep Alive in seconds; 0 turns it off.
    pub keep_alive: u16,
    /// Session Expiry Interval in seconds (5.0 only); `None` leaves the property out.
    pub session_expiry: Option<u32>,
    /// Receive Maximum (5.0 only).
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size (5.0 only).
    pub maximum_packet_size: Option<u32>,
    /// Further properties as bytes (5.0 only).
    pub more_properties: Vec<u8>,
    /// A Will Message.
    pub will: Option<Will>,
}

/// A Will Message without properties.
#[derive(Clone, Debug)]
pub struct Will {
    /// Will Topic.
    pub topic: String,
    /// Will Payload.
    pub payload: Vec<u8>,
    /// Will QoS.
    pub qos: u8,
    /// Will Retain.
    pub retain: bool,
}

impl Connect {
    /// A session that ends with its connection.
    pub fn clean(version: Version, client_id: impl Into<String>) -> Self {
        Self {
            version,
            client_id: client_id.into(),
            clean: true,
            keep_alive: 0,
            session_expiry: None,
            receive_maximum: None,
            maximum_packet_size: None,
            more_properties: Vec::new(),
            will: None,
        }
    }

    /// A session that is kept, and taken up again if it exists.
    pub fn kept(version: Version, client_id: impl Into<String>) -> Self {
        Self { clean: false, session_expiry: Some(3600), ..Self::clean(version, client_id) }
    }

    /// The packet.
    pub fn bytes(&self) -> Vec<u8> {
        let mut flags = 0;
        flags |= u8::from(self.clean) << 1;
        if let Some(will) = &self.will {
            flags |= 0x04 | will.qos << 3 | u8::from(will.retain) << 5;
        }
        let name = if self.version == Version::V31 { "MQIsdp" } else { "MQTT" };
        let mut body = frame::field(name);
        body.extend([self.version.level(), flags]);
        body.extend(self.keep_alive.to_be_bytes());
        if self.version.is_v5() {
            body.extend(frame::properties(&self.property_bytes()));
        }
        body.extend(frame::field(&self.client_id));
        if let Some(will) = &self.will {
            if self.version.is_v5() {
                body.push(0);
            }
            body.extend(frame::field(&will.topic));
            body.extend(frame::field(&will.payload));
        }
        frame::packet(0x10, &body)
    }

    fn property_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(seconds) = self.session_expiry {
            bytes.push(0x11);
            bytes.extend(seconds.to_be_bytes());
        }
        if let Some(maximum) = self.receive_maximum {
            bytes.push(0x21);
            bytes.extend(maximum.to_be_bytes());
        }
        if let Some(maximum) = self.maximum_packet_size {
            bytes.push(0x27);
            bytes.extend(maximum.to_be_bytes());
        }
        bytes.extend_from_slice(&self.more_properties);
        bytes
    }
}
