//! PINGREQ and PINGRESP: two bytes each, to show that a connection lives (MQTT 5.0 sections 3.12, 3.13).

/// "Are you there?", from a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PingReq;

/// The answer to PINGREQ `[MQTT-3.12.4-1]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PingResp;
