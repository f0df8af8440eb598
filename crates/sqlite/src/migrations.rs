//! Migrations that are compiled in.
//!
//! Written by hand instead of `sqlx::migrate!`, because the macro has all database drivers built a
//! second time, for the compiler. That takes a fifth of a first build.

use sqlx::migrate::{Migration, MigrationType, Migrator};

/// A migrator that runs `files` in order, each a name of the form `0001_what_it_does.sql` and its
/// text. It serves other databases, too.
///
/// # Panics
/// When a name does not have that form.
pub fn migrator(files: &[(&str, &'static str)]) -> Migrator {
    let migrations = files.iter().map(|(name, sql)| {
        let (number, what) = name
            .trim_end_matches(".sql")
            .split_once('_')
            .expect("a migration is named by number and description");
        let number = number.parse().expect("a migration has a number");
        let description = what.replace('_', " ").into();
        Migration::new(
            number,
            description,
            MigrationType::Simple,
            (*sql).into(),
            sql.starts_with("-- no-transaction"),
        )
    });
    Migrator {
        migrations: migrations.collect(),
        ..Migrator::DEFAULT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_migration_is_known_by_number_and_text() {
        let migrator = migrator(&[
            ("0001_log.sql", "SELECT 1"),
            ("0012_more_of_it.sql", "SELECT 2"),
        ]);
        let known: Vec<_> = migrator
            .iter()
            .map(|m| (m.version, m.description.to_string(), m.no_tx))
            .collect();
        assert_eq!(
            known,
            [
                (1, "log".to_owned(), false),
                (12, "more of it".to_owned(), false)
            ]
        );
        // As the macro computed it for databases that exist: SHA-384 of the text.
        assert_eq!(migrator.migrations[0].checksum.len(), 48);
    }

    #[tokio::test]
    async fn an_older_program_refuses_what_a_newer_one_has_migrated() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let database = crate::open(&folder.path().join("x.db"), crate::Durability::Normal).await?;
        let first = ("0001_first.sql", "CREATE TABLE kept (n INTEGER)");
        let second = ("0002_second.sql", "ALTER TABLE kept ADD COLUMN m INTEGER");
        migrator(&[first, second]).run(database.pool()).await?;
        let refused = migrator(&[first]).run(database.pool()).await.unwrap_err();
        assert!(
            matches!(refused, sqlx::migrate::MigrateError::VersionMissing(2)),
            "{refused}"
        );
        Ok(())
    }
}
