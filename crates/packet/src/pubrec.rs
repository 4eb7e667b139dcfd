//! PUBREC: the first answer to a QoS 2 PUBLISH (MQTT 5.0 section 3.5).

use crate::acknowledgement::acknowledgement;

acknowledgement! {
    /// PUBREC: the first answer to a QoS 2 PUBLISH (MQTT 5.0 section 3.5).
    PubRec
}
