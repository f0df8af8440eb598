//! `POST /observe/{series_id}` and `POST /v1/points`: points are appended to the log, and judged
//! when they are read back from it.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use bus::TraceParent;
use contract::{
    AcceptedPoints, AcceptedReply, EndpointName, MAX_POINTS_PER_RECORD, ObserveManyReply,
    ObserveReply, ObserveRequest, ObservedPoint, POINT_PARTITIONS, Parsed, Point, PointCounts,
    PointStatus, PointsRecord, SeriesId, TimeUnit, partition_of,
};
use http_server::{BadParameter, Fallible, Query, RequestContext, json, read_body};
use service::{prefixes, series::SeriesPath, task::on_main};

use crate::{App, error::Error, header, waiters::Answer};

const MAX_BODY: usize = EndpointName::Observe.endpoint().body.max();
const MAX_POINTS_BODY: usize = EndpointName::AppendPoints.endpoint().body.max();

/// How long a request waits for its verdict unless it says otherwise.
pub(crate) const DEFAULT_WAIT: Duration = Duration::from_secs(2);
/// The longest that it may wait, in milliseconds.
const MAX_WAIT_MS: u64 = 10_000;

/// A point and its series.
type SeriesPoint = (SeriesId, Point);

/// The query of an observation.
struct ObserveQuery {
    wait: Duration,
    quiet: bool,
}

impl ObserveQuery {
    fn parse(query: &str) -> Result<Self, Error> {
        let query = Query::parse(query).of_only(&["wait_ms", "notify"])?;
        let wait = match query.get("wait_ms")? {
            None => DEFAULT_WAIT,
            Some(text) => {
                let ms = text.parse().ok().filter(|ms| *ms <= MAX_WAIT_MS);
                let rule = format!("it is not a whole number from 0 to {MAX_WAIT_MS}");
                Duration::from_millis(ms.ok_or_else(|| BadParameter::invalid("wait_ms", rule))?)
            }
        };
        Ok(Self {
            wait,
            quiet: is_quiet(&query)?,
        })
    }
}

fn is_quiet(query: &Query<'_>) -> Result<bool, Error> {
    match query.get("notify")? {
        None | Some("true") => Ok(false),
        Some("false") => Ok(true),
        Some(_) => Err(BadParameter::invalid("notify", "it is neither true nor false").into()),
    }
}

/// Judges and learns the points in the body.
pub(crate) async fn observe(
    State(app): State<Arc<App>>,
    SeriesPath(series): SeriesPath,
    request: Request,
) -> Fallible<Response> {
    let start = Instant::now();
    let (head, body) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    let query = ObserveQuery::parse(head.uri.query().unwrap_or_default()).map_err(refused)?;
    let body = read_body(body, MAX_BODY).await?;
    let Parsed {
        body: request,
        warnings,
        unit,
    } = ObserveRequest::parse(&body).map_err(|fault| refused(fault.into()))?;
    let is_many = request.is_many;
    let record = match request.points[..] {
        [point] => PointsRecord::One {
            series_id: series.clone(),
            point,
            unit,
            quiet: query.quiet,
        },
        _ => PointsRecord::Series {
            series_id: series.clone(),
            points: request.points,
            unit,
            quiet: query.quiet,
        },
    };
    let until = start + query.wait;
    let trace = context.and_then(RequestContext::trace);
    let answer = app
        .append(&series, record, until, trace)
        .await
        .map_err(refused)?;
    match answer {
        Some(Answer::Observed(observed)) if !observed.is_empty() => {
            let verdicts: Vec<_> = observed.iter().map(stream::Observed::reply).collect();
            let held = verdicts.iter().all(|v| v.status == PointStatus::Accepted);
            let reply = one_or_many(series, verdicts, is_many, warnings);
            Ok(match held {
                true => (StatusCode::ACCEPTED, reply).into_response(),
                false => reply,
            })
        }
        Some(Answer::TooMany) => Err(refused(Error::TooManyStreams)),
        _ => Ok(accepted(&AcceptedReply {
            series_id: series,
            status: PointStatus::Accepted,
        })),
    }
}

/// The reply about points, which came as arrays or as a single one.
fn one_or_many(
    series_id: SeriesId,
    mut verdicts: Vec<ObservedPoint>,
    is_many: bool,
    warnings: Vec<String>,
) -> Response {
    if !is_many && let Some(point) = verdicts.pop() {
        return json(&ObserveReply { series_id, point });
    }
    let mut counts = PointCounts::default();
    verdicts.iter().for_each(|point| counts.add(point.status));
    json(&ObserveManyReply {
        series_id,
        counts,
        verdicts,
        warnings,
    })
}

/// Appends the points in the body, one JSON object a line.
pub(crate) async fn append_points(
    State(app): State<Arc<App>>,
    request: Request,
) -> Fallible<Response> {
    let (head, body) = request.into_parts();
    let context = head.extensions.get::<RequestContext>();
    let refused = |error: Error| error.reply(context);
    let quiet = Query::parse(head.uri.query().unwrap_or_default())
        .of_only(&["notify"])
        .map_err(Error::from)
        .and_then(|query| is_quiet(&query))
        .map_err(refused)?;
    let read = app.admission.read(body, MAX_POINTS_BODY).await?;
    let (_admitted, body) = read.ok_or_else(|| refused(Error::Overloaded))?;
    let (points, dated) = lines(&body, quiet).map_err(refused)?;
    let in_dates = dated.iter().filter_map(PointsRecord::series_id);
    let named = points.iter().map(|(series, _)| series).chain(in_dates);
    if let Some(series) = prefixes::forbidden(&head.headers, named) {
        return Err(refused(Error::Forbidden(series.clone())));
    }
    let accepted_points = points.len() + dated.iter().map(PointsRecord::points).sum::<usize>();
    let mut records = packed(points, quiet);
    records.extend(dated);
    let bus = app.shared.bus.clone();
    let trace = context.and_then(RequestContext::trace);
    on_main(async move { bus.publish(records, trace).await })
        .await
        .map_err(|error| refused(Error::NotAcknowledged(error)))?;
    Ok(accepted(&AcceptedPoints {
        accepted: accepted_points as u64,
    }))
}

fn accepted(body: &impl serde::Serialize) -> Response {
    (StatusCode::ACCEPTED, json(body)).into_response()
}

/// The points of all lines, and records of those whose timestamps are dates. Empty lines are skipped.
fn lines(body: &[u8], quiet: bool) -> Result<(Vec<SeriesPoint>, Vec<PointsRecord>), Error> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let (mut points, mut dated) = (Vec::new(), BTreeMap::new());
    for (number, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let fault = |why: String| Error::BadBody(format!("line {}: {why}", number + 1));
        let record: PointsRecord =
            serde_json::from_slice(line).map_err(|why| fault(why.to_string()))?;
        let (series_id, several, unit) = match record {
            PointsRecord::One {
                series_id,
                point,
                unit,
                ..
            } => (series_id, vec![point], unit),
            PointsRecord::Series {
                series_id,
                points,
                unit,
                ..
            } => (series_id, points, unit),
            _ => {
                let form = "it is not a series_id with timestamp and value";
                return Err(fault(form.to_owned()));
            }
        };
        match unit {
            None => points.extend(several.into_iter().map(|point| (series_id.clone(), point))),
            Some(unit) => dated
                .entry((series_id, unit.decimals()))
                .or_insert_with(Vec::new)
                .extend(several),
        }
    }
    match points.is_empty() && dated.is_empty() {
        true => Err(Error::BadBody("there are no points".to_owned())),
        false => Ok((points, in_records(dated, quiet))),
    }
}

/// Records of the points of each series and unit, which is given by its decimals.
fn in_records(dated: BTreeMap<(SeriesId, u32), Vec<Point>>, quiet: bool) -> Vec<PointsRecord> {
    let records = dated
        .into_iter()
        .flat_map(|((series_id, decimals), points)| {
            let chunks = points.chunks(MAX_POINTS_PER_RECORD).map(<[Point]>::to_vec);
            let record = move |points| PointsRecord::Series {
                series_id: series_id.clone(),
                points,
                unit: TimeUnit::with_decimals(decimals),
                quiet,
            };
            chunks.map(record).collect::<Vec<_>>()
        });
    records.collect()
}

/// The points in records of one partition each, in their order.
pub(crate) fn packed(points: Vec<(SeriesId, Point)>, quiet: bool) -> Vec<PointsRecord> {
    let mut by_partition: BTreeMap<i32, Vec<(SeriesId, Point)>> = BTreeMap::new();
    for (series, point) in points {
        let partition = partition_of(&series, POINT_PARTITIONS);
        by_partition
            .entry(partition)
            .or_default()
            .push((series, point));
    }
    let mut records = Vec::new();
    for (_, mut points) in by_partition {
        while !points.is_empty() {
            // A record stays under 900 KB, however long the ids are.
            let mut bytes = 0;
            let fits = points.iter().take_while(|(series, _)| {
                bytes += series.as_str().len() * 2 + 60;
                bytes < 800_000
            });
            let fits = fits.take(MAX_POINTS_PER_RECORD).count().max(1);
            let rest = points.split_off(fits.min(points.len()));
            records.push(PointsRecord::Packed { points, quiet });
            points = rest;
        }
    }
    records
}

impl App {
    /// Whether this observer judges what lies in `partition`.
    pub(crate) fn owns(&self, partition: i32) -> bool {
        self.is_only || self.owned.has(partition)
    }

    /// Appends `record`, which is about `series` and part of `trace`, and waits for what becomes of it. `None` if that
    /// takes longer than `until`, or another observer takes over: it is durable all the same.
    ///
    /// # Errors
    /// When it was not appended, or that is not known.
    pub(crate) async fn append(
        &self,
        series: &SeriesId,
        record: PointsRecord,
        until: Instant,
        trace: TraceParent,
    ) -> Result<Option<Answer>, Error> {
        let partition = partition_of(series, POINT_PARTITIONS);
        let waiters = &self.shared.waiters;
        let (number, answer) = waiters.register(partition).ok_or(Error::Overloaded)?;
        // Another observer judges what this one only appends.
        let is_ours = self.owns(partition);
        let (bus, process) = (self.shared.bus.clone(), waiters.process.clone());
        let appended = on_main(async move {
            let number = number.to_string();
            let headers = [(header::PROCESS, &*process), (header::REQUEST, &*number)];
            bus.publish_with([record], &headers, trace).await
        });
        if let Err(error) = appended.await {
            waiters.forget(number);
            return Err(Error::NotAcknowledged(error));
        }
        // Whoever does not want to wait is not told the verdict, even if it is there already.
        let answer = match is_ours && until > Instant::now() {
            true => tokio::time::timeout_at(until.into(), answer).await.ok(),
            false => None,
        };
        waiters.forget(number);
        // An inner error means that the partition was lost.
        Ok(answer.and_then(Result::ok))
    }
}
