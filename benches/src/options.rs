//! The command line.

use clap::Parser;

/// Load an MQTT broker with publishers that each keep a window of messages in flight, and measure
///
/// Example: four QoS 2 pairs over three nodes, with the nodes' CPU
///   quartet-load --address 127.0.0.1:1884,127.0.0.1:1885,127.0.0.1:1886 --qos 2 --pids 11,12,13
#[derive(Clone, Debug, Parser)]
#[command(name = "quartet-load", version, verbatim_doc_comment)]
pub(crate) struct Options {
    /// Where to connect: HOST:PORT, several with commas; clients go to them in turn
    #[arg(long, value_delimiter = ',', default_value = "127.0.0.1:1883")]
    pub(crate) address: Vec<String>,

    /// Quality of service of publishers and subscribers
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(0..=2))]
    pub(crate) qos: u8,

    /// Publishers, each with a topic of its own
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) publishers: u16,

    /// Subscribers: as many as publishers make pairs, fewer fan-in, more fan-out
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) subscribers: Option<u16>,

    /// Messages in flight of each publisher
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) window: u16,

    /// Bytes of payload; the first 16 are number and time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(16..=16_000_000))]
    pub(crate) payload: u32,

    /// Seconds measured, after the warm-up
    #[arg(long, default_value_t = 5)]
    pub(crate) seconds: u64,

    /// Seconds before measuring
    #[arg(long, default_value_t = 1)]
    pub(crate) warm_up: u64,

    /// Processes whose CPU time is told, with commas
    #[arg(long, value_delimiter = ',')]
    pub(crate) pids: Vec<u32>,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    /// How many subscribers.
    pub(crate) fn subscribers(&self) -> u16 {
        self.subscribers.unwrap_or(self.publishers)
    }

    /// The topics that a subscriber takes: every topic has at least one taker.
    pub(crate) fn topics_of(&self, subscriber: u16) -> Vec<u16> {
        let (publishers, subscribers) = (self.publishers, self.subscribers());
        if subscribers >= publishers {
            vec![subscriber % publishers]
        } else {
            (0..publishers).filter(|topic| topic % subscribers == subscriber).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takers(publishers: &str, subscribers: &str) -> Vec<u32> {
        let line = ["quartet-load", "--publishers", publishers, "--subscribers", subscribers];
        let options = Options::parse_from(line);
        let mut takers = vec![0; usize::from(options.publishers)];
        for topic in (0..options.subscribers()).flat_map(|subscriber| options.topics_of(subscriber)) {
            takers[usize::from(topic)] += 1;
        }
        takers
    }

    #[test]
    fn every_topic_has_its_takers() {
        assert_eq!(takers("3", "3"), [1, 1, 1]);
        assert_eq!(takers("4", "1"), [1, 1, 1, 1]);
        assert_eq!(takers("2", "6"), [3, 3]);
    }
}
