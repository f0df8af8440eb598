//! The examples: calls as clients send them and replies as the platform gave them, one after the
//! other. A test sends them all, in this order.

use serde_json::{Map, Value, json};

/// An example of a call.
#[derive(Clone, Debug)]
pub(crate) struct Example(Value);

/// All examples.
pub(crate) fn all() -> Vec<Example> {
    let text = include_str!("../examples.json");
    let list: Vec<Value> = serde_json::from_str(text).expect("the file is checked by a test");
    list.into_iter().map(Example).collect()
}

impl Example {
    /// The method and the path, as `POST /fit/{series_id}`.
    pub(crate) fn call(&self) -> &str {
        self.text("call")
    }

    /// What it shows, in a few words.
    pub(crate) fn name(&self) -> &str {
        self.text("name")
    }

    /// The name as a key of the document.
    pub(crate) fn key(&self) -> String {
        let is_word = |c: char| c.is_ascii_alphanumeric();
        let words = self
            .name()
            .split(|c| !is_word(c))
            .filter(|word| !word.is_empty());
        words.collect::<Vec<_>>().join("-").to_lowercase()
    }

    /// The status of the reply.
    pub(crate) fn status(&self) -> u64 {
        self.0["status"].as_u64().unwrap_or_default()
    }

    /// The media type of the reply; empty if it has no body.
    pub(crate) fn media(&self) -> &str {
        self.text("type")
    }

    /// The body of the request, if there is one: text, or that in Base64, as a string.
    pub(crate) fn body(&self) -> Option<&Value> {
        ["body", "text", "base64"]
            .iter()
            .find_map(|field| self.0.get(field))
    }

    /// The body of the reply, if it can be shown.
    pub(crate) fn reply(&self) -> Option<&Value> {
        self.0.get("reply")
    }

    /// The value of the parameter `name` of the path.
    pub(crate) fn in_path(&self, name: &str) -> Option<&Value> {
        self.0["path"].get(name)
    }

    /// The value of the parameter `name` of the query, percent-decoded as far as examples need it.
    pub(crate) fn in_query(&self, name: &str) -> Option<String> {
        let mut pairs = self
            .text("query")
            .split('&')
            .filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| *key == name)?;
        Some(value.replace("%3D", "="))
    }

    /// The value of the header `name`.
    pub(crate) fn in_headers(&self, name: &str) -> Option<&Value> {
        self.0["headers"].get(name)
    }

    /// What the page needs beside the bodies: where the request goes, with which headers.
    pub(crate) fn outline(&self) -> Value {
        let path = self.call().split_once(' ').map_or("", |(_, path)| path);
        let parameters = self.0["path"].as_object().into_iter().flatten();
        let mut target = parameters.fold(path.to_owned(), |path, (name, value)| {
            path.replace(&format!("{{{name}}}"), value.as_str().unwrap_or_default())
        });
        if !self.text("query").is_empty() {
            target = format!("{target}?{}", self.text("query"));
        }
        let mut outline = Map::new();
        outline.insert("key".to_owned(), self.key().into());
        outline.insert("summary".to_owned(), self.name().into());
        outline.insert("target".to_owned(), target.into());
        outline.insert("status".to_owned(), self.status().into());
        if let Some(headers) = self.0.get("headers") {
            outline.insert("headers".to_owned(), headers.clone());
        }
        outline.into()
    }

    /// The pair of key and example as the document has it.
    pub(crate) fn shown(&self, value: &Value) -> (String, Value) {
        (self.key(), json!({"summary": self.name(), "value": value}))
    }

    fn text(&self, field: &str) -> &str {
        self.0[field].as_str().unwrap_or_default()
    }
}
