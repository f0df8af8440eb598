//! Members that keep their name when they come back: something that only Kafka knows.

mod kafka {
    use std::time::Duration;

    use bus::{Assigned, Bus, BusError, SubscribeOptions, Subscription};
    use contract::TrainingData;
    use tokio::{
        sync::watch,
        time::{Instant, timeout},
    };

    use crate::{
        database::{Database, PATIENCE, publish, read},
        fixture::{Fixture, brokers, config, unique_prefix},
    };

    type Member = Subscription<TrainingData>;

    async fn fixture() -> anyhow::Result<Fixture> {
        let mut config = config(brokers()?, unique_prefix()?);
        // Longer than any test takes: nobody's session ends.
        config.kafka_session_timeout_ms = 60_000;
        Fixture::kafka_with(config).await
    }

    fn join(bus: &Bus, name: &str) -> anyhow::Result<(Member, watch::Receiver<Assigned>)> {
        let options = SubscribeOptions {
            instance: Some(name.to_owned()),
            ..SubscribeOptions::default()
        };
        let member: Member =
            bus.subscribe_with("observers", Database::default().offsets(), options)?;
        let assigned = member.assignment();
        Ok((member, assigned))
    }

    async fn reads(
        assigned: &mut watch::Receiver<Assigned>,
        count: usize,
    ) -> anyhow::Result<Vec<i32>> {
        let reads = assigned.wait_for(|assigned| assigned.partitions.len() == count);
        Ok(timeout(PATIENCE, reads).await??.partitions.clone())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka: TEST_KAFKA_BROKERS"]
    async fn one_that_is_back_in_time_has_its_partitions_and_no_other_notices() -> anyhow::Result<()>
    {
        let fixture = fixture().await?;
        let (first, mut of_first) = join(&fixture.bus, "o-1")?;
        reads(&mut of_first, 4).await?;
        let (second, mut of_second) = join(&fixture.bus, "o-2")?;
        let theirs = reads(&mut of_second, 2).await?;
        let its = reads(&mut of_first, 2).await?;
        let before = of_second.borrow().generation;

        // The first leads the group, the second does not: both come back.
        for (member, name) in [(first, "o-1"), (second, "o-2")] {
            member.close().await;
            let began = Instant::now();
            let (back, mut of_back) = join(&fixture.bus, name)?;
            let expected = if name == "o-1" { &its } else { &theirs };
            assert_eq!(reads(&mut of_back, 2).await?, *expected);
            assert!(began.elapsed() < Duration::from_secs(10));
            if name == "o-1" {
                assert_eq!(of_second.borrow().generation, before);
            }
            drop(back);
        }
        Ok(())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    #[ignore = "needs Kafka: TEST_KAFKA_BROKERS"]
    async fn of_two_with_one_name_the_older_is_shut_out_and_told() -> anyhow::Result<()> {
        let fixture = fixture().await?;
        let (mut older, mut of_older) = join(&fixture.bus, "o-1")?;
        reads(&mut of_older, 4).await?;
        let (mut newer, mut of_newer) = join(&fixture.bus, "o-1")?;
        let told = timeout(PATIENCE, older.next_batch(1, Duration::ZERO)).await?;
        let error = told.err();
        assert!(
            matches!(&error, Some(error @ BusError::Fenced { .. }) if error.is_permanent()),
            "{error:?}"
        );
        let told = error.map(|error| error.to_string()).unwrap_or_default();
        assert!(told.contains("as o-1, and this one is shut out"), "{told}");
        assert!(of_older.borrow().partitions.is_empty());
        reads(&mut of_newer, 4).await?;
        publish(&fixture.bus, &["a"], 1..=3).await?;
        assert_eq!(read(&mut newer, 3).await?.len(), 3);
        Ok(())
    }
}
