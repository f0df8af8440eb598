//! Warm-up and session: what a stream judges by.

use contract::{DetectorName, Learning, Point, StreamOptions, Version};
use detector::{ChangePoint, Episode, Judged, MIN_POINTS, Model, Session};

/// What a stream begins from.
#[derive(Clone, Debug, PartialEq)]
pub enum Beginning {
    /// Nothing: it warms up.
    Nothing,
    /// A model that was fitted.
    Model {
        /// Its version.
        version: Version,
        /// The model.
        model: Box<Model>,
    },
}

/// The numbers of points at which the session is fitted anew on all points so far.
const REFITS: [u64; 4] = [10, 30, 90, 270];

/// What came of learning a point.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Lesson {
    /// The verdict on the point; `None` while there are too few points for one.
    pub(crate) judged: Option<Judged>,
    /// The episodes that have ended.
    pub(crate) closed: Vec<Episode>,
    /// The episode that goes on.
    pub(crate) running: Option<Episode>,
    /// The changes of the level that have become known.
    pub(crate) changes: Vec<ChangePoint>,
    /// How far the stream has warmed up; `None` once it has.
    pub(crate) learning: Option<Learning>,
    /// Whether another session goes on from here.
    pub(crate) refitted: bool,
}

impl Lesson {
    fn of(session: &mut Session, point: Point) -> Self {
        Self {
            judged: Some(session.update(point)),
            closed: session.take_closed(),
            running: session.open_episode(),
            changes: session.take_changes(),
            ..Self::default()
        }
    }
}

/// Learns and judges.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Learner {
    /// The points so far, which are fitted on again.
    WarmingUp {
        points: Vec<Point>,
        session: Option<Box<Session>>,
    },
    /// A session that goes on for ever.
    Ready(Box<Session>),
}

impl Learner {
    pub(crate) fn begin(beginning: &Beginning, options: &StreamOptions) -> Self {
        match beginning {
            Beginning::Nothing => Self::WarmingUp {
                points: Vec::new(),
                session: None,
            },
            Beginning::Model { model, .. } => {
                Self::Ready(Box::new(model.session(&options.judge())))
            }
        }
    }

    /// Judges `point` and learns it.
    pub(crate) fn learn(
        &mut self,
        point: Point,
        options: &StreamOptions,
        default: DetectorName,
    ) -> Lesson {
        let (points, session) = match self {
            Self::Ready(session) => return Lesson::of(session, point),
            Self::WarmingUp { points, session } => (points, session),
        };
        points.push(point);
        let count = points.len() as u64;
        let mut lesson = match session {
            Some(session) => Lesson::of(session, point),
            None => Lesson::default(),
        };
        lesson.learning = Some(Learning {
            points: count,
            of: options.warmup(),
        });
        let is_last = count >= options.warmup();
        let is_due = is_last || REFITS.contains(&count);
        if !is_due && (session.is_some() || points.len() < MIN_POINTS) {
            return lesson;
        }
        let Ok(fitted) = Model::fit(points, &options.fit(), default) else {
            // Equal values, fewer than ten of them, or parameters that need more points.
            return lesson;
        };
        let fresh = Box::new(fitted.model.session(&options.judge()));
        lesson.refitted = true;
        if lesson.judged.is_none() {
            let verdict = fitted.model.score(&[], point, &options.judge());
            lesson.judged = Some(Judged::by_itself(point, verdict));
        }
        *self = match is_last {
            true => Self::Ready(fresh),
            false => Self::WarmingUp {
                points: std::mem::take(points),
                session: Some(fresh),
            },
        };
        lesson
    }

    /// Goes on with other options. `is_new` says that they ask for another detector: then a stream
    /// that warms up is fitted anew at the next point, and one that has done so begins again.
    pub(crate) fn set_options(&mut self, options: &StreamOptions, is_new: bool) {
        match self {
            Self::WarmingUp { session, .. } if is_new => *session = None,
            Self::Ready(_) if is_new => *self = Self::begin(&Beginning::Nothing, options),
            Self::Ready(session)
            | Self::WarmingUp {
                session: Some(session),
                ..
            } => session.set_options(&options.judge()),
            Self::WarmingUp { session: None, .. } => {}
        }
    }

    /// The session, once there is one.
    pub(crate) fn session(&self) -> Option<&Session> {
        match self {
            Self::Ready(session) => Some(session),
            Self::WarmingUp { session, .. } => session.as_deref(),
        }
    }

    /// How far it has warmed up; `None` once it has.
    pub(crate) fn learning(&self, options: &StreamOptions) -> Option<Learning> {
        match self {
            Self::Ready(_) => None,
            Self::WarmingUp { points, .. } => Some(Learning {
                points: points.len() as u64,
                of: options.warmup(),
            }),
        }
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let session = self.session().map_or(0, Session::memory_bytes);
        match self {
            Self::Ready(_) => session,
            Self::WarmingUp { points, .. } => session + points.capacity() * size_of::<Point>(),
        }
    }
}
