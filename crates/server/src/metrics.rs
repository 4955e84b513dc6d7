//! Counters, printed as Prometheus wants them. They are few, so they are printed by hand.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Upper ends of the classes of durations, in milliseconds.
const BUCKETS_MS: [u64; 8] = [5, 25, 100, 250, 1_000, 2_500, 10_000, 60_000];

/// Counters of one process.
pub(crate) struct Metrics {
    doors: Vec<Door>,
    /// Requests being answered.
    pub(crate) in_progress: AtomicI64,
    /// Requests refused because the server was stopping.
    pub(crate) turned_away: AtomicU64,
    /// Answers that ended in a panic.
    pub(crate) panics: AtomicU64,
}

/// What came through one door.
struct Door {
    name: &'static str,
    /// By the first digit of the status, from 1.
    classes: [AtomicU64; 5],
    buckets: [AtomicU64; BUCKETS_MS.len()],
    total_us: AtomicU64,
}

impl Metrics {
    /// Counters for these doors; the last is taken for everything else.
    pub(crate) fn new(doors: impl IntoIterator<Item = &'static str>) -> Self {
        let door = |name| Door {
            name,
            classes: Default::default(),
            buckets: Default::default(),
            total_us: AtomicU64::default(),
        };
        Metrics {
            doors: doors.into_iter().map(door).collect(),
            in_progress: AtomicI64::default(),
            turned_away: AtomicU64::default(),
            panics: AtomicU64::default(),
        }
    }

    /// Counts an answer.
    pub(crate) fn count(&self, door: &str, status: u16, took: Duration) {
        let Some(door) = self.doors.iter().find(|known| known.name == door) else { return };
        let class = usize::from(status / 100).clamp(1, 5) - 1;
        door.classes[class].fetch_add(1, Ordering::Relaxed);
        if let Some(at) = BUCKETS_MS.iter().position(|end| took <= Duration::from_millis(*end)) {
            door.buckets[at].fetch_add(1, Ordering::Relaxed);
        }
        door.total_us.fetch_add(took.as_micros() as u64, Ordering::Relaxed);
    }

    /// Everything as text; `started_ms` is when the process began, milliseconds since 1970.
    pub(crate) fn print(&self, started_ms: i64) -> String {
        let mut text = String::new();
        // Writing to a text never fails.
        let _ = self.write(&mut text, started_ms);
        text
    }

    fn write(&self, text: &mut String, started_ms: i64) -> std::fmt::Result {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        writeln!(text, "# HELP comptoir_build_info The program's version.")?;
        writeln!(text, "# TYPE comptoir_build_info gauge")?;
        writeln!(text, "comptoir_build_info{{version=\"{}\"}} 1", env!("CARGO_PKG_VERSION"))?;
        writeln!(text, "# HELP comptoir_requests_total Requests answered, by door and class of status.")?;
        writeln!(text, "# TYPE comptoir_requests_total counter")?;
        for door in &self.doors {
            for (class, counter) in door.classes.iter().enumerate().filter(|(_, counter)| read(counter) > 0) {
                let (name, count) = (door.name, read(counter));
                writeln!(
                    text,
                    "comptoir_requests_total{{door=\"{name}\",status=\"{}xx\"}} {count}",
                    class + 1
                )?;
            }
        }
        writeln!(text, "# HELP comptoir_request_duration_seconds Time until the head of the answer.")?;
        writeln!(text, "# TYPE comptoir_request_duration_seconds histogram")?;
        for door in &self.doors {
            let count: u64 = door.classes.iter().map(read).sum();
            if count == 0 {
                continue;
            }
            let name = door.name;
            let mut below = 0;
            for (end, counter) in BUCKETS_MS.iter().zip(&door.buckets) {
                below += read(counter);
                let end = *end as f64 / 1000.0;
                writeln!(
                    text,
                    "comptoir_request_duration_seconds_bucket{{door=\"{name}\",le=\"{end}\"}} {below}"
                )?;
            }
            writeln!(
                text,
                "comptoir_request_duration_seconds_bucket{{door=\"{name}\",le=\"+Inf\"}} {count}"
            )?;
            let seconds = read(&door.total_us) as f64 / 1e6;
            writeln!(text, "comptoir_request_duration_seconds_sum{{door=\"{name}\"}} {seconds}")?;
            writeln!(text, "comptoir_request_duration_seconds_count{{door=\"{name}\"}} {count}")?;
        }
        writeln!(text, "# HELP comptoir_requests_in_progress Requests being answered.")?;
        writeln!(text, "# TYPE comptoir_requests_in_progress gauge")?;
        writeln!(text, "comptoir_requests_in_progress {}", self.in_progress.load(Ordering::Relaxed))?;
        writeln!(text, "# HELP comptoir_requests_turned_away_total Requests refused while stopping.")?;
        writeln!(text, "# TYPE comptoir_requests_turned_away_total counter")?;
        writeln!(text, "comptoir_requests_turned_away_total {}", read(&self.turned_away))?;
        writeln!(text, "# HELP comptoir_panics_total Answers that ended in a panic; each is a bug.")?;
        writeln!(text, "# TYPE comptoir_panics_total counter")?;
        writeln!(text, "comptoir_panics_total {}", read(&self.panics))?;
        writeln!(text, "# HELP process_start_time_seconds When the process began, since 1970.")?;
        writeln!(text, "# TYPE process_start_time_seconds gauge")?;
        writeln!(text, "process_start_time_seconds {}", started_ms as f64 / 1000.0)?;
        if let Some(bytes) = resident_bytes() {
            writeln!(text, "# HELP process_resident_memory_bytes Memory that the process takes.")?;
            writeln!(text, "# TYPE process_resident_memory_bytes gauge")?;
            writeln!(text, "process_resident_memory_bytes {bytes}")?;
        }
        Ok(())
    }
}

/// Memory that the process takes, where the system tells.
fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_door_and_class() {
        let metrics = Metrics::new(["native", "other"]);
        metrics.count("native", 200, Duration::from_millis(7));
        metrics.count("native", 422, Duration::from_secs(120));
        metrics.count("unheard", 200, Duration::ZERO);
        let text = metrics.print(0);
        for line in [
            "comptoir_requests_total{door=\"native\",status=\"2xx\"} 1",
            "comptoir_requests_total{door=\"native\",status=\"4xx\"} 1",
            "comptoir_request_duration_seconds_bucket{door=\"native\",le=\"0.005\"} 0",
            "comptoir_request_duration_seconds_bucket{door=\"native\",le=\"0.025\"} 1",
            "comptoir_request_duration_seconds_bucket{door=\"native\",le=\"60\"} 1",
            "comptoir_request_duration_seconds_bucket{door=\"native\",le=\"+Inf\"} 2",
        ] {
            assert!(text.lines().any(|other| other == line), "{line}\n{text}");
        }
        assert!(!text.contains("other"));
    }
}
