//! What can happen, small enough that names and identifiers meet again and again.

use proptest::prelude::*;

/// One command, with its names still to be filled in from what the world knows.
#[derive(Clone, Debug)]
pub(crate) enum Step {
    NodeUp {
        node: u64,
        boot: u64,
    },
    NodeDown {
        node: u64,
        boot: u64,
    },
    Connect {
        node: u64,
        client: usize,
        clean: bool,
        expiry: u32,
        receive_maximum: u16,
        late: u64,
        principal: bool,
    },
    /// `whose` picks a connection the world has heard of, a dead one too.
    Disconnect {
        whose: usize,
        expiry: Option<u32>,
    },
    Publish {
        whose: usize,
        topic: usize,
        qos: u8,
        id: u16,
        expiry: Option<u32>,
        refuse: bool,
        retain: bool,
    },
    /// The answers a well-behaved client would give next, up to so many; each may be a refusal.
    Answer {
        whose: usize,
        most: usize,
        refuse: bool,
    },
    /// Any acknowledgement at all.
    Acknowledge {
        whose: usize,
        kind: u8,
        id: u16,
    },
    Subscribe {
        whose: usize,
        filters: Vec<(usize, u8, bool)>,
        identifier: u32,
    },
    Unsubscribe {
        whose: usize,
        filter: usize,
    },
    Wait {
        milliseconds: u64,
    },
    Configure {
        queue: u32,
        inflight: u16,
    },
    Vote {
        node: u64,
        back: u64,
        digest: u64,
    },
    Poisoned {
        whose: usize,
    },
    /// Replaces one copy by its frozen and thawed self.
    Thaw,
}

pub(crate) fn step() -> impl Strategy<Value = Step> {
    let expiry = prop_oneof![Just(0_u32), Just(1), Just(5), Just(u32::MAX)];
    let message_expiry = prop_oneof![4 => Just(None), 1 => Just(Some(0_u32)), 2 => Just(Some(2))];
    let late = prop_oneof![9 => Just(0_u64), 1 => 1_u64..12];
    let filters = prop::collection::vec((0_usize..6, 0_u8..3, any::<bool>()), 1..4);
    let whose = 0_usize..64;
    prop_oneof![
        2 => (1_u64..4, 1_u64..5).prop_map(|(node, boot)| Step::NodeUp { node, boot }),
        1 => (1_u64..4, 1_u64..5).prop_map(|(node, boot)| Step::NodeDown { node, boot }),
        6 => (1_u64..4, 0_usize..4, prop::bool::weighted(0.2), expiry.clone(), 1_u16..5, late, prop::bool::weighted(0.05))
            .prop_map(|(node, client, clean, expiry, receive_maximum, late, principal)| Step::Connect {
                node, client, clean, expiry, receive_maximum, late, principal,
            }),
        2 => (whose.clone(), prop::option::of(expiry)).prop_map(|(whose, expiry)| Step::Disconnect { whose, expiry }),
        10 => (whose.clone(), 0_usize..4, 1_u8..3, 1_u16..4, message_expiry, prop::bool::weighted(0.1), any::<bool>())
            .prop_map(|(whose, topic, qos, id, expiry, refuse, retain)| Step::Publish {
                whose, topic, qos, id, expiry, refuse, retain,
            }),
        10 => (whose.clone(), 1_usize..4, prop::bool::weighted(0.1))
            .prop_map(|(whose, most, refuse)| Step::Answer { whose, most, refuse }),
        3 => (whose.clone(), 0_u8..5, 1_u16..8).prop_map(|(whose, kind, id)| Step::Acknowledge { whose, kind, id }),
        5 => (whose.clone(), filters, 0_u32..3)
            .prop_map(|(whose, filters, identifier)| Step::Subscribe { whose, filters, identifier }),
        1 => (whose.clone(), 0_usize..6).prop_map(|(whose, filter)| Step::Unsubscribe { whose, filter }),
        3 => (0_u64..3_000).prop_map(|milliseconds| Step::Wait { milliseconds }),
        1 => (0_u32..6, 0_u16..4).prop_map(|(queue, inflight)| Step::Configure { queue, inflight }),
        1 => (1_u64..4, 0_u64..40, 0_u64..2).prop_map(|(node, back, digest)| Step::Vote { node, back, digest }),
        1 => whose.prop_map(|whose| Step::Poisoned { whose }),
        1 => Just(Step::Thaw),
    ]
}
