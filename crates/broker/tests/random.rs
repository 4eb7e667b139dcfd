//! Random commands: whatever comes, in whatever order, from whomever, every invariant holds after every entry; two
//! copies of the state do the same; a copy that was frozen and thawed goes on as the original; the routes and the message
//! store that follow the effects are what the state says they are. `PROPTEST_CASES=10000` looks longer.

#[path = "random/steps.rs"]
mod steps;
#[path = "random/world.rs"]
mod world;

use proptest::prelude::*;
use steps::step;
use world::World;

proptest! {
    #[test]
    fn every_invariant_holds_after_every_entry(
        entries in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..120),
        work_per_entry in 0_u32..6,
    ) {
        let mut world = World::new(work_per_entry);
        for entry in entries {
            world.entry(&entry)?;
        }
        world.drain()?;
    }
}
