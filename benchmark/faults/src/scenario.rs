//! All scenarios: a fault, and what is expected of the platform.

use std::time::Duration;

use testkit::{distributed::Service, servers::Server};

use crate::{
    crowd::Crowd,
    damage::Damage,
    fault::{Fault, Link, Target},
    proxy::Trouble,
};

/// How the platform is put together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One process over SQLite.
    Standalone,
    /// Two processes of each service and one gateway, over three nodes of Kafka, Postgres and Redis.
    Cluster,
}

impl Form {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Standalone => "standalone",
            Self::Cluster => "cluster",
        }
    }
}

/// A fault and what is expected. Of every scenario it is expected that nothing acknowledged is lost
/// or there twice, and that readiness is true.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// The platform that it happens to.
    pub form: Form,
    /// The faults; each run has one of them, in turn.
    pub faults: Vec<Fault>,
    /// How long after the end of the fault fits and predictions have to work again.
    pub recovers_within: Duration,
}

/// Time to start a process anew, on a busy machine.
const START: Duration = Duration::from_secs(10);
/// Time to start a server anew and to have every client find it again.
const SERVER_START: Duration = Duration::from_secs(30);

/// How long processes are frozen.
const FREEZES: [Duration; 3] = [
    Duration::from_secs(8),
    Duration::from_secs(30),
    Duration::from_secs(120),
];

/// The parts of the distributed form.
const PARTS: [Target; 10] = [
    Target::Service(Service::Gateway),
    Target::Service(Service::Trainer),
    Target::Service(Service::Predictor),
    Target::Service(Service::Observer),
    Target::Service(Service::MetricsConsumer),
    Target::Service(Service::TrainingDataConsumer),
    Target::Server(Server::Kafka2),
    Target::AllKafka,
    Target::Server(Server::Postgres),
    Target::Server(Server::Redis),
];

/// How long a disk is full and a network is in trouble.
const TROUBLED: Duration = Duration::from_secs(10);

/// What happens to files.
const DAMAGES: [(Damage, &str); 2] = [
    (Damage::BitFlips(20), "bit-flips"),
    (Damage::CutInHalf, "cut"),
];

/// Clients that want more than their share.
const CROWDS: [(Crowd, &str); 3] = [
    (Crowd::Idle(10_000), "idle"),
    (Crowd::Slow(2_048), "slow"),
    (Crowd::Greedy(512), "greedy"),
];

/// Connections, by what they lead to.
const LINKS: [(Link, &str); 4] = [
    (Link::Trainer, "trainer"),
    (Link::Predictor, "predictor"),
    (Link::Postgres, "postgres"),
    (Link::Redis, "redis"),
];

/// What networks do.
const TROUBLES: [(Trouble, &str); 5] = [
    (Trouble::Latency(Duration::from_millis(50)), "latency"),
    (Trouble::Silence, "silence"),
    (Trouble::NoReplies, "no-replies"),
    (Trouble::Resets, "resets"),
    (Trouble::HalfOpen, "half-open"),
];

/// All scenarios.
pub fn all() -> Vec<Scenario> {
    let mut all = of_target(Form::Standalone, Target::Standalone);
    all.push(full_disk(Form::Standalone, Target::Standalone));
    all.push(single(
        "standalone-lost-log",
        Form::Standalone,
        Fault::LostLog,
    ));
    for (step, name) in [
        ("+1d", "day-ahead"),
        ("-1d", "day-back"),
        ("+10y", "years-ahead"),
        ("-10y", "years-back"),
    ] {
        let name = format!("standalone-clock-{name}");
        let fault = Fault::ClockStep(step, TROUBLED);
        all.push(single(&name, Form::Standalone, fault));
    }
    for file in ["store.db", "events.db", "stats.db"] {
        for (damage, name) in DAMAGES {
            let name = format!("standalone-{name}-{}", file.trim_end_matches(".db"));
            let fault = Fault::Damage(damage, file);
            all.push(single(&name, Form::Standalone, fault));
        }
    }
    for form in [Form::Standalone, Form::Cluster] {
        for (crowd, name) in CROWDS {
            let name = format!("{}-crowd-{name}", form.name());
            all.push(single(&name, form, Fault::Crowd(crowd, TROUBLED)));
        }
    }
    for part in PARTS {
        all.extend(of_target(Form::Cluster, part));
    }
    all.push(single("cluster-poison", Form::Cluster, Fault::Poison));
    all.push(single(
        "cluster-rolling-restart",
        Form::Cluster,
        Fault::RollingRestart,
    ));
    for server in [Server::Kafka2, Server::Postgres, Server::Redis] {
        all.push(full_disk(Form::Cluster, Target::Server(server)));
    }
    for (link, name) in LINKS {
        all.extend(TROUBLES.map(|(trouble, what)| Scenario {
            name: format!("cluster-network-{name}-{what}"),
            form: Form::Cluster,
            faults: vec![Fault::Network(link, trouble, TROUBLED)],
            recovers_within: START,
        }));
    }
    all.extend([Form::Standalone, Form::Cluster].map(soak));
    all
}

fn single(name: &str, form: Form, fault: Fault) -> Scenario {
    Scenario {
        name: name.to_owned(),
        form,
        faults: vec![fault],
        recovers_within: START,
    }
}

/// Kills of all parts, then short stops of all, and so on.
fn soak(form: Form) -> Scenario {
    let targets = match form {
        Form::Standalone => &[Target::Standalone][..],
        Form::Cluster => &PARTS,
    };
    let kills = targets.iter().map(|target| Fault::Kill(*target));
    let freezes = targets
        .iter()
        .map(|target| Fault::Freeze(*target, FREEZES[0]));
    Scenario {
        name: format!("{}-soak", form.name()),
        form,
        faults: kills.chain(freezes).collect(),
        recovers_within: SERVER_START,
    }
}

fn full_disk(form: Form, target: Target) -> Scenario {
    let part = match target {
        Target::Standalone => String::new(),
        part => format!("-{}", part.name()),
    };
    Scenario {
        name: format!("{}{part}-disk-full", form.name()),
        form,
        faults: vec![Fault::FullDisk(target, TROUBLED)],
        recovers_within: SERVER_START,
    }
}

/// Kills, restarts and freezes of `target`.
fn of_target(form: Form, target: Target) -> Vec<Scenario> {
    let (within, restarts) = match target {
        Target::Standalone | Target::Service(_) => (START, true),
        Target::Server(_) | Target::AllKafka => (SERVER_START, false),
    };
    let restart = restarts.then_some(("restart".to_owned(), Fault::Restart(target)));
    let freeze = |time: Duration| {
        let name = format!("freeze-{}s", time.as_secs());
        (name, Fault::Freeze(target, time))
    };
    let faults = std::iter::once(("kill".to_owned(), Fault::Kill(target)))
        .chain(restart)
        .chain(FREEZES.map(freeze));
    let scenario = |(what, fault)| Scenario {
        name: match target {
            Target::Standalone => format!("standalone-{what}"),
            part => format!("{}-{}-{what}", form.name(), part.name()),
        },
        form,
        faults: vec![fault],
        recovers_within: within,
    };
    faults.map(scenario).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_name_is_there_once() {
        let all = all();
        let names: BTreeSet<_> = all.iter().map(|scenario| &scenario.name).collect();
        assert_eq!(names.len(), all.len());
    }
}
