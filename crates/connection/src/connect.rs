//! CONNECT: what is checked before it goes into the log, and what CONNACK says once it comes back from there.
//!
//! What this server lacks is refused here, not ignored: wills and enhanced authentication. A user name and password
//! are read past: there is no authentication yet, so they prove nothing and every client is anonymous.

use quartet_packet::{ConnAck, Connect, ReasonCode, Utf8String, Version};

use crate::{Config, Error};

/// What a connection remembers of its CONNECT.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) version: Version,
    /// Its id, given or assigned.
    pub(crate) client_id: Utf8String,
    /// Whether [`client_id`](Self::client_id) was assigned, so that CONNACK must tell it [MQTT-3.1.3-7].
    assigned: bool,
    /// Largest packet it takes, in bytes, fixed header included.
    pub(crate) maximum_packet_size: usize,
    /// Session Expiry Interval it asked for, in seconds.
    pub(crate) session_expiry: u32,
    /// How many QoS 1 and 2 messages it takes at once.
    pub(crate) receive_maximum: u16,
    /// The keep alive in force, in seconds; 0 is none.
    pub(crate) keep_alive: u16,
    /// Whether that is ours and not its own [MQTT-3.2.2-21].
    server_keep_alive: bool,
}

impl Client {
    /// Reads what must be remembered even of a client that is refused: CONNACK has to be written for it.
    pub(crate) fn new(config: &Config, connect: &Connect, assigned: &Utf8String) -> Self {
        let is_v5 = connect.version.is_v5();
        let given = connect.keep_alive;
        let maximum = config.maximum_keep_alive;
        let server_keep_alive = is_v5 && maximum != 0 && (given == 0 || given > maximum);
        let (client_id, was_assigned) = if connect.client_id.is_empty() {
            (assigned.clone(), true)
        } else {
            (connect.client_id.detach(), false)
        };
        Self {
            version: connect.version,
            client_id,
            assigned: was_assigned,
            maximum_packet_size: match connect.maximum_packet_size {
                Some(size) => usize::try_from(size.get()).unwrap_or(usize::MAX),
                None => usize::MAX,
            },
            session_expiry: match (is_v5, connect.clean_start) {
                (true, _) => connect.session_expiry.unwrap_or(0),
                (false, true) => 0,
                (false, false) => u32::MAX,
            },
            receive_maximum: connect.receive_maximum.map_or(u16::MAX, core::num::NonZeroU16::get),
            keep_alive: if server_keep_alive { maximum } else { given },
            server_keep_alive,
        }
    }

    /// The CONNACK of an accepted client.
    pub(crate) fn connack(&self, config: &Config, session_present: bool, session_expiry: u32) -> ConnAck {
        let mut connack = ConnAck::new(ReasonCode::Success);
        connack.session_present = session_present;
        connack.session_expiry = (session_expiry != self.session_expiry).then_some(session_expiry);
        connack.receive_maximum = Some(config.receive_maximum);
        connack.maximum_packet_size = core::num::NonZeroU32::new(config.maximum_packet_size);
        connack.assigned_client_identifier = self.assigned.then(|| self.client_id.clone());
        connack.topic_alias_maximum = config.topic_alias_maximum;
        connack.retain_available = false;
        connack.shared_subscription_available = false;
        connack.server_keep_alive = self.server_keep_alive.then_some(self.keep_alive);
        connack
    }
}

/// Refuses what this server does not do.
pub(crate) fn check(connect: &Connect) -> Result<(), Error> {
    if connect.authentication_method.is_some() {
        return Err(Error::AuthenticationMethod);
    }
    if connect.client_id.is_empty() && !may_be_assigned(connect) {
        return Err(Error::NoClientId);
    }
    match &connect.will {
        Some(will) if will.retain && connect.version.is_v5() => Err(Error::WillRetain),
        Some(_) => Err(Error::WillNotAvailable),
        None => Ok(()),
    }
}

/// Whether a client may leave its id to the server: always in 5.0 [MQTT-3.1.3-6], in 3.1.1 only with Clean Session
/// [MQTT3-3.1.3-7], in 3.1 never.
fn may_be_assigned(connect: &Connect) -> bool {
    match connect.version {
        Version::V5 => true,
        Version::V3_1_1 => connect.clean_start,
        Version::V3_1 => false,
    }
}
