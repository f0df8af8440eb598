//! Series and models, as the registry shows them.

use anyhow::ensure;
use contract::{ModelList, Revision, SeriesDetail, SeriesList, Version};
use serde_json::{Value, json};

use crate::fixture::{Fixture, THREE};

const PUT_V1: &str = r#"{"version":"v1"}"#;

fn version(number: u32) -> Version {
    Version::new(number).expect("not zero")
}

#[tokio::test]
async fn series_are_listed_by_prefix_in_pages() -> anyhow::Result<()> {
    let fixture = Fixture::new().await?;
    let empty = fixture.get("/v1/series").await?;
    assert_eq!(empty.body, "{\"series\":[],\"next\":null}\n");
    for id in ["b%20", "a", "B", "b_1", "b1", "c", "b%25", "%C3%A9"] {
        ensure!(fixture.fit(id, THREE).await?.status == 200, "{id}");
    }
    let page = async |query: &str| {
        let reply = fixture.get(&format!("/v1/series?{query}")).await?;
        let list: SeriesList = serde_json::from_value(reply.json()?)?;
        let ids: Vec<_> = list
            .series
            .iter()
            .map(|s| s.series_id.to_string())
            .collect();
        anyhow::Ok((ids.join(" | "), list.next))
    };
    assert_eq!(
        page("").await?,
        ("B | a | b  | b% | b1 | b_1 | c | é".to_owned(), None)
    );
    let first = page("prefix=b&limit=3").await?;
    assert_eq!(first, ("b  | b% | b1".to_owned(), Some("b1".to_owned())));
    assert_eq!(
        page("prefix=b&limit=3&after=b1").await?,
        ("b_1".to_owned(), None)
    );
    assert_eq!(page("prefix=b&limit=4").await?.1, None);
    // What a database would take for a pattern is just a letter.
    assert_eq!(page("prefix=b_").await?.0, "b_1");
    assert_eq!(page("prefix=b%25").await?.0, "b%");
    assert_eq!(page("prefix=%C3%A9").await?.0, "é");
    assert_eq!(page("prefix=nothing").await?.0, "");
    assert_eq!(page("after=c&limit=1").await?.0, "é");
    Ok(())
}

#[tokio::test]
async fn a_series_tells_which_version_judges_and_what_its_versions_are_called() -> anyhow::Result<()>
{
    let fixture = Fixture::fitted(3).await?;
    let reply = fixture.get("/v1/series/s").await?;
    let before: SeriesDetail = serde_json::from_value(reply.json()?)?;
    assert_eq!(before.summary.series_id.as_str(), "s");
    assert_eq!(
        (before.summary.serving, before.summary.newest),
        (version(3), version(3))
    );
    assert_eq!(
        (before.summary.models, before.summary.revision),
        (3, Revision(3))
    );
    assert_eq!(before.aliases, []);

    let set = fixture.put("/v1/series/s/aliases/champion", PUT_V1).await?;
    assert_eq!(
        (set.status.as_u16(), set.json()?["version"].clone()),
        (200, json!("v1"))
    );
    fixture
        .put("/v1/series/s/aliases/canary", r#"{"version":"champion"}"#)
        .await?;
    fixture
        .put("/v1/series/s/aliases/canary", r#"{"version":"v2"}"#)
        .await?;
    let reply = fixture.get("/v1/series/s").await?;
    let after: SeriesDetail = serde_json::from_value(reply.json()?)?;
    assert_eq!(
        (after.summary.serving, after.summary.newest),
        (version(1), version(3))
    );
    assert_eq!(after.summary.revision, Revision(6));
    assert!(after.summary.changed_at >= before.summary.changed_at);
    let aliases = after.aliases.iter().map(|alias| {
        (
            alias.name.as_str(),
            alias.version.number(),
            alias.previous.map(Version::number),
        )
    });
    assert_eq!(
        aliases.collect::<Vec<_>>(),
        [("canary", 2, Some(1)), ("champion", 1, Some(3))]
    );

    let canary = fixture.get("/v1/series/s/aliases/canary").await?.json()?;
    assert_eq!(canary, reply.json()?["aliases"][0]);
    let listed = fixture.get("/v1/series").await?.json()?;
    assert_eq!(listed["series"][0]["serving"], "v1");
    Ok(())
}

#[tokio::test]
async fn models_are_listed_newest_first_with_all_there_is_to_know() -> anyhow::Result<()> {
    let fixture = Fixture::fitted(2).await?;
    let body = r#"{"timestamps":[30,10,20,40],"values":[1,2,3,4],"detector":"sigma"}"#;
    assert_eq!(fixture.fit("s", body).await?.version()?, "v3");
    fixture.put("/v1/series/s/aliases/best", PUT_V1).await?;

    let reply = fixture.get("/v1/series/s/models").await?;
    let list: ModelList = serde_json::from_value(reply.json()?)?;
    let numbers: Vec<_> = list
        .models
        .iter()
        .map(|model| model.version.number())
        .collect();
    assert_eq!((numbers, list.next), (vec![3, 2, 1], None));
    let newest = &list.models[0];
    assert_eq!(
        (newest.points, newest.first_timestamp, newest.last_timestamp),
        (4, 10, 40)
    );
    assert_eq!(newest.detector.as_str(), "sigma");
    assert!(
        newest.serving && newest.fit_ms > 0.0 && newest.size_bytes > 0,
        "{newest:?}"
    );
    assert_eq!((newest.checksum.len(), newest.aliases.len()), (64, 0));
    assert_eq!(list.models[2].aliases[0].as_str(), "best");

    let first = fixture.get("/v1/series/s/models?limit=2").await?.json()?;
    assert_eq!(
        (first["models"][1]["version"].clone(), &first["next"]),
        (json!("v2"), &json!("v2"))
    );
    let rest = fixture
        .get("/v1/series/s/models?limit=2&before=v2")
        .await?
        .json()?;
    assert_eq!(rest["models"].as_array().map(Vec::len), Some(1));
    assert_eq!(
        (&rest["models"][0], &rest["next"]),
        (&reply.json()?["models"][2], &Value::Null)
    );
    for path in ["v1", "best"] {
        let one = fixture
            .get(&format!("/v1/series/s/models/{path}"))
            .await?
            .json()?;
        assert_eq!(one, rest["models"][0], "{path}");
    }
    Ok(())
}
