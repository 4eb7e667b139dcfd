//! Bytes that no client should send: each closes its own connection, with the reason that the standard names
//! (or without one), has no effect, and disturbs nobody else.
//!
//! The cases are a table: what is wrong, in which versions, the bytes, and the codes that may be said. They
//! are tried on all nodes in turn; all that go wrong are told together.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Result, ensure};
use quartet_tests::{AckKind, Brokers, Client, Connect, Event, Packet, Version, Will, frame, story, unique};
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(180);

const MALFORMED: u8 = 0x81;
const PROTOCOL_ERROR: u8 = 0x82;
const EITHER: &[u8] = &[MALFORMED, PROTOCOL_ERROR];

const BOTH: &[Version] = &quartet_tests::BOTH;
const V311: &[Version] = &[Version::V311];
const V5: &[Version] = &[Version::V5];

/// One thing that is wrong.
struct Case {
    what: String,
    bytes: Vec<u8>,
    /// Codes that may be said with 5.0; saying none passes too.
    codes: &'static [u8],
}

fn case(what: impl Into<String>, bytes: Vec<u8>, codes: &'static [u8]) -> Case {
    Case { what: what.into(), bytes, codes }
}

/// Strings that must be refused wherever a string stands `[MQTT-1.5.4-1]` `[MQTT-1.5.4-2]`.
const BAD_STRINGS: [(&str, &[u8]); 9] = [
    ("a lone continuation byte", b"a\x80b"),
    ("an overlong NUL", b"a\xc0\x80b"),
    ("an overlong slash", b"a\xe0\x80\xafb"),
    ("a code point above U+10FFFF", b"a\xf5\x80\x80\x80b"),
    ("a sequence cut short at the end", b"ab\xe2\x82"),
    ("a high surrogate", b"a\xed\xa0\x80b"),
    ("a low surrogate", b"a\xed\xbf\xbfb"),
    ("U+0000", b"a\0b"),
    ("U+0000 alone", b"\0"),
];

/// What a connected client may not send.
fn after_connect(version: Version) -> Vec<Case> {
    let v5 = version.is_v5();
    let no_properties: &[u8] = if v5 { &[0] } else { &[] };
    let id = [0, 7];
    let mut cases = Vec::new();
    for (what, string) in BAD_STRINGS {
        let filter = [&id[..], no_properties, &frame::field(string)].concat();
        cases.push(case(
            format!("topic with {what}"),
            frame::publish(version, string, "x", 1, Some(7), false),
            EITHER,
        ));
        cases.push(case(
            format!("filter with {what}"),
            frame::packet(0x82, &[&filter[..], &[1]].concat()),
            EITHER,
        ));
        cases.push(case(format!("UNSUBSCRIBE with {what}"), frame::packet(0xa2, &filter), EITHER));
    }
    // The fixed header: each type's flags [MQTT-2.1.3-1], lengths [MQTT-1.5.5-1].
    let bodies: [(u8, Vec<u8>); 8] = [
        (0x40, id.to_vec()),
        (0x50, id.to_vec()),
        (0x62, id.to_vec()),
        (0x70, id.to_vec()),
        (0x82, [&id[..], no_properties, &frame::field("a"), &[1]].concat()),
        (0xa2, [&id[..], no_properties, &frame::field("a")].concat()),
        (0xc0, Vec::new()),
        (0xe0, Vec::new()),
    ];
    for (first, body) in &bodies {
        for flags in 0..16 {
            if flags != first & 0x0f {
                let what = format!("flags {flags:x} in a packet {first:02x}");
                cases.push(case(what, frame::packet(first & 0xf0 | flags, body), EITHER));
            }
        }
        let five = [&[*first, 0xff, 0xff, 0xff, 0xff, 0x7f][..], body].concat();
        cases.push(case(format!("a Remaining Length of five bytes in {first:02x}"), five, EITHER));
        let longer = [&body[..], &[0xaa, 0xbb, 0xcc, 0xdd]].concat();
        if !(v5 && *first == 0xe0) {
            cases.push(case(
                format!("bytes after the end of {first:02x}"),
                frame::packet(*first, &longer),
                EITHER,
            ));
        }
        if body.len() > 1 {
            let shorter = &body[..body.len() - 1];
            // Without its last byte a SUBSCRIBE has no options, the others lose a field's end.
            cases.push(case(format!("{first:02x} cut short"), frame::packet(*first, shorter), EITHER));
        }
    }
    let endless = vec![0x30, 0xff, 0xff, 0xff, 0x7f];
    cases.push(case("256 MB announced", endless, &[MALFORMED, PROTOCOL_ERROR, 0x95]));
    for (what, first) in [
        ("CONNACK", 0x20),
        ("SUBACK", 0x90),
        ("UNSUBACK", 0xb0),
        ("PINGRESP", 0xd0),
        ("type 0", 0x00),
        ("type 15 without a method", 0xf0),
    ] {
        let body: &[u8] = if matches!(first, 0xd0 | 0xf0) { &[] } else { &[0, 7, 0] };
        cases.push(case(format!("{what} from a client"), frame::packet(first, body), EITHER));
    }
    cases.push(case(
        "a second CONNECT",
        Connect::clean(version, unique("second")).bytes(),
        &[PROTOCOL_ERROR],
    ));
    // PUBLISH
    let publish = |qos, dup| frame::publish(version, "t", "x", qos, (qos > 0).then_some(7), dup);
    cases.push(case("QoS 3 [MQTT-3.3.1-4]", publish(3, false), EITHER));
    cases.push(case("QoS 3 with DUP", publish(3, true), EITHER));
    cases.push(case("QoS 0 with DUP [MQTT-3.3.1-2]", publish(0, true), EITHER));
    for qos in [1, 2] {
        let zero = frame::publish(version, "t", "x", qos, Some(0), false);
        cases.push(case(format!("packet identifier 0 at QoS {qos} [MQTT-2.2.1-3]"), zero, EITHER));
    }
    for topic in ["a/+", "a/#", "#", "+", "a+b"] {
        let bytes = frame::publish(version, topic, "x", 0, None, false);
        cases.push(case(
            format!("topic `{topic}` [MQTT-3.3.2-2]"),
            bytes,
            &[MALFORMED, PROTOCOL_ERROR, 0x90],
        ));
    }
    let empty = frame::publish(version, "", "x", 0, None, false);
    cases.push(case("an empty topic [MQTT-4.7.3-1]", empty, &[MALFORMED, PROTOCOL_ERROR, 0x90]));
    cases.push(case("a topic longer than the packet", frame::packet(0x30, &[0xff, 0xff, b'a']), EITHER));
    cases.push(case("a PUBLISH without a body", frame::packet(0x30, &[]), EITHER));
    cases.push(case("a PUBLISH without its identifier", frame::packet(0x32, &frame::field("t")), EITHER));
    // SUBSCRIBE and UNSUBSCRIBE
    let head = [&id[..], no_properties].concat();
    cases.push(case("SUBSCRIBE without a filter [MQTT-3.8.3-2]", frame::packet(0x82, &head), EITHER));
    cases.push(case("UNSUBSCRIBE without a filter [MQTT-3.10.3-2]", frame::packet(0xa2, &head), EITHER));
    cases.push(case("SUBSCRIBE without a body", frame::packet(0x82, &[]), EITHER));
    cases.push(case("SUBSCRIBE with identifier 0", frame::subscribe(version, 0, &[("a", 1)]), EITHER));
    cases.push(case("UNSUBSCRIBE with identifier 0", frame::unsubscribe(version, 0, &["a"]), EITHER));
    for options in if v5 { [0x03, 0x40, 0x80, 0x30] } else { [0x03, 0x04, 0x80, 0xfc] } {
        let bytes = frame::subscribe(version, 7, &[("a", options)]);
        cases.push(case(format!("subscription options {options:02x} [MQTT-3.8.3-5]"), bytes, EITHER));
    }
    cases.extend(if v5 { after_connect_v5() } else { after_connect_v311() });
    cases
}

fn after_connect_v311() -> Vec<Case> {
    vec![
        case("PUBACK of three bytes", frame::packet(0x40, &[0, 7, 0]), &[]),
        case("PUBREL of four bytes", frame::packet(0x62, &[0, 7, 0, 0]), &[]),
        case("DISCONNECT with a reason", frame::packet(0xe0, &[0]), &[]),
        case("PINGREQ with a body", frame::packet(0xc0, &[0]), &[]),
    ]
}

fn after_connect_v5() -> Vec<Case> {
    let publish =
        |properties: &[u8]| frame::publish_with(Version::V5, "t", "x", 1, Some(7), false, false, properties);
    let raw_properties = |block: &[u8]| frame::packet(0x30, &[&frame::field("t")[..], block].concat());
    let twice = |property: &[u8]| publish(&property.repeat(2));
    let subscribe = |properties: &[u8]| frame::subscribe_with(Version::V5, 7, &[("a", 1)], properties);
    let string = |id: u8, value: &[u8]| [&[id][..], &frame::field(value)].concat();
    let aliases: &[u8] = &[0x94, PROTOCOL_ERROR];
    let mut cases = vec![
        case("property length longer than the packet", raw_properties(&[0x20, 0x01, 0x00]), EITHER),
        case("property length of 256 MB", raw_properties(&[0xff, 0xff, 0xff, 0x7f]), EITHER),
        case("property length that ends inside a property", raw_properties(&[0x02, 0x02, 0x00]), EITHER),
        case("property length not in its shortest form", raw_properties(&[0x80, 0x00]), EITHER),
        case("no property length [MQTT-2.2.2-1]", raw_properties(&[]), EITHER),
        case("Subscription Identifier from a client [MQTT-3.3.4-6]", publish(&[0x0b, 0x01]), EITHER),
        case("Topic Alias 0 [MQTT-3.3.2-8]", publish(&[0x23, 0, 0]), aliases),
        case("Topic Alias above the maximum [MQTT-3.3.2-9]", publish(&[0x23, 0xff, 0xff]), aliases),
        case(
            "Response Topic with a wildcard [MQTT-3.3.2-14]",
            publish(&string(0x08, b"a/#")),
            &[MALFORMED, PROTOCOL_ERROR, 0x90],
        ),
        case("Payload Format Indicator twice", twice(&[0x01, 0x01]), EITHER),
        case("Message Expiry Interval twice", twice(&[0x02, 0, 0, 0, 9]), EITHER),
        case("Content Type twice", twice(&string(0x03, b"a")), EITHER),
        case("Correlation Data twice", twice(&string(0x09, b"a")), EITHER),
        case("Topic Alias twice", twice(&[0x23, 0, 1]), &[MALFORMED, PROTOCOL_ERROR, 0x94]),
        case("Subscription Identifier 0", subscribe(&[0x0b, 0x00]), EITHER),
        case("Subscription Identifier twice", subscribe(&[0x0b, 1, 0x0b, 2]), EITHER),
        case("Subscription Identifier too large", subscribe(&[0x0b, 0xff, 0xff, 0xff, 0xff, 0x01]), EITHER),
        case(
            "Subscription Identifier not in its shortest form",
            subscribe(&[0x0b, 0x81, 0x80, 0x00]),
            EITHER,
        ),
        case(
            "No Local on a shared subscription [MQTT-3.8.3-4]",
            frame::subscribe(Version::V5, 7, &[("$share/g/t", 0x05)]),
            &[PROTOCOL_ERROR],
        ),
        case("PUBACK with a reason that is not its own", frame::packet(0x40, &[0, 7, 0x55]), EITHER),
        case("PUBREC with a reason that is not its own", frame::packet(0x50, &[0, 7, 0x01]), EITHER),
        case("PUBREL with bytes after its properties", frame::packet(0x62, &[0, 7, 0, 0, 1]), EITHER),
        case("a server's reason in DISCONNECT [MQTT-3.14.2-1]", frame::packet(0xe0, &[0x8e]), EITHER),
        case("an unknown reason in DISCONNECT", frame::packet(0xe0, &[0x7b]), EITHER),
    ];
    for id in [0x00, 0x04, 0x7f, 0x11, 0x12, 0x13, 0x15, 0x21, 0x22, 0x24, 0x27, 0x29] {
        cases.push(case(format!("property 0x{id:02x} in PUBLISH"), publish(&[id, 0, 0, 0, 1]), EITHER));
        cases.push(case(format!("property 0x{id:02x} in SUBSCRIBE"), subscribe(&[id, 0, 0, 0, 1]), EITHER));
    }
    for (what, bytes) in BAD_STRINGS {
        for (name, id) in [("Response Topic", 0x08), ("Content Type", 0x03)] {
            cases.push(case(format!("{name} with {what}"), publish(&string(id, bytes)), EITHER));
        }
        let pair = [&[0x26][..], &frame::field("k"), &frame::field(bytes)].concat();
        cases.push(case(format!("User Property with {what}"), publish(&pair), EITHER));
        let reason = frame::properties(&string(0x1f, bytes));
        let puback = frame::packet(0x40, &[&[0, 7, 0][..], &reason].concat());
        cases.push(case(format!("Reason String with {what}"), puback, EITHER));
    }
    cases
}

/// CONNECTs that must be refused, and other first packets.
fn first_packets(version: Version) -> Vec<Case> {
    let v5 = version.is_v5();
    let no_properties: &[u8] = if v5 { &[0] } else { &[] };
    let connect = |name: &[u8], level: u8, flags: u8, rest: &[u8]| {
        frame::packet(0x10, &[&frame::field(name)[..], &[level, flags, 0, 60], no_properties, rest].concat())
    };
    let level = version.level();
    let own = frame::field(unique("refused"));
    let will = [no_properties, &frame::field("w"), &frame::field("gone")].concat();
    let with_will = [&own[..], &will].concat();
    let mut cases = vec![
        case("a PUBLISH first [MQTT-3.1.0-1]", frame::publish(version, "t", "x", 0, None, false), EITHER),
        case("a SUBSCRIBE first", frame::subscribe(version, 1, &[("a", 0)]), EITHER),
        case("a PINGREQ first", frame::pingreq(), EITHER),
        case("a DISCONNECT first", frame::disconnect(), EITHER),
        case("a PUBREL first", frame::pubrel(1), EITHER),
        case("the protocol name `mqtt`", connect(b"mqtt", level, 2, &own), &[0x84, 0x81, 0x82, 1]),
        case("an empty protocol name", connect(b"", level, 2, &own), &[0x84, 0x81, 0x82, 1]),
        case("a protocol name of 65,535 bytes", frame::packet(0x10, &[0xff; 12]), &[0x84, 0x81, 0x82, 1]),
        case("the reserved flag [MQTT-3.1.2-3]", connect(b"MQTT", level, 3, &own), EITHER),
        case("Will QoS without a will [MQTT-3.1.2-11]", connect(b"MQTT", level, 0x0a, &own), EITHER),
        case("Will QoS 2 without a will", connect(b"MQTT", level, 0x12, &own), EITHER),
        case("Will Retain without a will [MQTT-3.1.2-13]", connect(b"MQTT", level, 0x22, &own), EITHER),
        case("Will QoS 3 [MQTT-3.1.2-12]", connect(b"MQTT", level, 0x1e, &with_will), EITHER),
        case("a will that is not there [MQTT-3.1.2-9]", connect(b"MQTT", level, 0x06, &own), EITHER),
        case("a will that nobody announced", connect(b"MQTT", level, 0x02, &with_will), EITHER),
        case("a user name that is not there", connect(b"MQTT", level, 0x82, &own), EITHER),
        case(
            "a password that is not there",
            connect(b"MQTT", level, 0xc2, &[&own[..], &frame::field("u")].concat()),
            EITHER,
        ),
        case("bytes after the end", connect(b"MQTT", level, 2, &[&own[..], &[1, 2, 3]].concat()), EITHER),
        case("no Client Identifier", connect(b"MQTT", level, 2, &[]), EITHER),
        case("256 MB announced before CONNECT", vec![0x10, 0xff, 0xff, 0xff, 0x7f], &[0x81, 0x82, 0x95]),
        case("a Remaining Length of five bytes", vec![0x10, 0x80, 0x80, 0x80, 0x80, 0x01], EITHER),
        case(
            "flags in the fixed header",
            [&[0x11][..], &Connect::clean(version, "f").bytes()[1..]].concat(),
            EITHER,
        ),
        case("type 0", vec![0x00, 0x00], EITHER),
        case("an HTTP request", b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec(), EITHER),
        case("a TLS greeting", vec![0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00], EITHER),
    ];
    for (what, bytes) in BAD_STRINGS {
        let bytes = connect(b"MQTT", level, 2, &frame::field(bytes));
        cases.push(case(format!("a Client Identifier with {what}"), bytes, &[0x81, 0x82, 0x85]));
        let user = [&own[..], &frame::field(BAD_STRINGS[0].1)].concat();
        cases.push(case(format!("a user name beside {what}"), connect(b"MQTT", level, 0x82, &user), EITHER));
    }
    for topic in ["will/#", "", "a\0b"] {
        let will = Will { topic: topic.to_owned(), payload: Vec::new(), qos: 0, retain: false };
        let connect = Connect { will: Some(will), ..Connect::clean(version, unique("will")) };
        // Refused for having a will at all is as good.
        cases.push(case(
            format!("will topic `{topic:?}`"),
            connect.bytes(),
            &[0x81, 0x82, 0x90, 0x83, 0x87, 5, 3],
        ));
    }
    if v5 {
        for (what, properties) in [
            ("Receive Maximum 0", vec![0x21, 0, 0]),
            ("Maximum Packet Size 0", vec![0x27, 0, 0, 0, 0]),
            ("Authentication Data without a method", [&[0x16][..], &frame::field("d")].concat()),
            ("Session Expiry Interval twice", vec![0x11, 0, 0, 0, 1, 0x11, 0, 0, 0, 1]),
            ("Request Problem Information 2", vec![0x17, 2]),
            ("Request Response Information 255", vec![0x19, 255]),
            ("Topic Alias in CONNECT", vec![0x23, 0, 1]),
            ("an unknown property", vec![0x7f, 0]),
        ] {
            let connect =
                Connect { more_properties: properties, ..Connect::clean(version, unique("properties")) };
            cases.push(case(what, connect.bytes(), EITHER));
        }
        // Above 5.0 the form of a refusal is the broker's choice; the test reads both under this version.
        for level in [6, 255] {
            cases.push(case(
                format!("level {level}"),
                connect(b"MQTT", level, 2, &own),
                &[0x84, 0x81, 0x82, 1],
            ));
        }
        let method = [&[0x15][..], &frame::field("unknown")].concat();
        let connect = Connect { more_properties: method, ..Connect::clean(version, unique("method")) };
        cases.push(case("an unknown Authentication Method [MQTT-4.12.0-1]", connect.bytes(), &[0x8c, 0x87]));
    } else {
        cases.push(case("level 3 under the name MQTT [MQTT3-3.1.2-2]", connect(b"MQTT", 3, 2, &own), &[1]));
        cases.push(case("level 0", connect(b"MQTT", 0, 2, &own), &[1]));
        let password_only = [&own[..], &frame::field("p")].concat();
        let bytes = connect(b"MQTT", level, 0x42, &password_only);
        cases.push(case("a password without a user name [MQTT3-3.1.2-22]", bytes, &[]));
    }
    cases
}

/// Connections that are tried at once, so that many that stay open do not add up.
const AT_ONCE: usize = 32;

/// Tries the cases; what went wrong.
async fn try_all(
    brokers: &Brokers,
    version: Version,
    connected: bool,
    cases: Vec<Case>,
) -> Result<Vec<String>> {
    let topic = unique("witness");
    let mut wrong = Vec::new();
    let mut witness = Client::connect(brokers.address(0), &Connect::clean(version, unique("w"))).await?;
    witness.subscribe(1, &[("t", 1), ("a", 1), (&topic, 1)]).await?;
    let mut tries = JoinSet::new();
    for (turn, case) in cases.into_iter().enumerate() {
        if tries.len() == AT_ONCE {
            wrong.extend(tries.join_next().await.transpose()?.flatten());
        }
        tries.spawn(try_one(brokers.address(turn), version, connected, case, topic.clone()));
    }
    wrong.extend(tries.join_all().await.into_iter().flatten());
    let mut other = Client::connect(brokers.address(1), &Connect::clean(version, unique("other"))).await?;
    other.publish(&topic, "marker", 1, 1).await?;
    match witness.next(Duration::from_secs(10)).await? {
        Event::Packet(Packet::Publish(publish)) if publish.payload == b"marker" => {}
        other => wrong.push(format!("{version}: the witness got {other:?}")),
    }
    Ok(wrong)
}

/// Tries one case; what went wrong, if anything did.
async fn try_one(
    address: SocketAddr,
    version: Version,
    connected: bool,
    case: Case,
    topic: String,
) -> Option<String> {
    let Case { what, bytes, codes } = case;
    let outcome = async {
        let connect = Connect::clean(version, unique("hostile"));
        let mut client = match connected {
            true => Client::connect(address, &connect).await?,
            false => Client::open(address, version, &what).await?,
        };
        client.send(&bytes).await?;
        // What comes right behind must not be worked off either.
        client.send_regardless(&frame::publish(version, &topic, "smuggled", 0, None, false)).await;
        let code = client.closed_within(Duration::from_secs(4)).await?;
        ensure!(code.is_none_or(|code| codes.contains(&code)), "closed with {code:02x?}");
        Ok(())
    };
    outcome.await.err().map(|error| format!("{version}, {what}: {error:#}"))
}

fn none_wrong(wrong: Vec<String>) -> Result<()> {
    ensure!(wrong.is_empty(), "{} cases went wrong:\n{}", wrong.len(), wrong.join("\n"));
    Ok(())
}

#[test]
fn a_connected_client_that_breaks_the_form_is_closed() -> Result<()> {
    story(LIMIT, async {
        let brokers = Brokers::find().await?;
        let mut wrong = Vec::new();
        for version in BOTH {
            wrong.extend(try_all(&brokers, *version, true, after_connect(*version)).await?);
        }
        none_wrong(wrong)
    })
}

#[test]
fn a_connection_that_begins_wrongly_is_refused() -> Result<()> {
    story(LIMIT, async {
        let brokers = Brokers::find().await?;
        let mut wrong = Vec::new();
        for version in V311.iter().chain(V5) {
            wrong.extend(try_all(&brokers, *version, false, first_packets(*version)).await?);
        }
        none_wrong(wrong)
    })
}

/// A wrong level is answered with return code 1 in 3.1.1 `[MQTT3-3.1.2-2]`, and what came behind a refused
/// CONNECT is not worked off `[MQTT-3.1.4-6]`.
#[test]
fn nothing_behind_a_refused_connect_is_worked_off() -> Result<()> {
    story(LIMIT, async {
        let brokers = Brokers::find().await?;
        let topic = unique("behind");
        let mut witness =
            Client::connect(brokers.address(0), &Connect::clean(Version::V5, unique("w"))).await?;
        witness.subscribe(1, &[(&topic, 1)]).await?;
        for level in [0, 3, 6, 127] {
            let body = [&frame::field("MQTT")[..], &[level, 2, 0, 60], &frame::field(unique("x"))].concat();
            let smuggled = frame::publish(Version::V311, &topic, "smuggled", 1, Some(1), false);
            let mut client =
                Client::open(brokers.address(1), Version::V311, format!("level {level}")).await?;
            client.send(&[frame::packet(0x10, &body), smuggled].concat()).await?;
            let code = client.closed().await?;
            ensure!(code == Some(1), "level {level} was answered with {code:02x?} [MQTT3-3.1.2-2]");
        }
        let mut other =
            Client::connect(brokers.address(1), &Connect::clean(Version::V5, unique("other"))).await?;
        other.publish(&topic, "marker", 1, 1).await?;
        ensure!(
            witness.receive_publish().await?.payload == b"marker",
            "a message behind a refused CONNECT came"
        );
        Ok(())
    })
}

/// Thousands of User Properties, a filter and a topic of ten thousand levels, the longest strings: taken or
/// refused, quickly, and nobody else suffers.
#[test]
fn large_but_well_formed_packets_do_no_harm() -> Result<()> {
    story(LIMIT, async {
        let brokers = Brokers::find().await?;
        let mut witness =
            Client::connect(brokers.address(0), &Connect::clean(Version::V5, unique("w"))).await?;
        let deep = "a/".repeat(10_000);
        let longest = "x".repeat(65_535);
        let many = [&[0x26][..], &frame::field("k"), &frame::field("v")].concat().repeat(5_000);
        let slashes = "/".repeat(32_000);
        let packets = [
            frame::subscribe(Version::V5, 1, &[(&deep, 1)]),
            frame::subscribe(Version::V5, 1, &[(&"+/".repeat(10_000), 1)]),
            frame::subscribe(Version::V5, 1, &[(&longest, 1)]),
            frame::publish(Version::V5, &slashes, "x", 1, Some(1), false),
            frame::publish(Version::V5, &deep, "x", 1, Some(1), false),
            frame::publish_with(Version::V5, "many", "x", 1, Some(1), false, false, &many),
        ];
        for packet in packets {
            let mut client =
                Client::connect(brokers.address(0), &Connect::clean(Version::V5, unique("large"))).await?;
            client.send(&packet).await?;
            client.send_regardless(&frame::pingreq()).await;
            let answer = client.next(Duration::from_secs(5)).await?;
            ensure!(answer != Event::Quiet, "no answer to {:02x?}…", &packet[..12]);
            witness.ping().await?;
        }
        Ok(())
    })
}

/// A client that connects and says nothing, or trickles half a CONNECT, is closed in the end (the time-out for
/// CONNECT), and hundreds of them do not keep others out.
#[test]
fn silent_connections_are_closed() -> Result<()> {
    story(LIMIT, async {
        let brokers = Brokers::find().await?;
        if !brokers.are_ours() {
            return Ok(());
        }
        let mut silent = Vec::new();
        for turn in 0..200 {
            let mut client =
                Client::open(brokers.address(0), Version::V311, format!("silent {turn}")).await?;
            if turn % 2 == 1 {
                client.send(&Connect::clean(Version::V311, "half").bytes()[..9]).await?;
            }
            silent.push(client);
        }
        Client::connect(brokers.address(0), &Connect::clean(Version::V5, unique("other")))
            .await?
            .ping()
            .await?;
        for client in &mut silent {
            client.closed_within(Duration::from_secs(40)).await?;
        }
        Ok(())
    })
}

/// Many handshakes left open and taken up by nobody cost the others nothing: the flood ends with its session.
#[test]
fn open_handshakes_of_many_clients_do_no_harm() -> Result<()> {
    story(LIMIT, async {
        let brokers = Brokers::find().await?;
        let mut flood = Vec::new();
        for turn in 0..20 {
            let mut client =
                Client::connect(brokers.address(turn), &Connect::clean(Version::V5, unique("flood"))).await?;
            for id in 1..=50_u16 {
                client.send(&frame::publish(Version::V5, "flood", "x", 2, Some(id), false)).await?;
            }
            flood.push(client);
        }
        for client in &mut flood {
            client.receive_ack(AckKind::PubRec, 50).await?;
        }
        let mut other =
            Client::connect(brokers.address(1), &Connect::clean(Version::V5, unique("other"))).await?;
        other.publish("flood", "x", 2, 1).await
    })
}
