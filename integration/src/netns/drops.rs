//! Counters of what a kernel dropped, for telling why a packet is missing.
use super::Netns;
use anyhow::Result;
use std::collections::BTreeMap;
use std::fmt::Write;

/// Counters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Drops(BTreeMap<String, u64>);

impl Drops {
    /// Reads those of the whole machine (a CPU's backlog that overflowed) and of each namespace: its devices' and its
    /// protocols'. WireGuard counts what it has no session for as `tx_dropped` and what it refuses as `rx_frame_errors`.
    ///
    /// # Errors
    /// If a namespace is gone.
    pub fn of(namespaces: &[&Netns]) -> Result<Self> {
        let mut counters = BTreeMap::new();
        // Documentation/admin-guide/sysctl/net.rst: a line for each CPU, in hexadecimal; the second field is dropped.
        for line in std::fs::read_to_string("/proc/net/softnet_stat")?.lines() {
            let dropped = line.split_whitespace().nth(1).unwrap_or("0");
            *counters.entry("a CPU's backlog".to_owned()).or_default() += u64::from_str_radix(dropped, 16)?;
        }
        for namespace in namespaces {
            let label = namespace.label();
            // As the process that holds it sees them: proc(5), `/proc/PID/net`.
            let read = |file: &str| std::fs::read_to_string(format!("/proc/{}/net/{file}", namespace.pid()));
            for line in read("dev")?.lines().skip(2) {
                let Some((device, numbers)) = line.split_once(':') else { continue };
                let numbers: Vec<u64> =
                    numbers.split_whitespace().filter_map(|word| word.parse().ok()).collect();
                for (at, what) in [
                    (2, "rx errors"),
                    (3, "rx dropped"),
                    (5, "rx frame"),
                    (10, "tx errors"),
                    (11, "tx dropped"),
                ] {
                    let name = format!("{label} {} {what}", device.trim());
                    counters.insert(name, numbers.get(at).copied().unwrap_or(0));
                }
            }
            // Pairs of lines: names, then numbers.
            for file in ["snmp", "netstat"] {
                let text = read(file)?;
                let lines: Vec<&str> = text.lines().collect();
                for [names, numbers] in lines.as_chunks().0 {
                    let (names, numbers) = (names.split_whitespace(), numbers.split_whitespace());
                    for (name, number) in names.zip(numbers).skip(1).filter(|(name, _)| telling(name)) {
                        counters.insert(format!("{label} {name}"), number.parse().unwrap_or(0));
                    }
                }
            }
        }
        Ok(Self(counters))
    }

    /// Those that grew since `before`, a line each.
    #[must_use]
    pub fn since(&self, before: &Self) -> String {
        let mut text = String::new();
        for (name, now) in &self.0 {
            let then = before.0.get(name).copied().unwrap_or(0);
            if *now > then {
                // Writing to a string cannot fail.
                let _ = writeln!(text, "{name}: {}", now - then);
            }
        }
        text
    }
}

/// Counters of packets that went nowhere.
fn telling(name: &str) -> bool {
    let endings =
        ["Discards", "Errors", "NoRoutes", "Drop", "Drops", "NoPorts", "Filter", "RetransSegs", "Fails"];
    endings.iter().any(|ending| name.ends_with(ending))
}
