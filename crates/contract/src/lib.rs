//! The contract between processes: HTTP bodies, problem codes, headers, events, and the ids in
//! them.
//!
//! No I/O and no async. A field is added here as optional and never renamed; the wire form of every
//! type is pinned by a test.

mod alert;
mod anomaly;
mod api_key;
pub mod azure;
mod code;
mod columnar;
mod columns;
mod columns_reply;
mod columns_request;
mod detect;
pub mod endpoint;
mod event;
mod feed;
mod feedback;
mod fields;
mod fit;
pub mod header;
mod health;
mod histogram;
mod history;
mod id;
mod json;
mod judge;
mod live;
mod matcher;
mod metric;
mod moment;
mod observe;
mod offset;
pub mod open_inference;
mod overview;
mod points;
mod predict;
mod problem;
mod reference;
mod registry;
#[cfg(feature = "schema")]
mod schema;
mod silence;
mod silenced;
mod stream;
mod system;
mod table;
mod time;
mod timestamps;
mod verdict;
mod zone;

pub use alert::{AlertTestReply, ChannelTest, FailedAlert, FailedAlertList, TestStatus};
pub use anomaly::{
    Anomaly, AnomalyDetail, AnomalyEvent, AnomalyEventKind, AnomalyId, AnomalyKind, AnomalyList,
    Incident, IncidentDetail, IncidentEvent, IncidentEventKind, IncidentId, IncidentList,
    IncidentNotification, IncidentReport, InvalidId, OpenStatus,
};
pub use api_key::{
    ApiKey, Expiry, InvalidExpiry, InvalidKeyName, InvalidSecretHash, KeyLimits, KeyName,
    SecretHash,
};
pub use code::ProblemCode;
pub use columnar::{AlarmReply, ColumnarDetectReply, ColumnarSummary};
pub use columns::{COLUMNS, Columns, Table};
pub use columns_reply::{
    ColumnReply, ColumnsDetectSummary, ColumnsEpisodeReply, ColumnsJudgedReply,
    ColumnsPredictReply, ColumnsVerdictReply,
};
pub use columns_request::{
    ColumnsBatchRequest, ColumnsDetectRequest, ColumnsFitRequest, ColumnsPredictRequest, Requested,
};
pub use detect::{
    ChangePointReply, DEFAULT_TRAIN, DetectForm, DetectLine, DetectReply, DetectRequest,
    DetectSummary, EpisodeReply, MAX_TITLE_BYTES, MAX_TRAIN_SHARE, Train,
};
pub use endpoint::{ENDPOINTS, Endpoint, EndpointName};
pub use event::{
    DeadLetters, Event, InferenceBatch, MAX_POINTS_PER_PART, MetricsEvent, ModelEvent, Topic,
    TrainingData,
};
pub use feed::{FEED_PATH, FeedEvent, FeedReply, FeedRequest, MAX_FOLLOWED, PointEvent};
pub use feedback::{
    Budget, BudgetPeriod, FalseAlarms, Feedback, FeedbackRequest, FeedbackVerdict, HeldBack,
};
pub use fit::{FitReply, FitRequest};
pub use health::{
    Figures, HealthReply, LatencyMs, LoadFigures, PredictorHealth, ServiceRate, Status,
    SystemMetrics, Throughput, TrainerHealth,
};
pub use histogram::LatencyHistogram;
pub use history::{
    LearnedPoint, MAX_SHOWN_ANOMALIES, MAX_SHOWN_POINTS, SeriesPoints, ShownAlarm, ShownAnomaly,
    ShownFit,
};
pub use id::{InvalidSeriesId, InvalidVersion, Point, SeriesId, Version};
pub use json::{BadJson, Parsed};
pub use judge::{FitOptions, JudgeOptions, MAX_CONTEXT, Params};
pub use live::{LIVE_PATH, LiveReply, LiveRequest, LiveSeries};
pub use matcher::{MatchOp, Matcher};
pub use metric::{DURATION_BOUNDS, RENAMED_METRICS};
pub use moment::{InvalidMoment, Moment};
pub use observe::{
    AcceptedPoints, AcceptedReply, Learning, MAX_OBSERVED, ObserveManyReply, ObserveReply,
    ObserveRequest, ObservedPoint, PointCounts, PointStatus, StreamVerdict,
};
pub use offset::{Delivery, TopicLog, TopicOffset};
pub use overview::{
    AlarmHistogram, MAX_HISTOGRAM_STEPS, Overview, OverviewCounts, OverviewRow, RowGroup, RowState,
    SPARK_STEPS, Sparkline,
};
pub use points::{MAX_POINTS_PER_RECORD, POINT_PARTITIONS, PointsRecord, partition_of};
pub use predict::{BatchReply, BatchRequest, MAX_BATCH, PredictReply, PredictRequest};
pub use problem::{Fault, Problem};
pub use reference::{
    AliasName, InvalidAlias, InvalidRevision, InvalidVersionRef, Revision, VersionRef,
};
pub use registry::{
    AliasInfo, AliasRequest, ImportReply, ListedSeries, ModelFile, ModelInfo, ModelList,
    RollbackRequest, SeriesDetail, SeriesList, SeriesSummary, Source,
};
pub use silence::{
    Interval, InvalidInterval, MAX_INTERVALS, MAX_MATCHERS, MAX_SILENCE_TEXT, MinuteOfDay,
    MonthDays, Months, Silence, SilenceId, SilenceList, SilenceRequest, TimeRange, Weekdays,
};
pub use silenced::CompiledSilence;
pub use stream::{
    DEFAULT_WARMUP, InvalidOrigin, Labels, MAX_LABEL_BYTES, MAX_LABELS, Origin, Restart,
    StreamControl, StreamCounts, StreamOptions, StreamReply, StreamState, Transform,
};
pub use system::{
    DependencyFigures, PlatformForm, ProcessFigures, ServiceFigures, ServiceStatus, SystemHistory,
    SystemReply,
};
pub use table::{BLOCK_ROWS, TableDetectReply, VerdictBlock};
pub use time::{TimeUnit, UtcTime};
pub use timestamps::{InvalidTimestamp, Timestamp};
pub use verdict::{
    Cause, DetectorName, Direction, JudgedReply, OnlineReply, Severity, Sides, UnknownWord,
    VerdictReply,
};
pub use zone::{TimeZone, UnknownTimeZone};
