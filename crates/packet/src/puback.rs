//! PUBACK: the answer to a QoS 1 PUBLISH (MQTT 5.0 section 3.4).

use crate::acknowledgement::acknowledgement;

acknowledgement! {
    /// PUBACK: the answer to a QoS 1 PUBLISH (MQTT 5.0 section 3.4).
    PubAck
}
