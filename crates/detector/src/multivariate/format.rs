//! Models of columns as text, like models of series:
//! `{"format":5,"kind":"multivariate","params":{},"points":500,"columns":[{"name":"cpu","model":{…}},…],`
//! `"alone":{…},"following":{…},"checksum":"…"}`, with a `false_alarm_rate` if there is one.

use contract::{Columns, Params};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{ColumnModel, MultivariateModel, joint::Joint};
use crate::{
    BadModel, FORMAT, Model,
    model::{
        OptionalRate,
        format::{checksum, to_json, verify},
    },
    verdict::is_rate,
};

/// The kind of such a document.
pub(crate) const KIND: &str = "multivariate";

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    format: u32,
    kind: String,
    params: Params,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    false_alarm_rate: Option<f64>,
    points: u64,
    columns: Vec<StoredColumn>,
    alone: Joint,
    following: Joint,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StoredColumn {
    name: String,
    model: Box<RawValue>,
}

impl MultivariateModel {
    /// The model as JSON.
    pub fn to_json(&self) -> String {
        let mut stored = self.stored();
        stored.checksum = Some(checksum(&stored));
        to_json(&stored)
    }

    /// The checksum of the model: SHA-256 of its JSON without it, in hexadecimal.
    pub fn checksum(&self) -> String {
        checksum(&self.stored())
    }

    fn stored(&self) -> Stored {
        let column = |column: &ColumnModel| StoredColumn {
            name: column.name.clone(),
            model: RawValue::from_string(column.model.to_json()).expect("a model is JSON"),
        };
        Stored {
            format: FORMAT,
            kind: KIND.to_owned(),
            params: self.params.clone(),
            false_alarm_rate: self.rate.get(),
            points: self.points,
            columns: self.columns.iter().map(column).collect(),
            alone: self.alone.clone(),
            following: self.following.clone(),
            checksum: None,
        }
    }

    /// Reads the text that [`Self::to_json`] wrote.
    ///
    /// # Errors
    /// [`BadModel`] for any other text.
    pub fn from_json(json: &str) -> Result<Self, BadModel> {
        let mut stored: Stored = serde_json::from_str(json)?;
        verify(stored.checksum.take(), || checksum(&stored))?;
        let column = |column: StoredColumn| {
            let model = Model::from_json(column.model.get())?;
            let name = column.name;
            Ok(ColumnModel { name, model })
        };
        let columns: Result<Vec<ColumnModel>, BadModel> =
            stored.columns.into_iter().map(column).collect();
        let columns = columns?;
        let n = columns.len();
        let names = columns.iter().map(|column| (column.name.clone(), ()));
        let sound = Columns::new(names.collect()).is_ok()
            && stored.alone.is_sound(n)
            && stored.following.is_sound(n)
            && stored.false_alarm_rate.as_ref().is_none_or(is_rate);
        // Format 3 is the same, with other models in it.
        if stored.kind != KIND || !(3..=FORMAT).contains(&stored.format) || !sound {
            return Err(BadModel::OutOfRange);
        }
        Ok(Self {
            columns,
            alone: stored.alone,
            following: stored.following,
            points: stored.points,
            rate: OptionalRate::new(stored.false_alarm_rate),
            params: stored.params,
        })
    }
}
