//! Which incident an anomaly belongs to, and what is told of both. No I/O.
//!
//! Everything follows from the stored rows and the changes, never from a clock. A change that the
//! stored anomaly already includes does nothing, so a replay may bring it again.

use std::collections::BTreeMap;

use contract::{
    Anomaly, AnomalyEvent, AnomalyEventKind, AnomalyId, AnomalyKind, HeldBack, IncidentEvent,
    IncidentEventKind, IncidentId, Moment, OpenStatus, Point, Severity,
};
use sha2::{Digest, Sha256};

use super::{AnomalyChange, feedback::Limits};

/// How long people are not told of an incident, so that they are told of all that comes together.
const GATHER_MS: i64 = 10_000;
/// The same for series that fall silent, which takes longer to be found.
const GATHER_MISSING_MS: i64 = 30_000;

/// The channel of events for programs.
pub(super) const TOPIC: &str = "topic";
/// The channel of events of incidents, before a notifier chooses where they go.
pub(super) const INCIDENT: &str = "incident";

/// A stored anomaly, as far as decisions need it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// How far the anomaly has come.
    pub(super) progress: Progress,
    /// The incident that it belongs to.
    pub(super) incident: Option<IncidentId>,
    /// Why people were not told of it.
    pub(super) held_back: Option<HeldBack>,
}

/// How far an anomaly has come: later states are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Progress {
    /// The number of its alarms.
    pub(super) alarms: i64,
    /// The timestamp of its last abnormal point.
    pub(super) last: i64,
    /// Whether it is over. It may go on later, with more alarms or abnormal points.
    pub(super) is_closed: bool,
}

impl Progress {
    pub(super) fn of(anomaly: &Anomaly) -> Self {
        Self {
            alarms: i64::try_from(anomaly.alarms).unwrap_or(i64::MAX),
            last: anomaly.end,
            is_closed: anomaly.status == OpenStatus::Closed,
        }
    }
}

/// An incident as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct IncidentState {
    pub(super) id: IncidentId,
    pub(super) group: String,
    pub(super) opened_at: Moment,
    pub(super) last_at: Moment,
    pub(super) closed_at: Option<Moment>,
    /// When people are told that it was opened.
    pub(super) due: Moment,
    pub(super) anomalies: i64,
    pub(super) open: i64,
    pub(super) severity: Severity,
    /// The severity that people were told of.
    pub(super) told: Severity,
    /// How often it was opened.
    pub(super) openings: i64,
}

/// An anomaly to write.
pub(super) struct AnomalyRow<'c> {
    pub(super) anomaly: &'c Anomaly,
    pub(super) context: &'c [Point],
    pub(super) incident: Option<IncidentId>,
    pub(super) held_back: Option<HeldBack>,
}

/// An event to tell.
pub(super) struct Telling {
    pub(super) event_id: String,
    pub(super) channel: &'static str,
    pub(super) payload: String,
    pub(super) at: Moment,
    pub(super) due: Moment,
}

/// What changes. Begins with what is stored.
pub(super) struct Plan<'c> {
    known: BTreeMap<AnomalyId, Known>,
    incidents: BTreeMap<IncidentId, IncidentState>,
    /// The open incident of each group that has one.
    open: BTreeMap<String, IncidentId>,
    /// The anomalies to write, in their last state.
    pub(super) rows: BTreeMap<AnomalyId, AnomalyRow<'c>>,
    /// The events to tell, in order.
    pub(super) events: Vec<Telling>,
    limits: Limits,
}

impl<'c> Plan<'c> {
    /// `incidents` are those of the known anomalies, the open ones of the groups that changes
    /// name, and those with ids that new incidents would have.
    pub(super) fn new(
        known: BTreeMap<AnomalyId, Known>,
        incidents: Vec<IncidentState>,
        limits: Limits,
    ) -> Self {
        let open = incidents.iter().filter(|i| i.closed_at.is_none());
        Self {
            known,
            open: open.map(|i| (i.group.clone(), i.id)).collect(),
            incidents: incidents.into_iter().map(|i| (i.id, i)).collect(),
            rows: BTreeMap::new(),
            events: Vec::new(),
            limits,
        }
    }

    /// The incidents, in their last state.
    pub(super) fn incidents(&self) -> impl Iterator<Item = &IncidentState> {
        self.incidents.values()
    }

    /// Applies the next change of an anomaly.
    pub(super) fn apply(&mut self, change: &'c AnomalyChange) -> Result<(), serde_json::Error> {
        let anomaly = &change.anomaly;
        let progress = Progress::of(anomaly);
        let before = self.known.get(&anomaly.anomaly_id).copied();
        if before.is_some_and(|before| before.progress > progress) {
            return Ok(());
        }
        let was_open = before.is_some_and(|before| !before.progress.is_closed);
        let held_before = before.and_then(|before| before.held_back);
        let (incident, held_back) = match before.and_then(|before| before.incident) {
            Some(id) => (Some(self.go_on(id, change, was_open)?), None),
            // One that was held back has become worse.
            None if is_notified(change) || (held_before.is_some() && may_be_told(change)) => {
                match self.limits.hold_back(change) {
                    Some(why) => (None, Some(why)),
                    None => (Some(self.join(change)?), None),
                }
            }
            None => (None, held_before),
        };
        if let Some(id) = incident {
            self.settle(id, anomaly.severity, when(anomaly))?;
        }
        let known = Known {
            progress,
            incident,
            held_back,
        };
        self.known.insert(anomaly.anomaly_id, known);
        let row = self.rows.entry(anomaly.anomaly_id).or_insert(AnomalyRow {
            anomaly,
            context: &change.context,
            incident,
            held_back,
        });
        (row.anomaly, row.incident, row.held_back) = (anomaly, incident, held_back);
        if let Some(kind) = change.event {
            self.tell_programs(kind, change, incident)?;
        }
        Ok(())
    }

    /// Takes an anomaly that was removed out of its incident.
    pub(super) fn remove(
        &mut self,
        incident: IncidentId,
        was_open: bool,
    ) -> Result<(), serde_json::Error> {
        let Some(state) = self.incidents.get_mut(&incident) else {
            return Ok(());
        };
        state.anomalies -= 1;
        state.open -= i64::from(was_open);
        let (severity, at) = (state.severity, state.last_at);
        self.settle(incident, severity, at)
    }

    /// Follows an anomaly of the incident `id`. Returns the incident that it belongs to now.
    fn go_on(
        &mut self,
        id: IncidentId,
        change: &AnomalyChange,
        was_open: bool,
    ) -> Result<IncidentId, serde_json::Error> {
        let is_open = change.anomaly.status == OpenStatus::Open;
        let Some(incident) = self.incidents.get_mut(&id) else {
            return Ok(id);
        };
        if was_open == is_open || incident.closed_at.is_none() {
            incident.open += i64::from(is_open) - i64::from(was_open);
            return Ok(id);
        }
        // It goes on after its incident was closed.
        incident.anomalies -= 1;
        match self.open.contains_key(&incident.group) {
            true => self.join(change),
            false => self.reopen(id, change).map(|()| id),
        }
    }

    /// Has an anomaly join the open incident of its group, or a new one.
    fn join(&mut self, change: &AnomalyChange) -> Result<IncidentId, serde_json::Error> {
        let Some(&id) = self.open.get(&change.group) else {
            let id = incident_id(&change.group, change.anomaly.anomaly_id);
            self.incidents
                .entry(id)
                .or_insert_with(|| fresh(id, change));
            return self.reopen(id, change).map(|()| id);
        };
        if let Some(incident) = self.incidents.get_mut(&id) {
            incident.count(&change.anomaly);
        }
        Ok(id)
    }

    /// Opens an incident with an anomaly.
    fn reopen(&mut self, id: IncidentId, change: &AnomalyChange) -> Result<(), serde_json::Error> {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return Ok(());
        };
        let gather = match change.anomaly.kind {
            AnomalyKind::Missing => GATHER_MISSING_MS,
            _ => GATHER_MS,
        };
        let at = change.anomaly.opened_at;
        self.open.insert(incident.group.clone(), id);
        incident.openings += 1;
        incident.closed_at = None;
        incident.due = Moment(at.0.saturating_add(gather));
        incident.count(&change.anomaly);
        incident.severity = incident.severity.max(change.anomaly.severity);
        incident.told = incident.severity;
        self.tell_people(id, IncidentEventKind::Opened, at)
    }

    /// Closes an incident without open anomalies, and tells of a severity that is new.
    fn settle(
        &mut self,
        id: IncidentId,
        severity: Severity,
        at: Moment,
    ) -> Result<(), serde_json::Error> {
        let Some(incident) = self.incidents.get_mut(&id) else {
            return Ok(());
        };
        incident.severity = incident.severity.max(severity);
        if incident.closed_at.is_some() {
            return Ok(());
        }
        if incident.severity > incident.told {
            incident.told = incident.severity;
            self.tell_people(id, IncidentEventKind::Escalated, at)?;
        }
        let Some(incident) = self.incidents.get_mut(&id) else {
            return Ok(());
        };
        if incident.open <= 0 {
            incident.closed_at = Some(at);
            self.open.remove(&incident.group);
            self.tell_people(id, IncidentEventKind::Resolved, at)?;
        }
        Ok(())
    }

    fn tell_people(
        &mut self,
        id: IncidentId,
        kind: IncidentEventKind,
        at: Moment,
    ) -> Result<(), serde_json::Error> {
        let Some(incident) = self.incidents.get(&id) else {
            return Ok(());
        };
        let (n, told) = (incident.openings, incident.told);
        let event_id = match kind {
            IncidentEventKind::Opened => format!("{id}-opened-{n}"),
            IncidentEventKind::Escalated => format!("{id}-escalated-{n}-{told}"),
            IncidentEventKind::Resolved => format!("{id}-resolved-{n}"),
            IncidentEventKind::Test => format!("{id}-test"),
        };
        let event = IncidentEvent {
            kind,
            incident_id: id,
            at,
        };
        self.events.push(Telling {
            payload: serde_json::to_string(&event)?,
            event_id,
            channel: INCIDENT,
            at,
            // Not before they are told that it was opened.
            due: at.max(incident.due),
        });
        Ok(())
    }

    fn tell_programs(
        &mut self,
        kind: AnomalyEventKind,
        change: &AnomalyChange,
        incident_id: Option<IncidentId>,
    ) -> Result<(), serde_json::Error> {
        let anomaly = &change.anomaly;
        let word = match kind {
            AnomalyEventKind::Opened => "opened",
            AnomalyEventKind::Escalated => "escalated",
            AnomalyEventKind::Closed => "closed",
            AnomalyEventKind::Test => "test",
        };
        let (id, alarms, end) = (anomaly.anomaly_id, anomaly.alarms, anomaly.end);
        let at = when(anomaly);
        let event = AnomalyEvent {
            event_id: format!("{id}-{word}-{alarms}-{end}"),
            kind,
            at,
            anomaly: Anomaly {
                incident_id,
                ..anomaly.clone()
            },
            traceparent: change.traceparent.clone(),
        };
        self.events.push(Telling {
            payload: serde_json::to_string(&event)?,
            event_id: event.event_id,
            channel: TOPIC,
            at,
            due: at,
        });
        Ok(())
    }
}

impl IncidentState {
    /// Counts an anomaly that joins.
    fn count(&mut self, anomaly: &Anomaly) {
        self.anomalies += 1;
        self.open += i64::from(anomaly.status == OpenStatus::Open);
        self.last_at = self.last_at.max(anomaly.opened_at);
    }
}

/// Whether people are told of the change of an anomaly that has no incident yet.
fn is_notified(change: &AnomalyChange) -> bool {
    change.event == Some(AnomalyEventKind::Opened) && may_be_told(change)
}

/// Whether people may be told of the change of an anomaly, if it is a new one or was held back.
pub(super) fn may_be_told(change: &AnomalyChange) -> bool {
    let event = change.event;
    matches!(
        event,
        Some(AnomalyEventKind::Opened | AnomalyEventKind::Escalated)
    ) && !change.anomaly.silenced
        && change.anomaly.kind != AnomalyKind::Level
}

/// The id of an incident follows from its group and its first anomaly.
pub(super) fn incident_id(group: &str, first: AnomalyId) -> IncidentId {
    let mut hash = Sha256::new();
    hash.update(first.0.to_be_bytes());
    hash.update(group.as_bytes());
    let bytes: [u8; 32] = hash.finalize().into();
    let (id, _) = bytes.split_at(16);
    IncidentId(id.iter().fold(0, |id, byte| id << 8 | u128::from(*byte)))
}

/// An incident before its first anomaly joins.
fn fresh(id: IncidentId, change: &AnomalyChange) -> IncidentState {
    let at = change.anomaly.opened_at;
    IncidentState {
        id,
        group: change.group.clone(),
        opened_at: at,
        last_at: at,
        closed_at: None,
        due: at,
        anomalies: 0,
        open: 0,
        severity: Severity::None,
        told: Severity::None,
        openings: 0,
    }
}

/// When the anomaly became what it is, as far as it says.
fn when(anomaly: &Anomaly) -> Moment {
    anomaly.closed_at.unwrap_or(anomaly.opened_at)
}
