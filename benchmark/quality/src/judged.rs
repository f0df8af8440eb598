//! The verdicts of a detector on a series, and their files.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::{Context, Result, ensure};
use flate2::{Compression, write::GzEncoder};

use crate::data::{Series, has_column, numbers};

/// One entry for every point after the training.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Judged {
    /// How anomalous, for ranking.
    pub(crate) score: Vec<f64>,
    /// The emitted strength of alarm: 1 and more is one.
    pub(crate) ratio: Vec<f64>,
    /// Whether an alarm is raised.
    pub(crate) alarm: Vec<bool>,
    /// The score that is known half a window later. Empty for a detector without one.
    pub(crate) delayed: Vec<f64>,
}

impl Judged {
    /// The cause of these alarms, all of one strength.
    pub(crate) fn of_alarms(alarm: Vec<bool>) -> Self {
        let strength: Vec<f64> = alarm.iter().map(|a| f64::from(u8::from(*a))).collect();
        Self {
            score: strength.clone(),
            ratio: strength,
            alarm,
            delayed: Vec::new(),
        }
    }

    /// Adds a point.
    pub(crate) fn push(&mut self, score: f64, ratio: f64, alarm: bool) {
        self.score.push(score);
        self.ratio.push(ratio);
        self.alarm.push(alarm);
    }

    /// The alarms as strengths, 1 for one and 0 for none.
    pub(crate) fn verdicts(&self) -> Vec<f64> {
        self.alarm.iter().map(|a| f64::from(u8::from(*a))).collect()
    }

    /// From `folder/NAME` or `folder/NAME.gz`: a row for every point of the series, the column
    /// `anomaly_score` (the strength of alarm) and perhaps `score` and `delayed`.
    ///
    /// # Errors
    /// There is no such file, or it has too few rows.
    pub(crate) fn load(folder: &Path, series: &Series) -> Result<Self> {
        let path = folder.join(&series.name);
        let read = |name: &str| -> Result<Vec<f64>> {
            let rows = numbers(&path, name)?;
            let (found, expected) = (rows.len(), series.points.len());
            ensure!(found == expected, "{found} rows for {expected} points");
            Ok(rows[series.train..].to_vec())
        };
        let ratio = read("anomaly_score")?;
        let score = match has_column(&path, "score")? {
            true => read("score")?,
            false => ratio.clone(),
        };
        let delayed = match has_column(&path, "delayed")? {
            true => read("delayed")?,
            false => Vec::new(),
        };
        Ok(Self {
            alarm: ratio.iter().map(|r| *r >= 1.0).collect(),
            score,
            ratio,
            delayed,
        })
    }

    /// Writes what [`Self::load`] reads; points of the training get zeros.
    pub(crate) fn save(&self, folder: &Path, series: &Series) -> Result<()> {
        let packed = series.name.ends_with(".gz");
        let name = format!("{}{}", series.name, if packed { "" } else { ".gz" });
        let path = folder.join(name);
        let parent = path.parent().context("a file lies in a folder")?;
        fs::create_dir_all(parent).with_context(|| parent.display().to_string())?;
        let file = File::create(&path).with_context(|| path.display().to_string())?;
        let mut out = csv::Writer::from_writer(GzEncoder::new(file, Compression::fast()));
        let mut columns = vec![("anomaly_score", &self.ratio), ("score", &self.score)];
        if !self.delayed.is_empty() {
            columns.push(("delayed", &self.delayed));
        }
        out.write_record(columns.iter().map(|(name, _)| name))?;
        for _ in 0..series.train {
            out.write_record(columns.iter().map(|_| "0"))?;
        }
        for i in 0..self.ratio.len() {
            out.write_record(columns.iter().map(|(_, rows)| rows[i].to_string()))?;
        }
        let packer = out.into_inner().context("the file is full")?;
        packer.finish()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use contract::Point;

    use super::*;

    #[test]
    fn what_was_saved_is_loaded_to_the_last_digit() {
        let folder = tempfile::tempdir().unwrap();
        let point = |timestamp| Point {
            timestamp,
            value: 0.0,
        };
        let mut series = Series {
            name: "group/a.csv".to_owned(),
            group: "group".to_owned(),
            points: (0..4).map(point).collect(),
            train: 2,
            spans: Vec::new(),
        };
        let judged = Judged {
            score: vec![0.1 + 0.2, 1e-300],
            ratio: vec![1.0, 0.0],
            alarm: vec![true, false],
            delayed: vec![1.0 / 3.0, 2.0],
        };
        judged.save(folder.path(), &series).unwrap();
        assert_eq!(Judged::load(folder.path(), &series).unwrap(), judged);
        series.points.pop();
        let error = Judged::load(folder.path(), &series).unwrap_err();
        assert_eq!(error.to_string(), "4 rows for 3 points");
    }
}
