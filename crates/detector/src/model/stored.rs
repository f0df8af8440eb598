//! A model of either kind, as stores and caches hold it.

use contract::{DetectorName, Params};
use serde::Deserialize;

use super::Model;
use crate::{
    BadModel,
    multivariate::{MultivariateModel, format::KIND},
};

/// A model of a series of numbers, or of columns that belong together.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly all models are of numbers, and a box would cost each prediction a jump"
)]
pub enum StoredModel {
    /// Of a series of numbers.
    Univariate(Model),
    /// Of columns that belong together.
    Multivariate(Box<MultivariateModel>),
}

/// The field by which kinds of models are told apart.
#[derive(Deserialize)]
struct Kind {
    #[serde(default)]
    kind: Option<String>,
}

impl StoredModel {
    /// Reads the text of a model of either kind, in this or any earlier format.
    ///
    /// # Errors
    /// [`BadModel`] for any other text.
    pub fn from_json(json: &str) -> Result<Self, BadModel> {
        let Kind { kind } = serde_json::from_str(json)?;
        if kind.as_deref() == Some(KIND) {
            let model = MultivariateModel::from_json(json)?;
            return Ok(Self::Multivariate(Box::new(model)));
        }
        Model::from_json(json).map(Self::Univariate)
    }

    /// The model as JSON.
    pub fn to_json(&self) -> String {
        match self {
            Self::Univariate(model) => model.to_json(),
            Self::Multivariate(model) => model.to_json(),
        }
    }

    /// The checksum of the model: SHA-256 of its JSON without it, in hexadecimal.
    pub fn checksum(&self) -> String {
        match self {
            Self::Univariate(model) => model.checksum(),
            Self::Multivariate(model) => model.checksum(),
        }
    }

    /// The detector of the model, or of its columns.
    pub fn detector(&self) -> DetectorName {
        match self {
            Self::Univariate(model) => model.detector(),
            Self::Multivariate(model) => model.detector(),
        }
    }

    /// The parameters in force; of columns, those that the request named.
    pub fn params(&self) -> Params {
        match self {
            Self::Univariate(model) => model.params(),
            Self::Multivariate(model) => model.params(),
        }
    }

    /// The number of training points, or rows.
    pub fn points(&self) -> u64 {
        match self {
            Self::Univariate(model) => model.points(),
            Self::Multivariate(model) => model.points(),
        }
    }

    /// The number of training points that are stored with the model: those of all columns.
    pub fn stored_points(&self) -> u64 {
        match self {
            Self::Univariate(model) => model.points(),
            Self::Multivariate(model) => model.points() * model.columns().len() as u64,
        }
    }

    /// The memory that the model takes, in bytes.
    pub fn memory_bytes(&self) -> usize {
        match self {
            Self::Univariate(model) => {
                size_of::<Self>() - size_of::<Model>() + model.memory_bytes()
            }
            Self::Multivariate(model) => size_of::<Self>() + model.memory_bytes(),
        }
    }
}

impl From<Model> for StoredModel {
    fn from(model: Model) -> Self {
        Self::Univariate(model)
    }
}

impl From<MultivariateModel> for StoredModel {
    fn from(model: MultivariateModel) -> Self {
        Self::Multivariate(Box::new(model))
    }
}
