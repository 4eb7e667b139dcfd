//! The model check within small bounds, one kind of fault at a time, and every planted bug with its shortest way.
//!
//! Larger bounds: `cargo run --release -p quartet-sim -- model …`; what was measured is in `MODEL.md`.

use quartet_packet::QoS;
use quartet_sim::Sin;
use quartet_sim::model::{Bounds, Handshakes, bounds_for, check, counterexample};

const NONE: Bounds = Bounds {
    messages: 2,
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

#[test]
fn nothing_is_found_within_small_bounds() {
    let one = Bounds { messages: 1, ..NONE };
    let all = [
        Bounds { publisher_cuts: 1, ..NONE },
        Bounds { subscriber_cuts: 1, ..NONE },
        Bounds { downs: 1, ..NONE },
        Bounds { publisher_cuts: 1, eager: true, ..one },
        Bounds { restarts: 1, ..one },
        Bounds { snapshots: 1, ..one },
        Bounds { publisher_cuts: 1, qos: QoS::AtLeastOnce, ..NONE },
        Bounds { publisher_cuts: 1, window: 2, ..NONE },
    ];
    // In the long tests larger ones too, some minutes.
    let larger = [
        Bounds { restarts: 1, ..NONE },
        Bounds { snapshots: 1, ..NONE },
        Bounds { messages: 3, window: 2, publisher_cuts: 1, eager: true, ..NONE },
        Bounds { publisher_cuts: 2, eager: true, ..one },
    ];
    let is_long = std::env::var_os("QUARTET_LONG").is_some();
    for bounds in all.into_iter().chain(larger.into_iter().filter(|_| is_long)) {
        match check(bounds, 2, 0) {
            Ok(counts) => {
                assert!(counts.complete, "{bounds:?}: {counts:?}");
                eprintln!(
                    "{bounds:?}: {} states, {} deep, {:.1?}",
                    counts.states, counts.depth, counts.elapsed
                );
            }
            Err(found) => panic!("{bounds:?}: {}\n{}", found.property, found.steps.join("\n")),
        }
    }
}

#[test]
fn every_sin_has_a_counterexample() {
    for sin in Sin::ALL.into_iter().filter(|sin| sin.possible()) {
        let Some(bounds) = bounds_for(sin) else { continue };
        match counterexample(Handshakes::new(bounds, Some(sin)), 0) {
            (Some(found), _) => eprintln!("{sin:?}: {} in {} steps", found.property, found.steps.len()),
            (None, counts) => panic!("{sin:?} was not found within {bounds:?}: {counts:?}"),
        }
    }
}
