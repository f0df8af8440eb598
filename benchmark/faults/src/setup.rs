//! Starts the platform that a scenario needs: with a disk, a clock or a network of its own.

use testkit::{
    distributed::{self, Distributed, Service},
    servers::{OwnServers, Server, Servers},
};

use crate::{
    clock::Clock,
    damage,
    disk::Disk,
    fault::{Fault, Link, Target},
    platform::{Cluster, Platform, SHAPE, Standalone},
    proxy::Proxy,
    report::Outcome,
    scenario::{Form, Scenario},
    session::Session,
};

/// Repeats `scenario` that many times.
///
/// # Errors
/// When the platform cannot be started. What it does wrong later is in the outcome.
pub async fn run(scenario: &Scenario, runs: usize) -> anyhow::Result<Outcome> {
    if let [Fault::Damage(damage, file)] = scenario.faults[..] {
        return damage::run(damage, file, runs).await;
    }
    match scenario.form {
        Form::Standalone => {
            let folder = tempfile::tempdir()?;
            let (disk, clock) = match scenario.faults[..] {
                [Fault::FullDisk(..)] => (Some(Disk::under(folder.path())?), None),
                [Fault::ClockStep(..)] => (None, Some(Clock::in_folder(folder.path())?)),
                _ => (None, None),
            };
            let standalone = Standalone::start(folder.path(), disk, clock).await?;
            let mut platform = Platform::Standalone(standalone);
            let session = Session::start(&mut platform).await?;
            Ok(session.run(scenario, runs).await)
        }
        Form::Cluster => run_in_cluster(scenario, runs).await,
    }
}

async fn run_in_cluster(scenario: &Scenario, runs: usize) -> anyhow::Result<Outcome> {
    let servers = OwnServers::start_with(3).await?;
    let disk = match scenario.faults[..] {
        [Fault::FullDisk(Target::Server(server), _)] => {
            servers.halt(&[server]).await?;
            let disk = Disk::under(&servers.data(server)?)?;
            servers.resume(&[server]).await?;
            Some(disk)
        }
        _ => None,
    };
    let (addresses, before_server) = match scenario.faults[..] {
        [Fault::Network(link, ..)] => through_proxy(&servers, link).await?,
        _ => (servers.addresses(), None),
    };
    let mut outcome = None;
    let ended = distributed::run(addresses, SHAPE, async |services| {
        let before_backend = match scenario.faults[..] {
            [Fault::Network(link, ..)] => before_backend(services, link).await?,
            _ => None,
        };
        let mut platform = Platform::Cluster(Cluster {
            services,
            servers: &servers,
            proxy: before_server.as_ref().or(before_backend.as_ref()),
            disk: disk.as_ref(),
        });
        let session = Session::start(&mut platform).await?;
        outcome = Some(session.run(scenario, runs).await);
        Ok(())
    })
    .await;
    match (outcome, ended) {
        (Some(outcome), Ok(())) => Ok(outcome),
        (Some(mut outcome), Err(error)) => {
            outcome.failed(format!("at the stop: {error:#}"));
            Ok(outcome)
        }
        (None, ended) => ended.and_then(|()| anyhow::bail!("nothing was run")),
    }
}

/// The addresses of `servers`, with a proxy before the one that `link` leads to, if it leads to one.
async fn through_proxy(
    servers: &OwnServers,
    link: Link,
) -> anyhow::Result<(Servers, Option<Proxy>)> {
    let mut addresses = servers.addresses();
    let (server, address) = match link {
        Link::Postgres => (Server::Postgres, &mut addresses.database_url),
        Link::Redis => (Server::Redis, &mut addresses.redis_url),
        Link::Trainer | Link::Predictor => return Ok((addresses, None)),
    };
    let port = servers.port(server);
    let proxy = Proxy::start(([127, 0, 0, 1], port).into()).await?;
    let (before, after) = (format!(":{port}/"), format!(":{}/", proxy.addr().port()));
    *address = address.replace(&before, &after);
    Ok((addresses, Some(proxy)))
}

/// Has the gateway reach the first trainer or predictor through a proxy, if `link` leads to one.
async fn before_backend(services: &mut Distributed, link: Link) -> anyhow::Result<Option<Proxy>> {
    let (service, variable) = match link {
        Link::Trainer => (Service::Trainer, "TRAINER_URL"),
        Link::Predictor => (Service::Predictor, "PREDICTOR_URL"),
        Link::Postgres | Link::Redis => return Ok(None),
    };
    let proxy = Proxy::start(services.addr(service, 0)).await?;
    let second = services.addr(service, 1);
    let origins = format!("http://{},http://{second}", proxy.addr());
    services.set(variable, &origins);
    services.stop(Service::Gateway, 0).await?;
    services.start(Service::Gateway, 0).await?;
    Ok(Some(proxy))
}
