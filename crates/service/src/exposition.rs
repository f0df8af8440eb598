//! `/metrics`: what this process counts, what it is, and whether it is ready, in Prometheus text.

use std::{
    fmt::{Display, Write},
    fs,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use contract::RENAMED_METRICS;
use prometheus::{TextEncoder, proto::MetricFamily};

use crate::{health::Standing, system::ProcessStat};

/// The metrics of this process, which stands like this.
///
/// # Errors
/// When a metric cannot be written out.
pub(crate) fn text(standing: &Standing) -> Result<String, prometheus::Error> {
    let mut families = prometheus::gather();
    families.extend(former(&families));
    let mut text = String::with_capacity(32 * 1024);
    TextEncoder::new().encode_utf8(&families, &mut text)?;
    write_build(&mut text);
    write_standing(&mut text, standing);
    write_process(&mut text);
    Ok(text)
}

/// Those of `families` that have been renamed, under the names of before. They are copies made for
/// the reply, so nothing is counted twice.
fn former(families: &[MetricFamily]) -> Vec<MetricFamily> {
    let renamed = RENAMED_METRICS.iter().filter_map(|(before, now)| {
        let family = families.iter().find(|family| family.name() == *now)?;
        let mut copy = family.clone();
        copy.set_name((*before).to_owned());
        copy.set_help(format!("Deprecated: {now} has the same figures."));
        Some(copy)
    });
    renamed.collect()
}

/// A metric with one value.
struct Single<'a> {
    name: &'a str,
    kind: &'a str,
    help: &'a str,
}

impl Single<'_> {
    fn head(&self, text: &mut String) {
        let Self { name, kind, help } = self;
        put(
            text,
            format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"),
        );
    }

    fn write(&self, text: &mut String, value: &dyn Display) {
        self.head(text);
        put(text, format_args!("{} {value}\n", self.name));
    }
}

const fn gauge<'a>(name: &'a str, help: &'a str) -> Single<'a> {
    Single {
        name,
        kind: "gauge",
        help,
    }
}

fn put(text: &mut String, arguments: std::fmt::Arguments<'_>) {
    text.write_fmt(arguments)
        .expect("writing to a String cannot fail");
}

fn write_build(text: &mut String) {
    let name = "anomaly_build_info";
    gauge(name, "1, with the version and the commit of the program.").head(text);
    let (version, commit) = (env!("CARGO_PKG_VERSION"), env!("BUILD_COMMIT"));
    put(
        text,
        format_args!("{name}{{version=\"{version}\",commit=\"{commit}\"}} 1\n"),
    );
}

fn write_standing(text: &mut String, standing: &Standing) {
    let help = "Whether /readyz says that the process can take requests: 1 or 0.";
    gauge("anomaly_ready", help).write(text, &u8::from(standing.ready));
    let name = "anomaly_dependency_up";
    gauge(name, "Whether a dependency answers: 1 or 0.").head(text);
    for (dependency, up) in &standing.dependencies {
        let up = u8::from(*up);
        put(
            text,
            format_args!("{name}{{dependency=\"{dependency}\"}} {up}\n"),
        );
    }
}

/// Writes the metrics that Prometheus expects of every process, under the names it expects.
fn write_process(text: &mut String) {
    let Some(process) = ProcessStat::read() else {
        return;
    };
    let cpu = Single {
        name: "process_cpu_seconds_total",
        kind: "counter",
        help: "CPU time of the process, user and system.",
    };
    cpu.write(text, &process.cpu_seconds);
    let memory = "Memory of the process that is in RAM.";
    gauge("process_resident_memory_bytes", memory).write(text, &process.resident_bytes);
    gauge("process_threads", "Threads of the process.").write(text, &process.threads);
    if let Some(started) = started_at(&process) {
        let help = "When the process started, since 1970.";
        gauge("process_start_time_seconds", help).write(text, &started.as_secs_f64());
    }
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        gauge("process_open_fds", "Open file descriptors.").write(text, &open.count());
    }
    if let Some(most) = most_open_files() {
        let help = "The most file descriptors that the process may have open.";
        gauge("process_max_fds", help).write(text, &most);
    }
}

fn most_open_files() -> Option<u64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let mut lines = limits.lines();
    let line = lines.find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// When the process started, since 1970.
fn started_at(process: &ProcessStat) -> Option<Duration> {
    let age = Duration::try_from_secs_f64(process.age_seconds()?).ok()?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).ok()?;
    now.checked_sub(age)
}
