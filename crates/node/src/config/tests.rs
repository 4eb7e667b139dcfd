//! What is said about good and bad configurations, word by word.

use std::path::Path;
use std::time::Duration;

use super::units::ByteSize;
use super::{Config, Overrides};

const GOOD: &str = r#"[node]
name = "node-1"
data_dir = "data"

[[listener]]
address = "127.0.0.1:1884"

[cluster]
address = "127.0.0.1:2884"
seeds = ["node-1=127.0.0.1:2884", "node-2=127.0.0.1:2885", "node-3=127.0.0.1:2886"]
"#;

fn read(text: &str) -> Result<Config, String> {
    read_over(text, &[], &[])
}

fn read_over(text: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Config, String> {
    let overrides = Overrides {
        environment: environment.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
    };
    Config::read(Path::new("dir/q.toml"), text, overrides).map_err(|error| error.to_string())
}

/// The one error of `GOOD` with `from` replaced by `to`.
fn broken(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "the good file has no {from:?}");
    read(&GOOD.replacen(from, to, 1)).expect_err("it should be refused")
}

/// The one error of `GOOD` with `more` at its end.
fn with(more: &str) -> String {
    read(&format!("{GOOD}{more}\n")).expect_err("it should be refused")
}

#[test]
fn a_small_file_is_enough() {
    let config = read(GOOD).expect("good");
    assert_eq!(config.node.name, "node-1");
    assert_eq!(config.node.data_dir, Path::new("dir/data"), "relative to the file");
    assert_eq!(config.listeners[0].address.port(), 1884);
    assert_eq!(config.cluster.seeds[2].address, "127.0.0.1:2886");
    assert_eq!(config.cluster.heartbeat_interval.0, Duration::from_millis(250));
    assert_eq!(config.limits.maximum_packet_size, ByteSize::mib(1));
    assert_eq!(config.settings, quartet_broker::Settings::default());
}

#[test]
fn defaults_file_environment_flags() {
    let file =
        format!("{GOOD}[limits]\nreceive_maximum = 1\nconnect_timeout = \"1s\"\nwrite_timeout = \"1s\"\n");
    let environment = [("QUARTET__LIMITS__CONNECT_TIMEOUT", "2s"), ("QUARTET__LIMITS__WRITE_TIMEOUT", "2s")];
    let config = read_over(&file, &environment, &["limits.write_timeout=3s"]).expect("good");
    assert_eq!(config.limits.maximum_connections, 10_000, "default");
    assert_eq!(config.limits.receive_maximum, 1, "file over default");
    assert_eq!(config.limits.connect_timeout.0, Duration::from_secs(2), "environment over file");
    assert_eq!(config.limits.write_timeout.0, Duration::from_secs(3), "flag over environment");
}

#[test]
fn lists_and_listeners_from_outside_the_file() {
    let environment = [
        ("QUARTET__CLUSTER__SEEDS", "node-1=127.0.0.1:2884, b=host-b:1"),
        ("QUARTET__LISTENER__1__ADDRESS", "127.0.0.1:9"),
    ];
    let config = read_over(GOOD, &environment, &[]).expect("good");
    assert_eq!(config.cluster.seeds[1].address, "host-b:1");
    assert_eq!(config.listeners[1].address.port(), 9);
}

#[test]
fn unknown_keys_and_sections() {
    for (more, said) in [
        (
            "[limits]\nmaximum_paket_size = \"1 KiB\"",
            "dir/q.toml:12:1: unknown key limits.maximum_paket_size; did you mean maximum_packet_size? (write \
             limits.maximum_packet_size = …)",
        ),
        ("[limts]\nreceive_maximum = 3", "dir/q.toml:11:2: unknown section limts; did you mean limits?"),
        (
            "[bridge]",
            "dir/q.toml:11:2: unknown section bridge; the sections are cluster, limits, listener, log, node, settings",
        ),
        (
            "[log]\npassword_file = \"x\"",
            "dir/q.toml:12:1: unknown key log.password_file; the keys of [log] are format, level",
        ),
        ("[[log]]\nlevel = \"info\"", "dir/q.toml:11:1: [[log]] is wrong here; there is one section [log]"),
    ] {
        assert_eq!(with(more), said);
    }
    assert_eq!(
        broken("[[listener]]", "[listener]").lines().last().unwrap_or_default(),
        "dir/q.toml:6:1: listener.address stands under [listener]; there may be several, so write [[listener]]"
    );
    assert_eq!(
        read(&format!("receive_maximum = 3\n{GOOD}")).expect_err("bad"),
        "dir/q.toml:1:1: unknown key receive_maximum; receive_maximum belongs under [limits]"
    );
    assert_eq!(
        read_over(GOOD, &[("QUARTET__LOG__LEVLE", "info")], &[]).expect_err("bad"),
        "environment variable QUARTET__LOG__LEVLE: unknown key log.levle; did you mean level? (write log.level = …)"
    );
    assert_eq!(
        read_over(GOOD, &[], &["limits.recieve_maximum=3"]).expect_err("bad"),
        "--set limits.recieve_maximum=3: unknown key limits.recieve_maximum; did you mean receive_maximum? (write \
         limits.receive_maximum = …)"
    );
}

#[test]
fn values_that_do_not_read() {
    for (more, said) in [
        (
            "[limits]\nmaximum_packet_size = \"256 KX\"",
            "dir/q.toml:12:23: limits.maximum_packet_size = \"256 KX\": unknown unit \"KX\"; write a whole number and \
             B, KB, MB, GB, KiB, MiB or GiB, as \"256 KiB\"",
        ),
        (
            "[limits]\nconnect_timeout = 10",
            "dir/q.toml:12:19: limits.connect_timeout = 10: the unit is missing; write a whole number and ms, s, min, \
             h or d, as \"10s\"",
        ),
        (
            "[limits]\nreceive_maximum = 70000",
            "dir/q.toml:12:19: limits.receive_maximum = 70000; write a whole number from 0 to 65535",
        ),
        (
            "[limits]\nreceive_maximum = 0",
            "dir/q.toml:12:19: limits.receive_maximum = 0: the standard forbids 0; write 1 to 65535",
        ),
        (
            "[log]\nlevel = \"inf\"",
            "dir/q.toml:12:9: log.level = \"inf\": did you mean \"info\"?; write one of error, warn, info, debug, trace",
        ),
        ("[log]\nformat = 3.5", "dir/q.toml:12:10: log.format = 3.5; write text or json"),
    ] {
        assert_eq!(with(more), said);
    }
    assert_eq!(
        broken("\"127.0.0.1:1884\"", "\"localhost\""),
        "dir/q.toml:6:11: listener.0.address = \"localhost\"; write an IP address and a port, as \"127.0.0.1:1884\" or \
         \"[::1]:1884\""
    );
    assert_eq!(
        broken("\"node-2=127.0.0.1:2885\"", "\"127.0.0.1:2885\""),
        "dir/q.toml:10:9: cluster.seeds: entry 2 is \"127.0.0.1:2885\"; write each node as \"name=host:port\""
    );
}

#[test]
fn what_is_missing() {
    assert_eq!(
        broken("name = \"node-1\"\n", ""),
        "dir/q.toml:1:2: node.name is missing; write name = \"node-1\" under [node]"
    );
    assert_eq!(
        broken("[[listener]]\naddress = \"127.0.0.1:1884\"\n", ""),
        "there is no listener, so no client could connect; write [[listener]] and address = \"127.0.0.1:1883\""
    );
}

#[test]
fn rules_between_settings() {
    for (from, to, said) in [
        (
            "\"127.0.0.1:1884\"",
            "\"0.0.0.0:1884\"",
            "dir/q.toml:6:11: listener.0.address = \"0.0.0.0:1884\" listens beyond this machine, without encryption or \
             passwords; use 127.0.0.1:1884, or allow it with --insecure or insecure = true under [node]",
        ),
        (
            "\"127.0.0.1:1884\"",
            "\"127.0.0.1:2884\"",
            "dir/q.toml:6:11: listener.0.address = \"127.0.0.1:2884\" is the port of cluster.address too; give each \
             its own",
        ),
        (
            "name = \"node-1\"",
            "name = \"node-9\"",
            "dir/q.toml:10:9: cluster.seeds does not name this node, \"node-9\" (it names node-1, node-2, node-3); \
             every node's list holds all first members: add \"node-9=127.0.0.1:2884\" or mend node.name",
        ),
        (
            "address = \"127.0.0.1:2884\"",
            "address = \"127.0.0.1:2999\"",
            "dir/q.toml:10:9: cluster.seeds says that node-1 listens at 127.0.0.1:2884, but cluster.address is \
             \"127.0.0.1:2999\"; make them the same",
        ),
        (
            "\"node-2=127.0.0.1:2885\"",
            "\"node-1=127.0.0.1:2885\"",
            "dir/q.toml:10:9: cluster.seeds has node-1 twice; each node has its own name and address",
        ),
    ] {
        assert_eq!(broken(from, to), said);
    }
    for (more, said) in [
        (
            "[limits]\nmaximum_packet_size = \"2 MiB\"",
            "dir/q.toml:12:23: limits.maximum_packet_size = \"2 MiB\" and 128 KiB around it do not fit a batch \
             (cluster.maximum_batch_size, 2 MiB); lower it or raise the batch",
        ),
        (
            "maximum_batch_size = \"16 MiB\"",
            "dir/q.toml:11:22: cluster.maximum_batch_size = \"16 MiB\" and 64 KiB around it do not fit a message \
             between nodes (cluster.maximum_message_size, 16 MiB); lower it or raise the message",
        ),
        (
            "heartbeat_interval = \"300ms\"",
            "cluster.election_timeout_minimum = \"500 ms\" is less than two heartbeats (300 ms): one late heartbeat \
             would start an election; raise it or lower heartbeat_interval",
        ),
        (
            "node_down_after = \"2s\"",
            "dir/q.toml:11:19: cluster.node_down_after = \"2 s\" is less than 10 s: a stalled disk would count as a \
             dead node; raise it",
        ),
    ] {
        assert_eq!(with(more), said);
    }
}

#[test]
fn insecure_allows_other_addresses() {
    let text = GOOD.replace("\"127.0.0.1:1884\"", "\"0.0.0.0:1884\"");
    assert!(read_over(&text, &[], &["node.insecure=true"]).is_ok());
    assert!(read(&text).is_err());
}

#[test]
fn every_fault_is_said_at_once_in_the_order_of_the_file() {
    let said = with("[limits]\nreceive_maximum = 0\n[log]\nlevle = \"info\"\nformat = \"xml\"");
    let places: Vec<&str> = said.lines().map(|line| line.split(": ").next().unwrap_or_default()).collect();
    assert_eq!(places, ["dir/q.toml:12:19", "dir/q.toml:14:1", "dir/q.toml:15:10"]);
}

#[test]
fn a_file_that_is_not_there() {
    let error =
        Config::load(Path::new("/nowhere/q.toml"), Overrides::default()).expect_err("absent").to_string();
    assert_eq!(
        error,
        "/nowhere/q.toml: the configuration cannot be read: No such file or directory (os error 2); name a readable \
         file with --config FILE"
    );
}

#[test]
fn print_reads_back_and_names_origins() {
    let config = read_over(GOOD, &[], &["log.level=debug"]).expect("good");
    let printed = config.to_string();
    assert!(printed.contains("# --set log.level=debug"), "{printed}");
    assert!(printed.contains("[[listener]]\naddress = \"127.0.0.1:1884\""), "{printed}");
    let again = read(&printed).expect("what is printed is a configuration");
    assert_eq!((again.node, again.listeners), (config.node, config.listeners));
    assert_eq!((again.cluster, again.limits, again.log), (config.cluster, config.limits, config.log));
}
