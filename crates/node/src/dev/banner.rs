//! The lines one copies: what to type in the next terminal.

use std::fmt::Write as _;
use std::io::Write as _;

use super::Options;
use super::plan::Plan;
use super::supervisor::Node;
use crate::cli::style::{FAINT, STRONG, WARNING};
use crate::cli::words;

/// Prints it.
pub(crate) fn print(plan: Plan, options: &Options, nodes: &[Node]) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    out.write_all(text(plan, options, nodes, &program())?.as_bytes())?;
    out.flush()?;
    Ok(())
}

/// This program as it was called, so that a copied line finds it.
pub(crate) fn program() -> String {
    std::env::args().next().filter(|name| !name.is_empty()).unwrap_or_else(|| "quartet".to_owned())
}

fn text(plan: Plan, options: &Options, nodes: &[Node], program: &str) -> Result<String, std::fmt::Error> {
    let dir = quoted(&options.dir.display().to_string());
    let port = plan.port;
    let count = words::count(plan.nodes.into(), "node");
    let mut text = String::new();
    writeln!(text, "{STRONG}quartet dev{STRONG:#}: {count}, data kept in {dir} (remove it to start over)\n")?;
    writeln!(
        text,
        "  clients   {STRONG}{}{STRONG:#}  each connection goes to the next live node",
        plan.balancer()
    )?;
    for node in nodes {
        writeln!(text, "  {:<8}  {}  {FAINT}gRPC {}{FAINT:#}", node.name, node.listener, node.cluster)?;
    }
    // The last node, so that the copied line does not always kill the first leader.
    let victim = format!("{dir}/node-{}", plan.nodes);
    writeln!(text, "\n  in another terminal:")?;
    for (about, line) in [
        ("subscribe", format!("{program} sub -p {port} -i alice -c -q 2 -t 'demo/#'")),
        ("publish", format!("{program} pub -p {port} -q 2 -t demo/hello -m hello")),
        ("status", format!("{program} cluster status --dir {dir}")),
        ("a session", format!("{program} session show alice --dir {dir}")),
        ("kill one", format!("kill -9 $(cat {victim}/pid)")),
        ("bring back", format!("{program} server --config {victim}/quartet.toml")),
    ] {
        writeln!(text, "    {FAINT}{about:<11}{FAINT:#}{line}")?;
    }
    let fate = match options.respawn_after {
        None => "A killed node stays dead until it is brought back.".to_owned(),
        Some(after) => {
            let milliseconds = u64::try_from(after.as_millis()).unwrap_or(u64::MAX);
            format!("A killed node is started again after {}.", words::span(milliseconds))
        }
    };
    writeln!(text, "\n  {fate} Ctrl-C ends all nodes and keeps their data.")?;
    if let Some(first) = plan.overlaps_outgoing() {
        writeln!(
            text,
            "  {WARNING}Ports from {first} are also used for outgoing connections: a node may find its own taken. Choose \
             a lower --port.{WARNING:#}"
        )?;
    }
    writeln!(text, "  {FAINT}No passwords, no encryption: it listens on this machine only.{FAINT:#}\n")?;
    Ok(text)
}

/// A path as a shell takes it.
fn quoted(path: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':' | '@');
    if !path.is_empty() && path.chars().all(plain) {
        path.to_owned()
    } else {
        format!("'{}'", path.replace('\'', "'\\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_shell() {
        assert_eq!(quoted("./quartet-dev"), "./quartet-dev");
        assert_eq!(quoted("my dir"), "'my dir'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
    }
}
