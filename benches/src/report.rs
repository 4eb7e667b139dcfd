//! What a run gave, for people and for programs.

use std::io::Write as _;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use crate::histogram::Histogram;
use crate::options::Options;
use crate::shared::Shared;

/// Percentiles that are told.
const SHARES: [(&str, f64); 4] = [("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p99.9", 0.999)];

/// A run's result.
pub(crate) struct Report {
    value: Value,
}

impl Report {
    /// Puts it together; `cpu` in seconds, of the broker and of the load itself.
    pub(crate) fn new(options: &Options, shared: &Shared, elapsed: Duration, cpu: f64, own_cpu: f64) -> Self {
        let seconds = elapsed.as_secs_f64();
        let delivered = shared.delivered.get();
        let each = |total: f64| if delivered == 0 { 0.0 } else { total * 1e6 / delivered as f64 };
        let value = json!({
            "qos": options.qos,
            "publishers": options.publishers,
            "subscribers": options.subscribers(),
            "window": options.window,
            "payload": options.payload,
            "seconds": seconds,
            "delivered": delivered,
            "delivered_per_second": delivered as f64 / seconds,
            "acknowledged_per_second": shared.acknowledged.get() as f64 / seconds,
            "missing": shared.missing.get(),
            "repeated": shared.repeated.get(),
            "delivery_milliseconds": times(&shared.delivery.borrow()),
            "acknowledgement_milliseconds": times(&shared.acknowledgement.borrow()),
            "cpu_seconds": cpu,
            "cpu_microseconds_per_message": each(cpu),
            "load_cpu_seconds": own_cpu,
        });
        Self { value }
    }

    /// Prints it.
    pub(crate) fn print(&self, as_json: bool) -> Result<()> {
        let mut out = std::io::stdout().lock();
        let value = &self.value;
        if as_json {
            writeln!(out, "{value}")?;
            return Ok(());
        }
        let number = |key: &str| value[key].as_f64().unwrap_or_default();
        writeln!(
            out,
            "QoS {}, {} publishers, {} subscribers, window {}, {} bytes, {:.1} s",
            value["qos"],
            value["publishers"],
            value["subscribers"],
            value["window"],
            value["payload"],
            number("seconds")
        )?;
        writeln!(out, "  delivered     {:>10.0} messages/s", number("delivered_per_second"))?;
        writeln!(out, "  acknowledged  {:>10.0} messages/s", number("acknowledged_per_second"))?;
        for (title, key) in
            [("delivery", "delivery_milliseconds"), ("acknowledged", "acknowledgement_milliseconds")]
        {
            let times = &value[key];
            if times["count"] != 0 {
                let told =
                    SHARES.map(|(name, _)| format!("{name} {:.2}", times[name].as_f64().unwrap_or_default()));
                let longest = times["longest"].as_f64().unwrap_or_default();
                writeln!(out, "  {title:<13} {} longest {longest:.2} ms", told.join("  "))?;
            }
        }
        if number("cpu_seconds") > 0.0 {
            let (cpu, each) = (number("cpu_seconds"), number("cpu_microseconds_per_message"));
            writeln!(out, "  broker CPU    {cpu:>10.2} s, {each:.1} µs a message")?;
        }
        writeln!(out, "  load CPU      {:>10.2} s", number("load_cpu_seconds"))?;
        if value["missing"] != 0 || value["repeated"] != 0 {
            writeln!(out, "  missing {}, repeated or late {}", value["missing"], value["repeated"])?;
        }
        Ok(())
    }
}

fn times(histogram: &Histogram) -> Value {
    let mut value = json!({ "count": histogram.total(), "longest": histogram.longest() });
    for (name, share) in SHARES {
        value[name] = json!(histogram.percentile(share));
    }
    value
}
