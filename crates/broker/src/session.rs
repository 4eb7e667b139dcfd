//! A session: everything MQTT calls Session State (section 4.1), and who owns it now.
//!
//! ```text
//!                   CONNECT                    connection or its boot over
//!   (none) ───────────────────► attached ◄──────────────────────────────────► detached, until expires_at
//!                                  │                     CONNECT                      │
//!                                  │ Clean Start by a newcomer, or end                │ its time has come, or
//!                                  │ of a connection with expiry 0                    │ Clean Start
//!                                  └───────────────► ending ◄─────────────────────────┘
//!                                   let go of in bounded steps, matched and found by nobody
//! ```

pub(crate) mod filters;
pub(crate) mod inbound;
pub(crate) mod inflight;
pub(crate) mod outbound;
pub(crate) mod queue;

use quartet_packet::{Utf8String, Version};

use crate::digest::{Kind, Mixer, length};
use crate::{ConnectionId, LogIndex, Principal, Timestamp};
use filters::Filters;
use inbound::Inbound;
use outbound::Outbound;

/// The Session Expiry Interval that means never (MQTT 5.0, 3.1.2.11.2).
pub(crate) const NEVER: u32 = u32::MAX;

/// One client's session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Session {
    pub(crate) client_id: Utf8String,
    pub(crate) principal: Principal,
    pub(crate) version: Version,
    /// The owner. Its boot may be over already, while the left-over work has not come round to this session.
    pub(crate) connection: Option<ConnectionId>,
    /// Where the last CONNECT of this client id was applied.
    pub(crate) last_connect: LogIndex,
    /// Session Expiry Interval in force, in seconds.
    pub(crate) session_expiry: u32,
    /// While detached: when it ends. `None` while attached, or if it never expires.
    pub(crate) expires_at: Option<Timestamp>,
    /// It is over, and only being let go of.
    pub(crate) ending: bool,
    /// It has places and a queue, but an entry's drops of expired messages had run out.
    pub(crate) unpumped: bool,
    /// Messages not enqueued for it because of its limits.
    pub(crate) overflowed: u64,
    pub(crate) inbound: Inbound,
    pub(crate) outbound: Outbound,
    pub(crate) filters: Filters,
    /// Hash of what never changes: client id and principal.
    identity: u64,
}

impl Session {
    pub(crate) fn new(client_id: Utf8String, principal: Principal, version: Version, window: u16) -> Self {
        let identity = identity(&client_id, &principal);
        Self {
            client_id,
            principal,
            version,
            connection: None,
            last_connect: LogIndex(0),
            session_expiry: 0,
            expires_at: None,
            ending: false,
            unpumped: false,
            overflowed: 0,
            inbound: Inbound::default(),
            outbound: Outbound::new(window),
            filters: Filters::default(),
            identity,
        }
    }

    /// Whether its time has come.
    pub(crate) fn expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// Nothing is left in it that others count.
    pub(crate) fn is_shed(&self) -> bool {
        self.filters.len() == 0 && self.outbound.queue().is_empty() && self.outbound.inflight().is_empty()
    }

    pub(crate) fn digest(&self) -> u64 {
        self.seal(self.identity, self.inbound.digest(), self.outbound.digest(), self.filters.digest())
    }

    pub(crate) fn recompute_digest(&self) -> u64 {
        self.seal(
            identity(&self.client_id, &self.principal),
            self.inbound.recompute_digest(),
            self.outbound.recompute_digest(),
            self.filters.recompute_digest(),
        )
    }

    fn seal(&self, identity: u64, inbound: u64, outbound: u64, filters: u64) -> u64 {
        let mixer = Mixer::new(Kind::Session)
            .word(identity)
            .word(u64::from(self.version.level()))
            .word(self.last_connect.0)
            .word(u64::from(self.session_expiry))
            .optional(self.expires_at.map(|at| at.0))
            .flag(self.ending)
            .flag(self.unpumped)
            .word(self.overflowed)
            .word(inbound)
            .word(outbound)
            .word(filters)
            .word(length(self.filters.len()));
        match self.connection {
            Some(ConnectionId { node, boot, serial }) => {
                mixer.word(1).word(node.0).word(boot.0).word(serial).finish()
            }
            None => mixer.word(0).finish(),
        }
    }
}

fn identity(client_id: &Utf8String, principal: &Principal) -> u64 {
    Mixer::new(Kind::Identity).bytes(client_id.as_bytes()).bytes(principal.0.as_bytes()).finish()
}
