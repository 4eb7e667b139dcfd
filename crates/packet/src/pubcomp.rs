//! PUBCOMP: the last packet of a QoS 2 handshake (MQTT 5.0 section 3.7).

use crate::acknowledgement::acknowledgement;

acknowledgement! {
    /// PUBCOMP: the last packet of a QoS 2 handshake (MQTT 5.0 section 3.7).
    PubComp
}
