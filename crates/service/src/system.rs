//! The share of the machine that this process uses, from `/proc`.

use std::{
    fs,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use contract::{ProcessFigures, SystemMetrics};

/// Clock ticks a second in `/proc`: fixed by Linux for programs, whatever the kernel's own rate.
const TICKS_PER_SECOND: f64 = 100.0;
/// The shortest interval between two readings of the CPU time, which is counted in ticks.
const MIN_INTERVAL: Duration = Duration::from_millis(250);

/// Samples the process; CPU is measured between two samples.
#[derive(Debug, Default)]
pub struct Sampler(Mutex<Option<CpuSample>>);

#[derive(Clone, Copy, Debug)]
struct CpuSample {
    taken: Instant,
    cpu_seconds: f64,
    percent: f64,
}

impl Sampler {
    /// The use since the last call, or since the start of the process. Figures that `/proc` does
    /// not have are zero.
    pub fn sample(&self) -> SystemMetrics {
        let process = ProcessStat::read();
        SystemMetrics {
            cpu_percent: rounded(process.as_ref().map_or(0.0, |p| self.cpu_percent(p))),
            memory_percent: rounded(memory_percent(process.as_ref()).unwrap_or_default()),
            load_avg: load_avg().unwrap_or_default(),
        }
    }

    /// What the process tells the gateway of itself: memory, and CPU time as [`Self::sample`] gives it.
    pub fn process(&self) -> ProcessFigures {
        let process = ProcessStat::read();
        ProcessFigures {
            memory_bytes: process.as_ref().map_or(0, |process| process.resident_bytes),
            cpu_percent: rounded(process.as_ref().map_or(0.0, |p| self.cpu_percent(p))),
            ..ProcessFigures::default()
        }
    }

    fn cpu_percent(&self, process: &ProcessStat) -> f64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = Instant::now();
        let percent = match *last {
            Some(last) if taken - last.taken < MIN_INTERVAL => return last.percent,
            Some(last) => {
                let used = process.cpu_seconds - last.cpu_seconds;
                used / (taken - last.taken).as_secs_f64()
            }
            None => process.cpu_seconds / process.age_seconds().unwrap_or(f64::INFINITY),
        } * 100.0;
        *last = Some(CpuSample {
            taken,
            cpu_seconds: process.cpu_seconds,
            percent,
        });
        percent
    }
}

/// The figures in `/proc/self/stat`.
pub(crate) struct ProcessStat {
    /// CPU time, user and system, all threads.
    pub(crate) cpu_seconds: f64,
    /// When the process started, in seconds since the machine did.
    started_seconds: f64,
    /// Threads.
    pub(crate) threads: u64,
    /// Resident memory in bytes.
    pub(crate) resident_bytes: u64,
}

impl ProcessStat {
    /// The process as it is now; `None` where there is no such `/proc`.
    pub(crate) fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let resident_bytes = kilobytes(&status, "VmRSS:")? * 1024;
        Self::parse(&stat, resident_bytes)
    }

    /// Field numbers are those of proc(5). The name, field 2, is in parentheses and may contain
    /// anything, even spaces and `)`.
    fn parse(stat: &str, resident_bytes: u64) -> Option<Self> {
        let (_, after_name) = stat.rsplit_once(')')?;
        let fields: Vec<&str> = after_name.split_ascii_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<f64>().ok();
        Some(Self {
            cpu_seconds: (field(14)? + field(15)?) / TICKS_PER_SECOND,
            started_seconds: field(22)? / TICKS_PER_SECOND,
            threads: field(20)? as u64,
            resident_bytes,
        })
    }

    /// How long it has been running, in seconds.
    pub(crate) fn age_seconds(&self) -> Option<f64> {
        let uptime = fs::read_to_string("/proc/uptime").ok()?;
        let seconds: f64 = uptime.split_ascii_whitespace().next()?.parse().ok()?;
        Some((seconds - self.started_seconds).max(1.0 / TICKS_PER_SECOND))
    }
}

/// A percentage to two decimals, for people.
fn rounded(percent: f64) -> f64 {
    (percent * 100.0).round() / 100.0
}

fn memory_percent(process: Option<&ProcessStat>) -> Option<f64> {
    let info = fs::read_to_string("/proc/meminfo").ok()?;
    let total = kilobytes(&info, "MemTotal:").filter(|total| *total > 0)? * 1024;
    Some(process?.resident_bytes as f64 / total as f64 * 100.0)
}

fn load_avg() -> Option<[f64; 3]> {
    let text = fs::read_to_string("/proc/loadavg").ok()?;
    let mut figures = text.split_ascii_whitespace().map(|f| f.parse().ok());
    Some([figures.next()??, figures.next()??, figures.next()??])
}

/// The figure of the line that starts with `name`, in kB.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_ascii_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_name_with_blanks_and_parentheses_shifts_no_field() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 0 0 0 0 0 250 50 0 0 20 0 9 0 1234 0 0";
        let process = ProcessStat::parse(stat, 4096).unwrap();
        assert_eq!(process.cpu_seconds, 3.0);
        assert_eq!(process.started_seconds, 12.34);
        assert_eq!(process.threads, 9);
    }

    #[test]
    fn this_process_uses_memory_and_work_shows_as_cpu() {
        let (sampler, began) = (Sampler::default(), Instant::now());
        let first = sampler.sample();
        assert!(first.memory_percent > 0.0 && first.memory_percent < 100.0);
        assert!(sampler.process().memory_bytes > 1 << 20);
        let cpu_seconds = || ProcessStat::read().map_or(0.0, |process| process.cpu_seconds);
        let (looked, before) = (Instant::now(), cpu_seconds());
        while looked.elapsed() < MIN_INTERVAL || cpu_seconds() < before + 0.3 {}
        let (busy, looked) = (sampler.sample(), Instant::now());
        // However little of the machine was left for this process.
        let least = 0.29 / began.elapsed().as_secs_f64() * 100.0;
        assert!(busy.cpu_percent > least, "{busy:?}, not {least}");
        // A second look straight after must not divide a few ticks by almost no time.
        let again = sampler.sample();
        assert!(again.cpu_percent == busy.cpu_percent || looked.elapsed() >= MIN_INTERVAL);
    }
}
