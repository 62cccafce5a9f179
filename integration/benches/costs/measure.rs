//! Comparing: contenders take turns, so that what disturbs one disturbs all, and differences are taken within a turn.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

/// One thing that is measured: a burst of packets, and how long it took.
pub(crate) struct Contender {
    pub(crate) name: &'static str,
    pub(crate) packets: usize,
    pub(crate) burst: Box<dyn FnMut() -> Result<Duration>>,
}

/// Nanoseconds per packet by contender, then by turn.
pub(crate) struct Turns {
    names: Vec<&'static str>,
    samples: Vec<Vec<f64>>,
}

impl Turns {
    /// Lets all take `turns` turns; `make` makes them anew `times` times, for where things happen to lie in memory
    /// tells as well.
    ///
    /// # Errors
    /// Those of a contender.
    pub(crate) fn take(
        times: usize,
        turns: usize,
        mut make: impl FnMut() -> Result<Vec<Contender>>,
    ) -> Result<Self> {
        let mut all = Self { names: Vec::new(), samples: Vec::new() };
        let mut reported = Instant::now();
        for time in 0..times {
            let mut contenders = make()?;
            all.names = contenders.iter().map(|c| c.name).collect();
            all.samples.resize(contenders.len(), Vec::new());
            for turn in 0..turns {
                if reported.elapsed() > Duration::from_secs(5) {
                    reported = Instant::now();
                    println!("  turn {} of {}", time * turns + turn, times * turns);
                }
                for i in 0..contenders.len() {
                    // Nobody is always first, and nobody always follows the same.
                    let at = (i * 7 + turn) % contenders.len();
                    let at =
                        if contenders.len().is_multiple_of(7) { (i + turn) % contenders.len() } else { at };
                    let contender = &mut contenders[at];
                    let took = (contender.burst)().with_context(|| contender.name)?;
                    all.samples[at].push(took.as_secs_f64() * 1e9 / contender.packets as f64);
                    // Others need this core too, and the kernel takes it from who holds it for a second on end.
                    std::thread::sleep(Duration::from_millis(2));
                }
            }
        }
        Ok(all)
    }

    /// What one takes, nanoseconds per packet.
    pub(crate) fn of(&self, name: &str) -> Spread {
        Spread::of(self.samples_of(name).to_vec())
    }

    /// What one takes more than another.
    pub(crate) fn added(&self, name: &str, base: &str) -> Spread {
        let pairs = self.samples_of(name).iter().zip(self.samples_of(base));
        Spread::of(pairs.map(|(a, b)| a - b).collect())
    }

    fn samples_of(&self, name: &str) -> &[f64] {
        self.names.iter().position(|n| *n == name).map_or(&[], |i| &self.samples[i])
    }
}

/// The middle of some numbers, and where their middle half lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) low: f64,
    pub(crate) median: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Not a number, if there are none.
    pub(crate) fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        Self {
            low: quantile(&numbers, 0.25),
            median: quantile(&numbers, 0.5),
            high: quantile(&numbers, 0.75),
        }
    }
}

/// The number below which this share of sorted numbers lies.
pub(crate) fn quantile(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    let at = (last as f64 * share).round() as usize;
    sorted.get(at).copied().unwrap_or(f64::NAN)
}
