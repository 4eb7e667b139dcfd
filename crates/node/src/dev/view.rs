//! What the supervisor knows of its nodes, and what it says when that changes.
//!
//! ```text
//!                answers, serves                    no answer
//!   Starting ───────────────────► Serving ─────────────────────────► Silent   (stopped, or very busy)
//!      │   └─ answers ─► Unready ◄──┘ no leader, behind, …              │
//!      └────────────────────┴───────── process ended ───────────────────┴────► Down
//! ```

/// One node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// Its process runs and has not answered yet.
    Starting,
    /// It serves clients; `by_hand` if the process is not ours.
    Serving {
        /// Somebody else started it.
        by_hand: Option<u32>,
    },
    /// It answers and does not serve.
    Unready {
        /// Why, in words.
        why: String,
    },
    /// Its process is there and does not answer.
    Silent,
    /// It has no process that we know of.
    Down {
        /// How it ended.
        how: String,
    },
}

/// All nodes at one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Scene {
    /// By number, from 1.
    pub(crate) nodes: Vec<(String, View)>,
    /// Name and term of the leader, if there is one.
    pub(crate) leader: Option<(String, u64)>,
    /// The cluster's health as a sentence.
    pub(crate) health: String,
}

impl Scene {
    /// What is worth saying now that the scene is `self` and was `before`, a line each.
    pub(crate) fn changes(&self, before: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        for (place, (name, view)) in self.nodes.iter().enumerate() {
            let was = before.nodes.get(place).map(|(_, view)| view);
            if was == Some(view) {
                continue;
            }
            lines.extend(line(name, was, view));
        }
        // That nobody leads is a matter of health, and said there.
        if let Some((name, term)) = self.leader.as_ref().filter(|_| self.leader != before.leader) {
            lines.push(format!("{name} leads (term {term})"));
        }
        if self.health != before.health {
            lines.push(self.health.clone());
        }
        lines
    }
}

fn line(name: &str, was: Option<&View>, view: &View) -> Option<String> {
    match view {
        View::Starting => matches!(was, Some(View::Down { .. })).then(|| format!("{name} starts again")),
        View::Serving { by_hand: Some(pid) } => Some(format!("{name} serves (pid {pid}, started by hand)")),
        View::Serving { by_hand: None } => Some(format!("{name} serves")),
        // A node that has just started is on its way; only one that served and stopped is news.
        View::Unready { why } => matches!(was, Some(View::Serving { .. } | View::Silent))
            .then(|| format!("{name} does not serve: {why}")),
        View::Silent => Some(format!("{name} does not answer, but its process is there (stopped?)")),
        View::Down { how } => Some(format!("{name} is down: {how}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(views: &[View], leader: Option<(&str, u64)>, health: &str) -> Scene {
        let nodes =
            views.iter().enumerate().map(|(i, view)| (format!("node-{}", i + 1), view.clone())).collect();
        Scene { nodes, leader: leader.map(|(name, term)| (name.to_owned(), term)), health: health.to_owned() }
    }

    const SERVING: View = View::Serving { by_hand: None };

    #[test]
    fn a_start_is_told_in_order() {
        let starting = scene(&[View::Starting, View::Starting], None, "");
        assert_eq!(starting.changes(&Scene::default()), Vec::<String>::new());
        let unready = View::Unready { why: "no leader is heard".into() };
        let half = scene(&[SERVING, unready], Some(("node-1", 1)), "degraded: …");
        assert_eq!(half.changes(&starting), ["node-1 serves", "node-1 leads (term 1)", "degraded: …"]);
        let all = scene(&[SERVING, SERVING], Some(("node-1", 1)), "healthy: …");
        assert_eq!(all.changes(&half), ["node-2 serves", "healthy: …"]);
        assert_eq!(all.changes(&all), Vec::<String>::new());
    }

    #[test]
    fn a_death_and_a_return_by_hand() {
        let before = scene(&[SERVING, SERVING], Some(("node-2", 1)), "h");
        let dead = scene(&[SERVING, View::Down { how: "killed by SIGKILL".into() }], None, "h");
        assert_eq!(dead.changes(&before), ["node-2 is down: killed by SIGKILL"]);
        let back = scene(&[SERVING, View::Serving { by_hand: Some(77) }], Some(("node-1", 2)), "h");
        assert_eq!(back.changes(&dead), ["node-2 serves (pid 77, started by hand)", "node-1 leads (term 2)"]);
    }

    #[test]
    fn a_stopped_process_is_not_called_dead() {
        let before = scene(&[SERVING], None, "h");
        let silent = scene(&[View::Silent], None, "h");
        assert_eq!(silent.changes(&before), ["node-1 does not answer, but its process is there (stopped?)"]);
        assert_eq!(before.changes(&silent), ["node-1 serves"]);
        let unready = scene(&[View::Unready { why: "behind in applying the log".into() }], None, "h");
        assert_eq!(unready.changes(&before), ["node-1 does not serve: behind in applying the log"]);
    }
}
