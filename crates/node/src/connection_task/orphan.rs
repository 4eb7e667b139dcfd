//! A client that went before its CONNECT was applied: the session it will be given must be let go of again.

use quartet_broker::{Command, ConnectionId, Disconnect, SessionSlot};

use super::Task;
use crate::front_end::FrontEnd;

/// A connection without a socket, whose CONNECT is on its way: waits to end the session it will be given.
pub(super) struct Orphan {
    pub(super) task: Task,
}

impl Orphan {
    pub(super) async fn wait(self) {
        let mut task = self.task;
        loop {
            if task.letters.is_empty() {
                task.mailbox.take(&mut task.letters);
            }
            while let Some(letter) = task.letters.pop_front() {
                task.open(letter);
            }
            if task.connection.is_over() || task.look_up {
                break;
            }
            task.mailbox.arrived().await;
        }
        task.front.mailboxes.remove(task.id.serial);
        if task.connection.is_over() {
            return;
        }
        // A snapshot may hold the CONNECT; if it does not, it comes later, as a stray.
        if let Some(session) = owned(&task).await {
            disconnect(&task.front, task.id, session);
            return;
        }
        task.mailbox.take(&mut task.letters);
        while let Some(letter) = task.letters.pop_front() {
            task.open(letter);
        }
    }
}

/// The session that this connection owns, as the state has it now.
async fn owned(task: &Task) -> Option<SessionSlot> {
    let client_id = task.connection.client_id()?.clone();
    let id = task.id;
    task.front
        .replica
        .inspect(move |broker| {
            let session = broker.session(client_id.as_str())?;
            (session.connection == Some(id)).then_some(session.slot)
        })
        .await
}

/// Lets go of a session that was given to a connection which is no more.
pub(crate) fn disconnect(front: &FrontEnd, connection: ConnectionId, session: SessionSlot) {
    let command = Disconnect { connection, session, session_expiry: None, will_due: true };
    front.replica.propose(&mut front.replica.room_for_end(), &Command::Disconnect(command));
}
