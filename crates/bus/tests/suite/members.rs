//! What the members of a group know of their partitions.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bus::{Assigned, Bus, Message, OffsetSource, Subscription};
use contract::{TopicOffset, TrainingData};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout},
};

use crate::{
    database::{Database, PATIENCE, publish, read},
    fixture::Fixture,
};

const GROUP: &str = "members";
const SERIES: [&str; 6] = ["a", "b", "c", "d", "sensor_1", "sensor_10"];
const SOON: Duration = Duration::from_millis(20);

type Member = Subscription<TrainingData>;

fn join(bus: &Bus, offsets: OffsetSource) -> anyhow::Result<(Member, watch::Receiver<Assigned>)> {
    let member = bus.subscribe(GROUP, offsets)?;
    let assigned = member.assignment();
    Ok((member, assigned))
}

/// What comes to `member` soon.
async fn next(member: &mut Member) -> anyhow::Result<Vec<Message<TrainingData>>> {
    let batch = timeout(SOON, member.next_batch(100, Duration::ZERO));
    Ok(batch.await.ok().transpose()?.unwrap_or_default())
}

/// Reads on with `members` until `done`; what comes is dropped.
async fn until(members: &mut [&mut Member], done: impl Fn() -> bool) -> anyhow::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        anyhow::ensure!(Instant::now() < deadline, "did not come about");
        for member in &mut *members {
            next(member).await?;
        }
    }
    Ok(())
}

fn partitions(assigned: &watch::Receiver<Assigned>) -> Vec<i32> {
    assigned.borrow().partitions.clone()
}

pub(crate) async fn know_what_they_read_and_lose_it_before_another_reads_it(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let database = Database::default();
    let (mut first, of_first) = join(&fixture.bus, database.offsets())?;
    assert_eq!(*of_first.borrow(), Assigned::default());
    until(&mut [&mut first], || partitions(&of_first) == [0, 1, 2, 3]).await?;
    assert_eq!(of_first.borrow().generation, 1);

    // Both read; what one reads, the other does not have.
    let (mut second, of_second) = join(&fixture.bus, database.offsets())?;
    let deadline = Instant::now() + PATIENCE;
    let (mut by_second, mut round) = (0, 0);
    while by_second < 20 {
        anyhow::ensure!(Instant::now() < deadline, "the second reads nothing");
        round += 1;
        publish(&fixture.bus, &SERIES, round..=round).await?;
        next(&mut first).await?;
        for message in next(&mut second).await? {
            let assigned = partitions(&of_first);
            assert!(!assigned.contains(&message.partition), "{assigned:?}");
            by_second += 1;
        }
    }
    let both = || -> Vec<i32> {
        let mut both = partitions(&of_first);
        both.extend(partitions(&of_second));
        both
    };
    until(&mut [&mut first, &mut second], || both().len() == 4).await?;
    assert_eq!(both().into_iter().collect::<BTreeSet<_>>().len(), 4);
    // Taken away, and given: each change can be told from the one before.
    assert!(of_first.borrow().generation >= 3);

    first.close().await;
    assert!(partitions(&of_first).is_empty());
    until(&mut [&mut second], || {
        partitions(&of_second) == [0, 1, 2, 3]
    })
    .await
}

/// A database that answers when it is allowed to.
#[derive(Clone)]
struct Gate {
    questions: Arc<Semaphore>,
    answers: Arc<Semaphore>,
    offsets: Arc<Mutex<Vec<TopicOffset>>>,
}

impl Gate {
    fn new() -> Self {
        Self {
            questions: Arc::new(Semaphore::new(0)),
            answers: Arc::new(Semaphore::new(0)),
            offsets: Arc::default(),
        }
    }

    /// Answers what was known when it was asked.
    fn offsets(&self) -> OffsetSource {
        let gate = self.clone();
        Arc::new(move |_log| {
            let gate = gate.clone();
            let known = gate.known().clone();
            gate.questions.add_permits(1);
            Box::pin(async move {
                gate.answers.acquire().await?.forget();
                Ok(known)
            })
        })
    }

    fn known(&self) -> MutexGuard<'_, Vec<TopicOffset>> {
        self.offsets.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn asked(&self) -> usize {
        self.questions.available_permits()
    }
}

pub(crate) async fn read_nothing_before_it_is_known_where(fixture: Fixture) -> anyhow::Result<()> {
    publish(&fixture.bus, &["a"], 1..=3).await?;
    let gate = Gate::new();
    let (mut member, assigned) = join(&fixture.bus, gate.offsets())?;
    let deadline = Instant::now() + PATIENCE;
    while gate.asked() == 0 {
        anyhow::ensure!(Instant::now() < deadline, "never asked");
        assert_eq!(next(&mut member).await?.len(), 0);
    }
    assert_eq!(*assigned.borrow(), Assigned::default());
    gate.answers.add_permits(100);
    assert_eq!(read(&mut member, 3).await?.len(), 3);
    assert_eq!(partitions(&assigned), [0, 1, 2, 3]);
    Ok(())
}

pub(crate) async fn read_again_from_where_the_database_says_and_stay_in_their_group(
    fixture: Fixture,
) -> anyhow::Result<()> {
    let database = Database::default();
    let (mut first, of_first) = join(&fixture.bus, database.offsets())?;
    let (mut second, mut of_second) = join(&fixture.bus, database.offsets())?;
    let shared = || partitions(&of_first).len() == 2 && partitions(&of_second).len() == 2;
    until(&mut [&mut first, &mut second], shared).await?;
    of_second.mark_unchanged();

    // Enough series that the first has some of them.
    publish(&fixture.bus, &SERIES, 1..=10).await?;
    let some = read(&mut first, 5).await?;
    let mine = some[0].partition;
    let (generation, asked) = (of_first.borrow().generation, database.asked());
    database.set_position(mine, 4);
    first.reread();
    assert!(partitions(&of_first).is_empty());
    let deadline = Instant::now() + PATIENCE;
    let mut again = Vec::new();
    while again.is_empty() {
        anyhow::ensure!(Instant::now() < deadline, "nothing comes again");
        let batch = next(&mut first).await?.into_iter();
        again.extend(batch.filter(|m| m.partition == mine).map(|m| m.offset));
    }
    // What was read ahead was dropped: it began below.
    assert_eq!(again[0], 4);
    assert_eq!(partitions(&of_first).len(), 2);
    assert_eq!(of_first.borrow().generation, generation + 2);
    assert_eq!(database.asked(), asked + 1);
    assert!(!of_second.has_changed()?, "the group was disturbed");
    Ok(())
}

pub(crate) async fn never_use_an_answer_from_before_they_asked_again(
    fixture: Fixture,
) -> anyhow::Result<()> {
    publish(&fixture.bus, &["a"], 1..=10).await?;
    let gate = Gate::new();
    let (mut member, _) = join(&fixture.bus, gate.offsets())?;
    let deadline = Instant::now() + PATIENCE;
    while gate.asked() == 0 {
        anyhow::ensure!(Instant::now() < deadline, "never asked");
        next(&mut member).await?;
    }
    let mut other: Member = fixture
        .bus
        .subscribe("other", Database::default().offsets())?;
    let partition = read(&mut other, 1).await?[0].partition;
    let applied = TopicOffset {
        partition,
        next_offset: 7,
    };
    gate.known().push(applied);
    member.reread();
    let began = Instant::now();
    until(&mut [&mut member], || gate.asked() >= 2).await?;
    // A question without an answer would be asked again after 5 s anyway.
    assert!(began.elapsed() < Duration::from_secs(4));
    gate.answers.add_permits(100);
    let offsets = read(&mut member, 3).await?.into_iter().map(|m| m.offset);
    assert_eq!(offsets.collect::<Vec<_>>(), [7, 8, 9]);
    Ok(())
}
