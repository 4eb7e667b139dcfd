//! PUBREL: the sender of a QoS 2 PUBLISH gives its packet identifier free (MQTT 5.0 section 3.6).

use crate::acknowledgement::acknowledgement;

acknowledgement! {
    /// PUBREL: the sender of a QoS 2 PUBLISH gives its packet identifier free (MQTT 5.0 section 3.6).
    PubRel
}
