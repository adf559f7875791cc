//! What the cases show of unit costs, for `huntcore plan`.

use std::time::Duration;

use huntcore_capacity::UnitCosts;

/// Costs that were measured; what was not stays as it was.
#[derive(Clone, Debug, Default)]
pub(super) struct CostsSeen {
    /// Of sending: bytes of a message, and the CPU time of each.
    sends: Vec<(f64, Duration)>,
    /// Bytes of a delta with nothing in it, and of each claim more.
    delta_bytes: Option<(f64, f64)>,
    /// Of a connection: memory in the process and in the kernel, and the CPU time to open it.
    connection: Option<(f64, Duration)>,
    commands: Vec<String>,
}

impl CostsSeen {
    /// A message of so many bytes took its sockets' threads so long.
    pub(super) fn send(&mut self, bytes: f64, took: Duration) {
        self.sends.push((bytes, took));
    }

    /// How long deltas are.
    pub(super) const fn deltas(&mut self, bare: f64, each_claim: f64) {
        self.delta_bytes = Some((bare, each_claim));
    }

    /// What a connection holds, and what it took to open it.
    pub(super) const fn connection(&mut self, bytes: f64, took: Duration) {
        self.connection = Some((bytes, took));
    }

    /// Which case it was.
    pub(super) fn case(&mut self, case: &str) {
        self.commands
            .push(format!("huntcore bench broadcast --case {case}"));
    }

    /// What was measured in place of what was known `before`.
    pub(super) fn over(&self, mut before: UnitCosts) -> UnitCosts {
        if let Some((write_us, kib_us)) = line(&self.sends) {
            before.broadcast.write_cpu_us = write_us;
            before.broadcast.kib_cpu_us = kib_us;
        }
        if let Some((bare, each_claim)) = self.delta_bytes {
            before.broadcast.delta_bytes = bare;
            before.broadcast.claim_bytes = each_claim;
        }
        if let Some((bytes, took)) = self.connection {
            before.edge.connection_memory_bytes = bytes;
            before.edge.handshake_cpu_us = micros(took);
        }
        before.measured_with.extend(self.commands.iter().cloned());
        before
    }
}

/// The cost of a message, and of each KiB of it, from what messages of several lengths took:
/// the straight line of least squares, but neither cost below nothing.
fn line(sends: &[(f64, Duration)]) -> Option<(f64, f64)> {
    let count = f64::from(u32::try_from(sends.len()).ok().filter(|&count| count > 0)?);
    let points = || {
        sends
            .iter()
            .map(|&(bytes, took)| (bytes / 1_024.0, micros(took)))
    };
    let mean_kib = points().map(|(kib, _)| kib).sum::<f64>() / count;
    let mean_us = points().map(|(_, us)| us).sum::<f64>() / count;
    let spread: f64 = points().map(|(kib, _)| (kib - mean_kib).powi(2)).sum();
    let slope: f64 = points()
        .map(|(kib, us)| (kib - mean_kib) * (us - mean_us))
        .sum();
    let slope = if spread > 0.0 { slope / spread } else { 0.0 };
    let each_kib = slope.clamp(0.0, mean_us / mean_kib.max(f64::EPSILON));
    Some((mean_us - each_kib * mean_kib, each_kib))
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn costs_are_those_of_the_line_through_what_was_measured() {
        let mut seen = CostsSeen::default();
        seen.send(512.0, Duration::from_nanos(6_500));
        seen.send(1_024.0, Duration::from_nanos(7_000));
        seen.deltas(160.0, 60.0);
        seen.connection(6_000.0, Duration::from_micros(90));
        seen.case("fanout-15k");
        let costs = seen.over(UnitCosts::default());
        assert!((costs.broadcast.write_cpu_us - 6.0).abs() < 1e-9);
        assert!((costs.broadcast.kib_cpu_us - 1.0).abs() < 1e-9);
        assert!((costs.edge.handshake_cpu_us - 90.0).abs() < 1e-9);
        assert!(costs.check().is_ok());
        let last = costs.measured_with.last().map(String::as_str);
        assert_eq!(last, Some("huntcore bench broadcast --case fanout-15k"));
    }

    #[test]
    fn what_was_not_measured_stays_and_noise_makes_no_cost_negative() {
        let before = UnitCosts::default();
        assert_eq!(CostsSeen::default().over(before.clone()), before);
        let mut seen = CostsSeen::default();
        // The longer message was cheaper, by chance.
        seen.send(256.0, Duration::from_micros(7));
        seen.send(1_024.0, Duration::from_micros(6));
        let costs = seen.over(before);
        assert!((costs.broadcast.write_cpu_us - 6.5).abs() < 1e-9);
        assert!(costs.broadcast.kib_cpu_us.abs() < 1e-9);
    }
}
