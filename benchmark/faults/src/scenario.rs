//! All scenarios: a fault, and what is expected of the platform.

use std::time::Duration;

use testkit::{distributed::Service, servers::Server};

use crate::fault::{Fault, Target};

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
    /// The fault.
    pub fault: Fault,
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
const PARTS: [Target; 9] = [
    Target::Service(Service::Gateway),
    Target::Service(Service::Trainer),
    Target::Service(Service::Predictor),
    Target::Service(Service::MetricsConsumer),
    Target::Service(Service::TrainingDataConsumer),
    Target::Server(Server::Kafka2),
    Target::AllKafka,
    Target::Server(Server::Postgres),
    Target::Server(Server::Redis),
];

/// All scenarios.
pub fn all() -> Vec<Scenario> {
    let mut all = of_target(Form::Standalone, Target::Standalone);
    for part in PARTS {
        all.extend(of_target(Form::Cluster, part));
    }
    all
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
        fault,
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
