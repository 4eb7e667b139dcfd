//! Bounds in which each sin shows, kept as small as they can be: a search in breadth then gives the shortest way.

use quartet_packet::QoS;

use crate::model::Bounds;
use crate::sin::Sin;

/// The bounds to look for a sin in; `None` where the model has nothing that it could break.
#[must_use]
pub fn bounds_for(sin: Sin) -> Option<Bounds> {
    let none = Bounds {
        messages: 1,
        window: 1,
        qos: QoS::ExactlyOnce,
        publisher_cuts: 0,
        subscriber_cuts: 0,
        restarts: 0,
        downs: 0,
        snapshots: 0,
        eager: false,
        repeats: 0,
    };
    match sin {
        Sin::PubAckBeforeCommit => Some(Bounds { qos: QoS::AtLeastOnce, restarts: 1, ..none }),
        Sin::PubRecBeforeCommit | Sin::BootNotDurable => Some(Bounds { restarts: 1, ..none }),
        Sin::PubCompBeforeCommit => Some(Bounds { messages: 2, publisher_cuts: 1, ..none }),
        Sin::PubRelBeforeCommit => Some(Bounds { subscriber_cuts: 1, ..none }),
        Sin::PacketIdsOfFrontEnd => Some(Bounds { messages: 2, subscriber_cuts: 1, ..none }),
        Sin::RetriedWithoutNumber | Sin::RepeatsAccepted => Some(Bounds { repeats: 1, ..none }),
        Sin::GapsAccepted => Some(Bounds { repeats: 1, messages: 2, ..none }),
        Sin::WindowForgetsDead | Sin::NoFencing => Some(Bounds { messages: 2, publisher_cuts: 1, ..none }),
        Sin::OwnEndIgnored => Some(Bounds { downs: 1, ..none }),
        Sin::BootsIgnored => Some(Bounds { downs: 1, repeats: 2, ..none }),
        Sin::BootsForgotten | Sin::BootsReopened => Some(Bounds { downs: 1, repeats: 1, ..none }),
        Sin::NoReadAt | Sin::ProposedBeforeConnAck | Sin::PeerCloseIgnored => {
            Some(Bounds { publisher_cuts: 1, eager: true, ..none })
        }
        Sin::SnapshotKeepsConnections => Some(Bounds { snapshots: 1, ..none }),
        // Refusals, new subscriptions, checkpoints that differ from the log, and expiry are the simulation's.
        Sin::SubAckBeforeCommit | Sin::RefusedByFrontEnd | Sin::CursorForgotten | Sin::EarlierBootsKept => {
            None
        }
    }
}

/// Bounds in which a sin shows in what an application sees, where [`bounds_for`] only has somebody wait.
#[must_use]
pub fn bounds_for_harm(sin: Sin) -> Option<Bounds> {
    let bounds = bounds_for(sin)?;
    Some(match sin {
        // The second message overtakes the first, which is sent again.
        Sin::GapsAccepted => Bounds { window: 2, publisher_cuts: 1, ..bounds },
        Sin::PubAckBeforeCommit
        | Sin::PubRecBeforeCommit
        | Sin::PubCompBeforeCommit
        | Sin::SubAckBeforeCommit
        | Sin::PubRelBeforeCommit
        | Sin::PacketIdsOfFrontEnd
        | Sin::RefusedByFrontEnd
        | Sin::RetriedWithoutNumber
        | Sin::WindowForgetsDead
        | Sin::RepeatsAccepted
        | Sin::CursorForgotten
        | Sin::BootNotDurable
        | Sin::OwnEndIgnored
        | Sin::BootsIgnored
        | Sin::BootsForgotten
        | Sin::BootsReopened
        | Sin::EarlierBootsKept
        | Sin::NoFencing
        | Sin::NoReadAt
        | Sin::ProposedBeforeConnAck
        | Sin::PeerCloseIgnored
        | Sin::SnapshotKeepsConnections => bounds,
    })
}
