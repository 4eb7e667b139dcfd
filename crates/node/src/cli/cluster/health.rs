//! How the cluster is, in one line of words and one exit code.

use std::process::ExitCode;

use super::members::Member;
use crate::admin::wire::Role;

/// The verdict over all members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Health {
    /// Every member serves; so many voters may be lost.
    Healthy {
        /// Voters that may be lost.
        tolerates: usize,
    },
    /// Acknowledgements are given, and something is wrong.
    Degraded {
        /// What, in words.
        faults: Vec<String>,
        /// Voters that may still be lost.
        tolerates: usize,
    },
    /// Nothing is acknowledged.
    NoQuorum {
        /// Voters that must return.
        missing: usize,
    },
    /// Enough voters are there, and they have not agreed on a leader.
    NoLeader,
    /// Members wait for each other to form the cluster for the first time.
    Forming,
    /// Nobody answers.
    Unreachable,
}

impl Health {
    /// Judges members.
    pub(crate) fn of(members: &[Member]) -> Self {
        let answering = members.iter().filter(|member| member.status.is_ok()).count();
        if answering == 0 {
            return Self::Unreachable;
        }
        let voters: Vec<&Member> = members.iter().filter(|member| member.voter).collect();
        let majority = voters.len() / 2 + 1;
        let alive = voters.iter().filter(|member| member.status.is_ok()).count();
        let forming = |member: &Member| member.role().is_none_or(|role| role == Role::Forming);
        if members.iter().all(forming) {
            return Self::Forming;
        }
        if alive < majority {
            return Self::NoQuorum { missing: majority - alive };
        }
        if !members.iter().any(|member| member.role() == Some(Role::Leader)) {
            return Self::NoLeader;
        }
        let serving = voters.iter().filter(|member| member.serving()).count();
        let tolerates = serving.saturating_sub(majority);
        let faults: Vec<String> = members.iter().filter_map(Member::fault).collect();
        if faults.is_empty() { Self::Healthy { tolerates } } else { Self::Degraded { faults, tolerates } }
    }

    /// 0 healthy, 1 degraded, 2 when nothing is acknowledged or nobody answers.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Self::Healthy { .. } => 0,
            Self::Degraded { .. } => 1,
            Self::NoQuorum { .. } | Self::NoLeader | Self::Forming | Self::Unreachable => 2,
        }
    }

    /// The code for the process to exit with.
    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code())
    }

    /// One word for programs.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Healthy { .. } => "healthy",
            Self::Degraded { .. } => "degraded",
            Self::NoQuorum { .. } => "no-quorum",
            Self::NoLeader => "no-leader",
            Self::Forming => "forming",
            Self::Unreachable => "unreachable",
        }
    }

    /// One line for people.
    pub(crate) fn sentence(&self) -> String {
        match self {
            Self::Healthy { tolerates } => format!("healthy: tolerates the loss of {}", nodes(*tolerates)),
            Self::Degraded { faults, tolerates } => {
                format!("degraded: {}; tolerates the loss of {}", faults.join("; "), more(*tolerates))
            }
            Self::NoQuorum { missing } => {
                let verb = if *missing == 1 { "returns" } else { "return" };
                format!("no quorum: nothing is acknowledged until {} {verb}", more(*missing))
            }
            Self::NoLeader => {
                "no leader: nothing is acknowledged until one is elected, which takes about a second"
                    .to_owned()
            }
            Self::Forming => "forming: the nodes wait until all seeds answer for the first time".to_owned(),
            Self::Unreachable => "unreachable: no node answers".to_owned(),
        }
    }
}

fn nodes(count: usize) -> String {
    if count == 1 { "1 node".to_owned() } else { format!("{count} nodes") }
}

fn more(count: usize) -> String {
    if count == 1 { "1 more node".to_owned() } else { format!("{count} more nodes") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::cluster::members::tests::{down, member};

    fn said(members: &[Member]) -> (u8, String) {
        let health = Health::of(members);
        (health.code(), health.sentence())
    }

    #[test]
    fn healthy() {
        let three = [member(1, Role::Follower), member(2, Role::Leader), member(3, Role::Follower)];
        assert_eq!(said(&three), (0, "healthy: tolerates the loss of 1 node".into()));
        assert_eq!(said(&[member(1, Role::Leader)]), (0, "healthy: tolerates the loss of 0 nodes".into()));
        let mut five = vec![member(1, Role::Leader)];
        five.extend((2..=5).map(|number| member(number, Role::Follower)));
        assert_eq!(said(&five), (0, "healthy: tolerates the loss of 2 nodes".into()));
    }

    #[test]
    fn degraded_says_what_is_wrong_and_what_is_left() {
        let one_down = [member(1, Role::Follower), member(2, Role::Leader), down(3)];
        let said_of = said(&one_down);
        assert_eq!(
            said_of,
            (1, "degraded: node-3 does not answer; tolerates the loss of 0 more nodes".into())
        );
        let mut behind = member(3, Role::Follower);
        if let Ok(status) = &mut behind.status {
            status.serving = false;
            status.not_serving_reason = "behind in applying the log".into();
        }
        assert_eq!(
            said(&[member(1, Role::Follower), member(2, Role::Leader), behind]),
            (
                1,
                "degraded: node-3 does not serve (behind in applying the log); tolerates the loss of 0 more nodes"
                    .into()
            )
        );
    }

    #[test]
    fn a_dead_learner_degrades_without_costing_a_vote() {
        let mut learner = down(4);
        learner.voter = false;
        let members =
            [member(1, Role::Leader), member(2, Role::Follower), member(3, Role::Follower), learner];
        assert_eq!(
            said(&members),
            (1, "degraded: node-4 does not answer; tolerates the loss of 1 more node".into())
        );
    }

    #[test]
    fn nothing_is_acknowledged() {
        assert_eq!(
            said(&[member(1, Role::Candidate), down(2), down(3)]),
            (2, "no quorum: nothing is acknowledged until 1 more node returns".into())
        );
        let two_of_five = [member(1, Role::Follower), down(2), down(3), down(4), down(5)];
        assert_eq!(
            said(&two_of_five),
            (2, "no quorum: nothing is acknowledged until 2 more nodes return".into())
        );
        let electing = [member(1, Role::Follower), member(2, Role::Candidate), down(3)];
        assert_eq!(Health::of(&electing), Health::NoLeader);
        assert_eq!(Health::of(&[member(1, Role::Forming), down(2), down(3)]), Health::Forming);
        assert_eq!(said(&[down(1), down(2)]), (2, "unreachable: no node answers".into()));
    }
}
