//! Numbering, resending and room.

use std::time::Duration;

use quartet_broker::{AdvanceTime, Boot, ConnectionId, Disconnect, NodeId, SessionSlot};

use super::*;

const ORIGIN: Origin = Origin { node: NodeId(1), boot: Boot(4) };

fn window(bytes: usize) -> Arc<Window> {
    let window = Arc::new(Window::new(bytes, Arc::default()));
    window.begin(Some(ORIGIN));
    window
}

fn command(serial: u64) -> Command {
    let connection = ConnectionId { node: ORIGIN.node, boot: ORIGIN.boot, serial };
    Command::Disconnect(Disconnect {
        connection,
        session: SessionSlot(1),
        session_expiry: None,
        will_due: false,
    })
}

fn propose(window: &Arc<Window>, commands: u64) {
    let mut room = window.room_for_end();
    for serial in 0..commands {
        window.propose(&mut room, &command(serial));
    }
}

/// First numbers and counts of all that is to be sent.
fn unsent(window: &Window) -> Vec<(u64, u32)> {
    let parcels = std::iter::from_fn(|| window.take_unsent());
    parcels
        .map(|segment| {
            segment.check().unwrap();
            (segment.first.0, segment.count)
        })
        .collect()
}

#[test]
fn commands_are_numbered_once_and_sent_once() {
    let window = window(1 << 20);
    propose(&window, 3);
    assert_eq!(unsent(&window), [(1, 3)]);
    assert_eq!(unsent(&window), []);
    propose(&window, 2);
    assert_eq!(unsent(&window), [(4, 2)]);
}

#[test]
fn after_a_rewind_all_from_the_cursor_on_comes_again_under_its_old_number() {
    let window = window(1 << 20);
    propose(&window, 3);
    unsent(&window);
    propose(&window, 3);
    unsent(&window);
    window.passed(ORIGIN, Number(2));
    assert!(window.rewind());
    assert_eq!(unsent(&window), [(3, 1), (4, 3)]);
    window.passed(ORIGIN, Number(6));
    assert!(!window.rewind());
    assert_eq!(unsent(&window), []);
    assert_eq!(window.held(), (0, 0));
}

#[test]
fn what_was_applied_meanwhile_is_not_sent_again() {
    let window = window(1 << 20);
    propose(&window, 4);
    unsent(&window);
    window.rewind();
    window.passed(ORIGIN, Number(3));
    assert_eq!(unsent(&window), [(4, 1)]);
}

#[test]
fn a_resent_parcel_holds_the_very_commands() {
    let window = window(1 << 20);
    propose(&window, 3);
    let first: Vec<_> = window.take_unsent().unwrap().iter().map(Result::unwrap).collect();
    window.passed(ORIGIN, Number(1));
    window.rewind();
    let again: Vec<_> = window.take_unsent().unwrap().iter().map(Result::unwrap).collect();
    assert_eq!(again, first[1..]);
}

#[test]
fn a_new_boot_begins_at_one_and_drops_the_old() {
    let window = window(1 << 20);
    propose(&window, 3);
    window.begin(None);
    propose(&window, 1);
    assert_eq!(window.counters.proposed_for_dead_boot.get(), 1);
    let next = Origin { boot: Boot(5), ..ORIGIN };
    window.begin(Some(next));
    propose(&window, 1);
    assert_eq!(window.counters.proposed_for_dead_boot.get(), 2, "a connection of the old boot");
    assert_eq!(unsent(&window), []);
    window.passed(ORIGIN, Number(3));
    assert_eq!(window.held(), (0, 0), "the old boot's cursor means nothing here");
}

#[test]
fn commands_of_the_cluster_have_no_number() {
    let window = window(1 << 20);
    window.propose(&mut window.room_for_end(), &Command::AdvanceTime(AdvanceTime));
    assert_eq!(unsent(&window), []);
}

#[test]
fn many_commands_make_several_parcels() {
    let window = window(1 << 20);
    propose(&window, 2500);
    assert_eq!(unsent(&window), [(1, 1024), (1025, 1024), (2049, 452)]);
}

#[test]
fn stalled_only_while_something_sent_waits() {
    let window = window(1 << 20);
    assert_eq!(window.stalled_since(), None);
    propose(&window, 1);
    assert_eq!(window.stalled_since(), None, "not sent yet");
    unsent(&window);
    assert!(window.stalled_since().is_some());
    window.passed(ORIGIN, Number(1));
    assert_eq!(window.stalled_since(), None);
}

#[tokio::test]
async fn room_comes_back_only_when_the_commands_are_applied() {
    let window = window(64 << 10);
    let free = || (window.small.available(), window.large.available());
    let all = free();
    let mut room = window.room(1000).await;
    window.propose(&mut room, &command(1));
    drop(room);
    assert!(free() < all);
    unsent(&window);
    assert!(free() < all);
    window.passed(ORIGIN, Number(1));
    assert_eq!(free(), all);
}

#[tokio::test]
async fn a_full_window_makes_readers_wait_but_not_the_end_of_a_connection() {
    let window = window(512 << 10);
    let large = window.room(usize::MAX).await;
    assert_eq!(large.left(), 128 << 10, "what is too long gets all of its part");
    let mut small = Vec::new();
    while window.small.available() >= 60 << 10 {
        small.push(window.room((60 << 10) - COMMAND_COST).await);
    }
    let waiting = window.room((60 << 10) - COMMAND_COST);
    tokio::pin!(waiting);
    assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
    assert_eq!(window.counters.room_waits.get(), 1);
    let mut end = window.room_for_end();
    window.propose(&mut end, &command(1));
    assert_eq!(unsent(&window), [(1, 1)]);
    small.pop();
    waiting.await;
    drop((large, small, end));
    window.passed(ORIGIN, Number(1));
    assert_eq!(
        (window.small.available(), window.large.available()),
        (384 << 10, 128 << 10),
        "debts are paid"
    );
}
